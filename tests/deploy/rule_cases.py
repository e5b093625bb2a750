"""Both sides of every alert's boundary, as one table; `python tests/deploy/rule_cases.py` writes it for promtool.

A case says what Prometheus has scraped each minute, when the alert must still be silent, when it must ring, and what it
then says. `below` and `silent` are what must not ring. Cases of days are evaluated every `step` minutes, in a file of their
own: promtool would take minutes otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"
TESTS = ROOT / "deploy/prometheus/tests"
HEAD = "# Made by tests/deploy/rule_cases.py: change that table, and run it. To run this: promtool test rules deploy/prometheus/tests/*.yaml\n"

Series = dict[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One alert on both sides of its boundary. Times are minutes; `value` is the value as a person reads it."""

    alert: str
    above: Series
    below: Series
    quiet_at: int
    rings_at: int
    value: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    silent: tuple[Series, ...] = ()
    quiet_again_at: int | None = None
    silent_at: int | None = None
    step: int = 1


def grown(*phases: tuple[float, int]) -> str:
    """Write a counter that grows by so much a minute for so many minutes, phase after phase."""
    value, written = 0.0, []
    for step, minutes in phases:
        written.append(f"{value:.10g}+{step:.10g}x{minutes - 1}")
        value += step * minutes
    return " ".join(written)


def level(value: float | str, minutes: int = 180) -> str:
    """Write a gauge that stays where it is."""
    return f"{value}x{minutes}"


J = 'job="governance",instance="a"'
LONG = 180


def counter(name: str, labels: str, per_minute: float) -> Series:
    return {f"governance_{name}{{{J}{',' + labels if labels else ''}}}": grown((per_minute, LONG))}


def gauge(name: str, labels: str, value: float) -> Series:
    return {f"governance_{name}{{{J}{',' + labels if labels else ''}}}": level(value)}


# In minute 4 a counter shows one more, or a series that was not there before; or it happened long ago.
MORE, NEW, OLD = "7x3 8x90", "_x4 1x90", "3x120"


def happens(alert: str, name: str, labels: str, window: int, value: str, quiet_labels: str = "", hold: int = 0, **shown: str) -> tuple[Case, Case]:  # fmt: skip
    """A counter of what should never happen: once is enough, as one more or as the first; what is past is not told."""
    series = f"governance_{name}{{{J}{',' + labels if labels else ''}}}"
    other = f"governance_{name}{{{J}{',' + quiet_labels if quiet_labels else ''}}}"
    silent = ({series: "0x120"}, *(({other: NEW},) if quiet_labels else ()))
    at, past = 4 + hold, 4 + window + 1
    first = Case(alert, {series: NEW}, {series: OLD}, at - 1, at, value, shown, silent, past, past)
    # One more within `window` minutes is extrapolated to the window's ends, so its value is near one and not shown here.
    return (first, Case(alert, {}, {series: f"7x{window + 3} 8x{window} 8x{window}"}, window + 3, window + 3))


ROUTE = 'method="POST",route="/v2/models/{model}/infer"'


def answers(failed: float, of: float = 10_000) -> Series:
    return {
        f'governance_requests_total{{{J},{ROUTE},outcome="answered",reason=""}}': grown((of - failed, LONG)),
        f'governance_requests_total{{{J},{ROUTE},outcome="failed",reason="not_ready"}}': grown((failed, LONG)),
        # None of these is service that was promised: they neither burn the budget nor hide who does.
        f'governance_requests_total{{{J},{ROUTE},outcome="failed",reason="stopped"}}': grown((of, LONG)),
        f'governance_requests_total{{{J},{ROUTE},outcome="refused",reason="unauthenticated"}}': grown((of * 9, LONG)),
        f'governance_requests_total{{{J},method="GET",route="/readyz",outcome="failed",reason="not_ready"}}': grown(
            (of, LONG)
        ),
    }


def answers_in_phases(*phases: tuple[float, int], of: float = 10_000) -> Series:
    return {
        f'governance_requests_total{{{J},{ROUTE},outcome="answered",reason=""}}': grown(
            *((of - failed, minutes) for failed, minutes in phases)
        ),
        f'governance_requests_total{{{J},{ROUTE},outcome="failed",reason="not_ready"}}': grown(*phases),
    }


def slow(late: float, of: float = 10_000) -> Series:
    return slow_in_phases((late, LONG), of=of)


def slow_in_phases(*phases: tuple[float, int], of: float = 10_000) -> Series:
    name = "governance_request_seconds"
    total = grown(*((of, minutes) for _, minutes in phases))
    within = grown(*((of - late, minutes) for late, minutes in phases))
    return {
        f'{name}_bucket{{{J},{ROUTE},outcome="answered",le="0.25"}}': within,
        f'{name}_bucket{{{J},{ROUTE},outcome="answered",le="+Inf"}}': total,
        f'{name}_count{{{J},{ROUTE},outcome="answered"}}': total,
    }


def burns(kind: str, make: Any, phases: Any, scale: int) -> list[Case]:
    """Three speeds; for each: just above and below, only in the long window (it is over), only in the short one."""
    cases = []
    for speed, factor, long, short, hold, step in (("Fast", 14.4, 60, 5, 2, 1), ("Steadily", 6, 360, 30, 15, 5), ("Slowly", 1, 4320, 360, 60, 60)):  # fmt: skip
        limit = factor * 10 * scale  # so many of 10,000
        over = phases((limit * 1.5, long), (0, short + hold + step))
        fresh = phases((0, long), (limit * 3, hold + short + step))
        # Both are looked at where the one window is over the limit and the other is not, and `for` has passed.
        at = {"over": long + short, "fresh": long + short}
        cases.append(Case(f"Governance{kind}Burns{speed}", make(limit + 1), make(limit - 1), hold, hold + 1, f"{(limit + 1) / 100:.4g}%"))  # fmt: skip
        for moment, series in (("over", over), ("fresh", fresh)):
            cases.append(Case(f"Governance{kind}Burns{speed}", {}, series, at[moment], at[moment], step=step))
    return cases


def seconds(name: str, le: tuple[str, str], share_above: float) -> Series:
    """A histogram of which `share_above` lies in the second of two buckets, and the rest in the first."""
    first, second = le
    return {
        f'governance_{name}_bucket{{{J},le="{first}"}}': grown((1000 * (1 - share_above), LONG)),
        f'governance_{name}_bucket{{{J},le="{second}"}}': grown((1000, LONG)),
        f'governance_{name}_bucket{{{J},le="+Inf"}}': grown((1000, LONG)),
    }


REFUSED = f'governance_requests_total{{{J},{ROUTE},outcome="refused",reason="unauthenticated"}}'
LIMITED = f'governance_requests_total{{{J},{ROUTE},outcome="refused",reason="rate_limited"}}'
ANSWERED = f'governance_requests_total{{{J},{ROUTE},outcome="answered",reason=""}}'
PERSON = f'governance_entities_total{{{J},entity="PERSON"}}'
GROWTH = 10 * 2**30 / 1440
DAY = 86_400
KUBELET = 'job="kubelet",namespace="prod",persistentvolumeclaim="governance-audit-0"'


def volume(free: float) -> Series:
    return {
        f"kubelet_volume_stats_available_bytes{{{KUBELET}}}": level(free),
        f"kubelet_volume_stats_capacity_bytes{{{KUBELET}}}": level(100),
    }


def digests(*digests: str) -> Series:
    return {
        f'governance_model_info{{job="governance",instance="{n}",model="digits-cnn",version="1",digest="{digest}"}}': level(
            1
        )
        for n, digest in enumerate(digests)
    }


def gpu(used: float) -> Series:
    return gauge("gpu_memory_bytes", 'device="0",state="used"', used) | gauge("gpu_memory_bytes", 'device="0",state="total"', 100)  # fmt: skip


MODEL = 'model="digits-cnn",version="1",device="cpu"'
ENDS = "earliest_expiry_timestamp_seconds"

CASES = (
    *burns("Availability", answers, answers_in_phases, 1),
    *burns("Latency", slow, slow_in_phases, 10),
    # Security
    Case("GovernanceRefusalsSurge", {REFUSED: grown((61, LONG))}, {REFUSED: grown((59, LONG))}, 9, 10, "1.017",
         silent=({LIMITED: grown((600, LONG))}, {PERSON: grown((600, LONG))})),
    Case("GovernanceRefusalsSurge", {REFUSED: grown((61, 1440), (61 * 5.36, 60))}, {REFUSED: grown((61, 1440), (61 * 5.24, 60))}, 1440, 1460, "5.449", step=10),
    Case("GovernanceCredentialsGuessed", counter("credential_refusals_total", 'kind="api-key",reason="unknown"', 31), counter("credential_refusals_total", 'kind="api-key",reason="unknown"', 29), 9, 10, "516.7m",
         silent=(counter("credential_refusals_total", 'kind="none",reason="missing"', 600),)),
    *happens("GovernanceRevokedCredentialUsed", "credential_refusals_total", 'kind="api-key",reason="revoked"', 10, "1", 'kind="api-key",reason="expired"', kind="api-key"),
    *happens("GovernanceArtifactRefused", "artifact_refusals_total", 'model="digits-cnn",reason="signature"', 15, "1", model="digits-cnn", reason="signature"),
    Case("GovernanceKillSwitchOn", {f'governance_stopped{{{J},model="digits-cnn"}}': "0x2 1x9 0x9"}, gauge("stopped", 'model="digits-cnn"', 0), 2, 3, labels={"model": "digits-cnn"}, quiet_again_at=13),
    Case("GovernancePolicyReloadFailed", gauge("policy_reload_failed", "", 1), gauge("policy_reload_failed", "", 0), 0, 1),
    *happens("GovernanceBreakGlassUsed", "break_glass_requests_total", 'action="infer"', 15, "1", action="infer"),
    *happens("GovernanceKeyServiceUnavailable", "key_operations_total", 'provider="vault",operation="unwrap",outcome="unavailable"', 5, "1", 'provider="vault",operation="unwrap",outcome="done"', hold=2, provider="vault", operation="unwrap"),
    *happens("GovernanceKeyRefused", "key_operations_total", 'provider="vault",operation="unwrap",outcome="refused"', 15, "1", 'provider="vault",operation="unwrap",outcome="done"', provider="vault", operation="unwrap"),
    # Privacy
    *happens("GovernanceForbiddenDataClass", "data_classes_total", 'data_class="health",outcome="refused"', 15, "1", 'data_class="health",outcome="answered"', data_class="health"),
    Case("GovernanceEntitiesSurge", {PERSON: grown((61, LONG))}, {PERSON: grown((59, LONG))}, 14, 15, "1.017", {"entity": "PERSON"}),
    Case("GovernanceEntitiesSurge", {PERSON: grown((61, 1440), (61 * 5.36, 60))}, {PERSON: grown((61, 1440), (61 * 5.24, 60))}, 1440, 1460, "5.449", {"entity": "PERSON"}, step=10),
    Case("GovernanceMaskingStopped", {PERSON: grown((10, 300), (0, 200)), ANSWERED: grown((10, 500))}, {PERSON: grown((10, 300), (0.1, 200)), ANSWERED: grown((10, 500))}, 380, 390,
         silent=({PERSON: grown((10, 300), (0, 200)), ANSWERED: grown((10, 300), (0, 200))}, {PERSON: grown((0, 500)), ANSWERED: grown((10, 500))}), step=10),
    # Audit
    Case("GovernanceAuditNotWritable", {f"governance_audit_failures_total{{{J}}}": "0x3 1x60 0x9"}, counter("audit_failures_total", "", 0), 3, 4, "1", {"instance": "a"}, quiet_again_at=66),
    Case("GovernanceAuditCheckpointStale", {f"governance_audit_checkpoint_timestamp_seconds{{{J}}}": "-61+60x180"}, {f"governance_audit_checkpoint_timestamp_seconds{{{J}}}": "-59+60x180"}, 0, 1, "1m 1s", {"instance": "a"}),
    Case("GovernanceAuditSyncSlow", seconds("audit_sync_seconds", ("0.25", "0.5"), 0.0102), seconds("audit_sync_seconds", ("0.25", "0.5"), 0.0099), 10, 11, "254.9ms"),
    Case("GovernanceAuditGrowsFast", {f"governance_audit_size_bytes{{{J}}}": grown((GROWTH * 1.01, LONG))}, {f"governance_audit_size_bytes{{{J}}}": grown((GROWTH * 0.99, LONG))}, 60, 61, "10.1Gi"),
    Case("GovernanceAuditVolumeFilling", volume(14.9), volume(15.1), 4, 5, "14.9%", {"job": "kubelet", "namespace": "prod", "persistentvolumeclaim": "governance-audit-0"}),
    # Capacity
    Case("GovernanceRequestsShed", counter("shed_total", 'reason="queue"', 101) | {ANSWERED: grown((10_000, LONG))}, counter("shed_total", 'reason="queue"', 99) | {ANSWERED: grown((10_000, LONG))}, 5, 6, "1.01%"),
    Case("GovernanceQueueSlow", seconds("queue_seconds", ("0.5", "1"), 0.0102), seconds("queue_seconds", ("0.5", "1"), 0.0099), 10, 11, "509.8ms"),
    Case("GovernanceEventLoopBlocked", gauge("event_loop_lag_seconds", "", 0.101), gauge("event_loop_lag_seconds", "", 0.099), 4, 5, "101ms", {"instance": "a"}),
    Case("GovernanceCallersLimited", counter("limited_total", 'limit="rate"', 501) | {ANSWERED: grown((10_000, LONG))}, counter("limited_total", 'limit="rate"', 499) | {ANSWERED: grown((10_000, LONG))}, 15, 16, "5.01%"),
    *happens("GovernanceSharedLimitsUnavailable", "events_total", 'event="shared-limits",outcome="refused"', 10, "1", 'event="shared-limits",outcome="done"'),
    # Models
    Case("GovernanceModelNotReady", gauge("model_ready", MODEL, 0), gauge("model_ready", MODEL, 1), 1, 2, labels={"instance": "a", "model": "digits-cnn", "version": "1"}),
    Case("GovernanceModelDegraded", gauge("model_degraded", MODEL, 1), gauge("model_degraded", MODEL, 0), 0, 1, labels={"instance": "a", "model": "digits-cnn", "device": "cpu"}),
    Case("GovernanceModelVersionsDiffer", digests("x", "x", "y"), digests("x", "x", "x"), 59, 60, "2", {"model": "digits-cnn"}),
    Case("GovernanceGpuMemoryFull", gpu(95.1), gpu(94.9), 9, 10, "95.1%", {"instance": "a", "device": "0"}),
    # Drift
    Case("GovernanceDriftWatch", gauge("drift_state", 'model="digits-cnn"', 1), gauge("drift_state", 'model="digits-cnn"', 0), 14, 15, labels={"model": "digits-cnn"}, silent=(gauge("drift_state", 'model="digits-cnn"', 2),)),
    Case("GovernanceDrifted", gauge("drift_state", 'model="digits-cnn"', 2), gauge("drift_state", 'model="digits-cnn"', 1), 9, 10, labels={"model": "digits-cnn"}),
    # Expiry: at minute 5 so many seconds are left
    Case("GovernanceExpiresSoon", gauge(ENDS, 'kind="api-key"', 14 * DAY - 60), gauge(ENDS, 'kind="api-key"', 14 * DAY + 700), 4, 5, "13d 23h 54m 0s", {"kind": "api-key"}, silent=(gauge(ENDS, 'kind="grant"', 3600),)),
    Case("GovernanceExpiresVerySoon", gauge(ENDS, 'kind="certificate"', 2 * DAY - 60), gauge(ENDS, 'kind="certificate"', 2 * DAY + 700), 4, 5, "1d 23h 54m 0s", {"kind": "certificate"}, silent=(gauge(ENDS, 'kind="grant"', 3600),)),
    # Targets: by the job's name, or because it has shown our metrics before
    Case("GovernanceTargetDown", {f"up{{{J}}}": "0x20"}, {f"up{{{J}}}": "1x20"}, 1, 2, labels={"instance": "a"}, silent=({'up{job="node",instance="n"}': "0x20"},)),
    Case("GovernanceTargetDown", {'up{job="digits",instance="a"}': "1x3 0x20", 'governance_build_info{job="digits",instance="a",version="1"}': "1x3"}, {'up{job="digits",instance="a"}': "1x3 0x20"}, 5, 6, labels={"job": "digits", "instance": "a"}),
    Case("GovernanceMetricsAbsent", {}, {f'governance_build_info{{{J},version="1"}}': "1x20"}, 4, 5, labels={"job": ""}),
)  # fmt: skip


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert's rule by its name, with the area's file as `file`."""
    found = {}
    for file in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found[rule["alert"]] = {**rule, "file": file.stem}
    return found


def groups(area: str) -> list[str]:
    """Return the groups in the order in which they need one another: thresholds, records, alerts."""
    files = (RULES / f"{name}.yaml" for name in ("thresholds", area))
    return [group["name"] for file in files for group in yaml.safe_load(file.read_text())["groups"]]


def rendered(text: str, labels: dict[str, str], value: str) -> str:
    """Fill an annotation in as Prometheus does."""
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", value, text).replace("{{ $externalURL }}", "")


def expected(case: Case, rule: dict[str, Any]) -> dict[str, Any]:
    labels = {name: text for name, text in {"job": "governance", **case.labels}.items() if text}
    annotations = {name: rendered(text, labels, case.value) for name, text in rule["annotations"].items()}
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": annotations}


def written(name: str, series: Series, checks: list[dict[str, Any]]) -> dict[str, Any]:
    inputs = [{"series": key, "values": values} for key, values in series.items()]
    return {"name": name, "interval": "1m", "input_series": inputs, "alert_rule_test": checks}


def tests_of(case: Case, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Write one case as promtool's tests: above the boundary, and each way to stay below."""

    def check(minute: int, *rings: dict[str, Any]) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": list(rings)}

    tests = []
    if case.rings_at > case.quiet_at:
        checks = [check(case.quiet_at), check(case.rings_at, expected(case, rule))]
        if case.quiet_again_at is not None:
            checks.append(check(case.quiet_again_at))
        tests.append(written(f"{case.alert} rings", case.above, checks))
    for series in (case.below, *case.silent):
        at = case.rings_at if case.silent_at is None else case.silent_at
        tests.append(written(f"{case.alert} is silent", series, [check(at)]))
    return tests


def files() -> dict[str, str]:
    """Return promtool's test files by name: one for each rule file that has alerts."""
    known = alerts()
    content: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for case in CASES:
        rule = known[case.alert]
        content.setdefault((rule["file"], case.step), []).extend(tests_of(case, rule))
    return {
        f"{area}.yaml" if step == 1 else f"{area}-every-{step}m.yaml": HEAD
        + yaml.safe_dump(document(area, tests, step), sort_keys=False, width=1000)
        for (area, step), tests in content.items()
    }


def document(area: str, tests: list[dict[str, Any]], step: int) -> dict[str, Any]:
    return {
        "rule_files": [f"../rules/{name}.yaml" for name in ("thresholds", area)],
        "evaluation_interval": f"{step}m",
        "group_eval_order": groups(area),
        "tests": tests,
    }


if __name__ == "__main__":
    TESTS.mkdir(exist_ok=True)
    for old in TESTS.glob("*.yaml"):
        old.unlink()
    for name, text in files().items():
        (TESTS / name).write_text(text)
