"""The page's document, made from the models, the heads of the audit logs and the samples of all workers.

Nothing here is a caller's: every word comes from a closed set (models, reasons, entities and subjects that settings,
signed cards or this package know).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from governance.audit.heads import LogHead
from governance.contract.measurements import Sample
from governance.status.attention import attention_of
from governance.status.numbers import Labels, Numbers, is_a_call

DRIFT_STATES = ("steady", "watch", "drifted")
TOO_FEW = "too few"
# A checkpoint that is so much older than the last entries is not late because of one busy second.
LATE_CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A model of this process, as the page shows it; `digest` is that of the signed manifest."""

    name: str
    version: str
    digest: str
    signers: tuple[str, ...]
    device: str
    ready: bool
    degraded: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """Constants of a running service: its name, this package's version, the minimum of items for drift."""

    service: str
    version: str
    least_items: int


def status_document(
    shown: Shown, *, now: float, models: Iterable[ShownModel], heads: Sequence[LogHead], samples: Sequence[Sample]
) -> dict[str, Any]:
    """Return the document that the page shows.

    Args:
        shown: constants of the service.
        now: Unix time in seconds.
        models: the models of this process.
        heads: the heads of the audit logs.
        samples: name, labels and value of each metric, summed over all workers.
    """
    numbers = Numbers(samples)
    rows = [_model(model, numbers, shown.least_items) for model in models]
    log, expiries = [_head(head, now) for head in heads], _expiries(numbers)
    attention = attention_of(rows, log, expiries, numbers, now)
    return {
        "service": {"name": shown.service, "version": shown.version, "time": now},
        "state": attention[0].level if attention else "ok",
        "attention": [asdict(item) for item in attention],
        "models": rows,
        "traffic": _traffic(numbers),
        "refusals": numbers.by("requests_total", "reason", _ended("refused")),
        "failures": numbers.by("requests_total", "reason", _ended("failed")),
        "entities": numbers.by("entities_total", "entity"),
        "fields": numbers.by("redactions_total", "operator"),
        "drift": _drift(numbers, shown.least_items),
        "log": log,
        "expiries": expiries,
    }


def _ended(outcome: str) -> Any:
    return lambda labels: labels.get("outcome") == outcome and is_a_call(labels)


def _model(model: ShownModel, numbers: Numbers, least_items: int) -> dict[str, Any]:
    stopped = numbers.of_model("stopped", "ALL") or numbers.of_model("stopped", model.name)
    items, drift = numbers.of_model("drift_window_items", model.name), None
    if items is not None:
        state = numbers.of_model("drift_state", model.name) or 0.0
        drift = TOO_FEW if items < least_items else DRIFT_STATES[min(int(state), 2)]
    return {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "signers": list(model.signers),
        "device": model.device,
        "state": "stopped"
        if stopped
        else "not ready"
        if not model.ready
        else "degraded"
        if model.degraded
        else "ready",
        "drift": drift,
        "drift_items": items,
    }


def _traffic(numbers: Numbers) -> dict[str, Any]:
    p50, p99 = numbers.quantiles("request_seconds", (0.5, 0.99), is_a_call)
    outcomes = numbers.by("requests_total", "outcome", is_a_call)
    return {
        **{outcome: outcomes.get(outcome, 0.0) for outcome in ("answered", "refused", "failed")},
        "by_model": numbers.by("requests_total", "model", _names_a_model),
        "p50_seconds": p50,
        "p99_seconds": p99,
    }


def _names_a_model(labels: Labels) -> bool:
    return bool(labels.get("model"))


def _drift(numbers: Numbers, least_items: int) -> list[dict[str, Any]]:
    """Return a row for each subject of a model whose window has enough items for a judgement."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for statistic in ("psi", "ks", "chi2_p", "out_of_range_ratio", "missing_ratio"):
        for labels, value in numbers.of(f"drift_{statistic}"):
            key = labels.get("model", ""), labels.get("subject", "")
            if (numbers.of_model("drift_window_items", key[0]) or 0.0) >= least_items:
                rows.setdefault(key, {"model": key[0], "subject": key[1]})[statistic] = value
    return sorted(rows.values(), key=lambda row: (row["model"], -row.get("psi", 0.0), row["subject"]))


def _head(head: LogHead, now: float) -> dict[str, Any]:
    promise = head.checkpoint
    return {
        "log": head.folder if promise is None else promise.origin,
        "size": None if promise is None else promise.size,
        "root": None if promise is None else promise.root.hex(),
        "age_seconds": max(0.0, now - head.signed_at),
        "late": promise is None or head.behind_seconds > LATE_CHECKPOINT_SECONDS,
    }


def _expiries(numbers: Numbers) -> list[dict[str, Any]]:
    """Return a row for each kind of expiring credential; `earliest` is None if none is valid any more."""
    soon = numbers.by("expiring_soon", "kind")
    return [
        {
            "kind": labels.get("kind", ""),
            "earliest": value if math.isfinite(value) else None,
            "soon": soon.get(labels.get("kind", ""), 0.0),
        }
        for labels, value in sorted(numbers.of("earliest_expiry_timestamp_seconds"), key=lambda item: item[1])
    ]
