"""What the page shows, made from the models, the logs' heads and the numbers of all workers.

Nothing here is a caller's: every word comes from a closed set (models, reasons, entities and subjects that settings,
signed cards or this package know).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from governance.audit.heads import Head
from governance.exchange import Sample

Labels = Mapping[str, str]

DRIFT_STATES = ("steady", "watch", "drifted")
# A promise that is so much later than the entries before it is late for other reasons than a busy second.
LATE_CHECKPOINT_SECONDS = 30.0
SOON_SECONDS = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A model of this process, as the page shows it; `digest` is the signed manifest's, `signers` who signed it."""

    name: str
    version: str
    digest: str
    signers: tuple[str, ...]
    device: str
    ready: bool
    degraded: bool


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that somebody has to look at; `alert` is its heading in the runbook."""

    level: str
    what: str
    alert: str


def status_document(
    *,
    service: str,
    version: str,
    now: float,
    models: Iterable[ShownModel],
    heads: Sequence[Head],
    samples: Sequence[Sample],
    late_after_seconds: float = LATE_CHECKPOINT_SECONDS,
) -> dict[str, Any]:
    """Return the document that the page draws.

    Args:
        now: Unix time in seconds.
        samples: name, labels and value of each metric, summed over all workers.
    """
    numbers = _Numbers(samples)
    shown = [_model(model, numbers) for model in models]
    log = [_head(head, now, late_after_seconds) for head in heads]
    expiries = _expiries(numbers)
    attention = [
        *_of_models(shown, numbers),
        *_of_log(log, numbers),
        *_of_policies(numbers),
        *_of_expiries(expiries, now),
    ]
    return {
        "service": {"name": service, "version": version, "time": now},
        "state": "critical" if any(a.level == "critical" for a in attention) else "warning" if attention else "ok",
        "attention": [asdict(item) for item in attention],
        "models": shown,
        "traffic": _traffic(numbers),
        "refusals": numbers.by("requests_total", "reason", lambda labels: labels.get("outcome") == "refused"),
        "failures": numbers.by("requests_total", "reason", lambda labels: labels.get("outcome") == "failed"),
        "entities": numbers.by("entities_total", "entity"),
        "drift": _drift(numbers),
        "log": log,
        "expiries": expiries,
    }


class _Numbers:
    """The samples, by name without the prefix."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[tuple[Labels, float]]] = {}
        for name, labels, value in samples:
            self._by_name.setdefault(name.removeprefix("governance_"), []).append((labels, value))

    def of(self, name: str) -> Sequence[tuple[Labels, float]]:
        return self._by_name.get(name, ())

    def of_model(self, name: str, model: str) -> float | None:
        """Return the value that belongs to a model, if there is one."""
        return next((value for labels, value in self.of(name) if labels.get("model") == model), None)

    def by(self, name: str, label: str, wanted: Callable[[Labels], bool] = lambda _: True) -> dict[str, float]:
        """Return the sums by one label, the greatest first; nothing that is 0."""
        sums: dict[str, float] = {}
        for labels, value in self.of(name):
            if wanted(labels) and value:
                sums[labels.get(label, "")] = sums.get(labels.get(label, ""), 0.0) + value
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    def quantiles(self, name: str, shares: Sequence[float]) -> list[float | None]:
        """Return quantiles of a histogram in its unit, by linear interpolation within a bucket, as Prometheus does."""
        buckets: dict[float, float] = {}
        for labels, value in self.of(f"{name}_bucket"):
            edge = float(labels["le"])
            buckets[edge] = buckets.get(edge, 0.0) + value
        return [_quantile(sorted(buckets.items()), share) for share in shares]


def _quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    if not buckets or not buckets[-1][1]:
        return None
    wanted, below, lower = share * buckets[-1][1], 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if edge == float("inf"):
                return lower
            return lower + (edge - lower) * ((wanted - below) / (count - below) if count > below else 1.0)
        below, lower = count, edge
    return lower


def _model(model: ShownModel, numbers: _Numbers) -> dict[str, Any]:
    # While the window is empty there is a state, and nothing behind it.
    drift = numbers.of_model("drift_state", model.name) if numbers.of_model("drift_window_items", model.name) else None
    stopped = any(value and labels.get("model") in (model.name, "ALL") for labels, value in numbers.of("stopped"))
    state = "stopped" if stopped else "not ready" if not model.ready else "degraded" if model.degraded else "ready"
    return {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "signers": list(model.signers),
        "device": model.device,
        "state": state,
        "drift": None if drift is None else DRIFT_STATES[min(int(drift), 2)],
        "drift_items": numbers.of_model("drift_window_items", model.name),
    }


def _traffic(numbers: _Numbers) -> dict[str, Any]:
    p50, p99 = numbers.quantiles("request_seconds", (0.5, 0.99))
    outcomes = numbers.by("requests_total", "outcome")
    return {
        **{outcome: outcomes.get(outcome, 0.0) for outcome in ("answered", "refused", "failed")},
        "by_model": numbers.by("requests_total", "model", lambda labels: bool(labels.get("model"))),
        "p50_seconds": p50,
        "p99_seconds": p99,
    }


def _drift(numbers: _Numbers) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for statistic in ("psi", "ks", "chi2_p", "out_of_range_ratio", "missing_ratio"):
        for labels, value in numbers.of(f"drift_{statistic}"):
            key = labels.get("model", ""), labels.get("subject", "")
            if numbers.of_model("drift_window_items", key[0]):
                rows.setdefault(key, {"model": key[0], "subject": key[1]})[statistic] = value
    return sorted(rows.values(), key=lambda row: (row["model"], -row.get("psi", 0.0), row["subject"]))


def _head(head: Head, now: float, late_after_seconds: float) -> dict[str, Any]:
    promise = head.checkpoint
    return {
        "log": head.folder if promise is None else promise.origin,
        "size": None if promise is None else promise.size,
        "root": None if promise is None else promise.root.hex(),
        "age_seconds": max(0.0, now - head.signed_at),
        "late": promise is None or head.behind_seconds > late_after_seconds,
    }


def _expiries(numbers: _Numbers) -> list[dict[str, Any]]:
    soon = numbers.by("expiring_soon", "kind")
    return [
        {"kind": labels.get("kind", ""), "earliest": value, "soon": soon.get(labels.get("kind", ""), 0.0)}
        for labels, value in sorted(numbers.of("earliest_expiry_timestamp_seconds"), key=lambda item: item[1])
    ]


def _of_models(models: Iterable[Mapping[str, Any]], numbers: _Numbers) -> Iterable[Attention]:
    for model in models:
        name = model["name"]
        if model["state"] == "stopped":
            yield Attention("critical", f"{name} is stopped by an operator", "GovernanceKillSwitchOn")
        elif model["state"] == "not ready":
            yield Attention("critical", f"{name} is not ready", "GovernanceModelNotReady")
        elif model["state"] == "degraded":
            yield Attention("warning", f"{name} runs on {model['device']} instead", "GovernanceModelDegraded")
        if model["drift"] == "drifted":
            yield Attention("warning", f"what {name} is asked is not what it was trained on", "GovernanceDrifted")
    for labels, value in numbers.of("artifact_refusals_total"):
        if value:
            sentence = f"an artifact of {labels.get('model', '')} was refused: {labels.get('reason', '')}"
            yield Attention("critical", sentence, "GovernanceArtifactRefused")


def _of_log(log: Iterable[Mapping[str, Any]], numbers: _Numbers) -> Iterable[Attention]:
    for head in log:
        if head["root"] is None:
            yield Attention("critical", f"the last checkpoint of {head['log']} is not signed by this service's key",
                            "GovernanceAuditCheckpointStale")  # fmt: skip
        elif head["late"]:
            yield Attention(
                "critical", f"entries of {head['log']} lie under no checkpoint", "GovernanceAuditCheckpointStale"
            )
    if any(value for _, value in numbers.of("audit_failures_total")):
        yield Attention("critical", "the audit log could not be written", "GovernanceAuditNotWritable")


def _of_policies(numbers: _Numbers) -> Iterable[Attention]:
    if any(value for _, value in numbers.of("policy_reload_failed")):
        yield Attention(
            "warning", "changed policies were refused, and the old ones hold", "GovernancePolicyReloadFailed"
        )


def _of_expiries(expiries: Iterable[Mapping[str, Any]], now: float) -> Iterable[Attention]:
    for expiry in expiries:
        if expiry["earliest"] - now < SOON_SECONDS:
            days = max(0, int((expiry["earliest"] - now) // 86_400))
            yield Attention("warning", f"the next {expiry['kind']} expires in {days} days", "GovernanceExpiresSoon")
