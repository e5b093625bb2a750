"""The document of the status page: what operators see, computed from the metrics of all workers."""

import re
from pathlib import Path

import pytest

import governance.status.attention as attention_module
from governance.audit.checkpoint import Checkpoint
from governance.audit.heads import LogHead
from governance.status.document import Shown, ShownModel, status_document

NOW = 1_800_000_000.0
WINDOW = "drift_window_items", {"model": "cnn"}, 500.0
WELL = LogHead("worker-0", Checkpoint("s/worker-0", 7, bytes(32)), NOW - 3, 0.0)


def model(**changed):
    shown = {"name": "cnn", "version": "2", "digest": "sha256:" + "a" * 64, "signers": ("key",), "device": "cpu"}
    return ShownModel(**{**shown, "ready": True, "degraded": False, **changed})


def expiry(kind, at):
    return "earliest_expiry_timestamp_seconds", {"kind": kind}, at


def document(samples=(), models=None, heads=(WELL,)):
    return status_document(
        Shown("digits", "1", least_items=200),
        now=NOW,
        models=[model()] if models is None else models,
        heads=heads,
        samples=[(f"governance_{name}", labels, value) for name, labels, value in samples],
    )


def requests(outcome, reason, value, **labels):
    return "requests_total", {"outcome": outcome, "reason": reason, **labels}, value


def test_status_document_of_healthy_service_is_ok():
    shown = document()
    assert (shown["state"], shown["attention"]) == ("ok", [])
    assert shown["models"] == [
        {
            "name": "cnn",
            "version": "2",
            "digest": "sha256:" + "a" * 64,
            "signers": ["key"],
            "device": "cpu",
            "state": "ready",
            "drift": None,
            "drift_items": None,
        }
    ]
    assert shown["log"] == [{"log": "s/worker-0", "size": 7, "root": "00" * 32, "age_seconds": 3.0, "late": False}]


def test_status_document_sums_outcomes_and_counts_refusals_by_reason():
    shown = document(
        [
            requests("answered", "", 5.0, model="cnn"),
            requests("answered", "", 2.0, model="rnn"),
            requests("refused", "forbidden", 1.0, model="cnn"),
            requests("refused", "unauthenticated", 3.0, model=""),
            requests("failed", "internal", 1.0, model="cnn"),
        ]
    )
    assert shown["traffic"]["answered"] == 7 and shown["traffic"]["refused"] == 4 and shown["traffic"]["failed"] == 1
    assert shown["traffic"]["by_model"] == {"cnn": 7.0, "rnn": 2.0}
    assert list(shown["refusals"].items()) == [("unauthenticated", 3.0), ("forbidden", 1.0)]
    assert shown["failures"] == {"internal": 1.0}


@pytest.mark.parametrize(
    ("counts", "p50", "p99"),
    [
        ({}, None, None),
        ({"0.1": 0.0, "+Inf": 0.0}, None, None),
        ({"0.1": 100.0, "0.2": 100.0, "+Inf": 100.0}, 0.05, 0.099),
        ({"0.1": 0.0, "0.2": 100.0, "+Inf": 100.0}, 0.15, 0.199),
        ({"0.1": 0.0, "0.2": 0.0, "+Inf": 5.0}, 0.2, 0.2),
    ],
)
def test_status_document_computes_quantiles_as_prometheus_does(counts, p50, p99):
    shown = document([("request_seconds_bucket", {"le": edge, "route": "/"}, count) for edge, count in counts.items()])
    assert shown["traffic"]["p50_seconds"] == (None if p50 is None else pytest.approx(p50))
    assert shown["traffic"]["p99_seconds"] == (None if p99 is None else pytest.approx(p99))


@pytest.mark.parametrize(
    ("changed", "state", "alert"),
    [
        ({"models": [model(ready=False)]}, "critical", "GovernanceModelNotReady"),
        ({"models": [model(degraded=True)]}, "warning", "GovernanceModelDegraded"),
        ({"samples": [("stopped", {"model": "ALL"}, 1.0)]}, "critical", "GovernanceKillSwitchOn"),
        ({"samples": [("stopped", {"model": "cnn"}, 1.0)]}, "warning", "GovernanceKillSwitchOn"),
        ({"samples": [("drift_state", {"model": "cnn"}, 2.0), WINDOW]}, "warning", "GovernanceDrifted"),
        (
            {"samples": [("artifact_refusals_total", {"model": "cnn", "reason": "signature"}, 1.0)]},
            "warning",
            "GovernanceArtifactRefused",
        ),
        ({"heads": [LogHead("worker-0", None, NOW, 0.0)]}, "critical", "GovernanceAuditCheckpointStale"),
        ({"heads": [LogHead("worker-0", WELL.checkpoint, NOW, 61.0)]}, "critical", "GovernanceAuditCheckpointStale"),
        ({"samples": [("audit_failures_total", {}, 1.0)]}, "critical", "GovernanceAuditNotWritable"),
        ({"samples": [("policy_reload_failed", {}, 1.0)]}, "critical", "GovernancePolicyReloadFailed"),
        ({"samples": [expiry("grant", NOW + 3600)]}, "warning", "GovernanceBreakGlassUsed"),
        ({"samples": [expiry("api-key", NOW + 1.9 * 86_400)]}, "critical", "GovernanceExpiresVerySoon"),
        ({"samples": [expiry("api-key", float("inf"))]}, "critical", "GovernanceExpiresVerySoon"),
        (
            {"samples": [expiry("api-key", NOW + 13 * 86_400)]},
            "warning",
            "GovernanceExpiresSoon",
        ),
    ],
)
def test_status_document_lists_each_problem_with_its_alert(changed, state, alert):
    shown = document(**changed)
    assert shown["state"] == state
    assert [item["alert"] for item in shown["attention"]] == [alert]


@pytest.mark.parametrize(
    "samples",
    [
        [("stopped", {"model": "ALL"}, 0.0)],
        [("drift_state", {"model": "cnn"}, 1.0), WINDOW],
        [("drift_state", {"model": "cnn"}, 2.0), ("drift_window_items", {"model": "cnn"}, 199.0)],
        [("drift_state", {"model": "other"}, 2.0)],
        [("artifact_refusals_total", {"model": "cnn", "reason": "signature"}, 0.0)],
        [expiry("api-key", NOW + 15 * 86_400)],
    ],
)
def test_status_document_omits_what_needs_no_attention(samples):
    assert document(samples)["attention"] == []


def test_status_document_reports_stop_of_all_models_once():
    shown = document([("stopped", {"model": "ALL"}, 1.0)], models=[model(), model(name="rnn")])
    assert [row["state"] for row in shown["models"]] == ["stopped", "stopped"]
    assert len(shown["attention"]) == 1 and shown["attention"][0]["what"].startswith("all models are stopped")


def test_status_document_lists_critical_problems_first():
    shown = document([expiry("api-key", NOW + 13 * 86_400)], models=[model(ready=False)])
    assert [item["level"] for item in shown["attention"]] == ["critical", "warning"]


def test_status_document_excludes_probes_from_traffic():
    looks = ("/livez", "/readyz", "/metrics", "/v2/health/ready", "/governance/", "/governance/status")
    shown = document(
        [requests("answered", "", 1.0, route=route) for route in looks]
        + [requests("answered", "", 3.0, route="/governance/reveal"), requests("answered", "", 4.0, route="/classify")]
        + [("request_seconds_bucket", {"le": le, "route": "/metrics"}, 9.0) for le in ("0.1", "+Inf")]
    )
    assert shown["traffic"]["answered"] == 7 and shown["traffic"]["p50_seconds"] is None


def test_status_document_reports_no_drift_for_too_few_items():
    few = "drift_window_items", {"model": "cnn"}, 199.0
    shown = document(
        [("drift_state", {"model": "cnn"}, 0.0), ("drift_psi", {"model": "cnn", "subject": "x"}, 9.0), few]
    )
    assert (shown["models"][0]["drift"], shown["models"][0]["drift_items"], shown["drift"]) == ("too few", 199.0, [])


def test_status_document_lists_drift_by_subject_worst_first():
    labels = [{"model": "cnn", "subject": subject} for subject in ("brightness", "contrast")]
    shown = document(
        [("drift_psi", labels[0], 0.1), ("drift_psi", labels[1], 0.9), ("drift_missing_ratio", labels[1], 0.5), WINDOW]
    )
    assert shown["drift"] == [{**labels[1], "psi": 0.9, "missing_ratio": 0.5}, {**labels[0], "psi": 0.1}]


def test_status_attention_alerts_have_headings_in_the_runbook():
    named = set(re.findall(r'"(Governance[A-Za-z]+)"', Path(attention_module.__file__).read_text()))
    headings = set(
        re.findall(r"^### (\w+)$", (Path(__file__).parents[2] / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
    )
    assert len(named) > 8 and named <= headings
