"""Problems that need an operator, with the thresholds and the runbook headings of the alerting rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from governance.status.numbers import Numbers

Level = Literal["critical", "warning"]
DAY_SECONDS = 86_400.0
SOON_DAYS, VERY_SOON_DAYS = 14, 2


@dataclass(frozen=True, slots=True)
class Attention:
    """A problem that needs an operator; `alert` is its heading in the runbook."""

    level: Level
    what: str
    alert: str


def attention_of(
    models: Iterable[Mapping[str, Any]],
    log: Iterable[Mapping[str, Any]],
    expiries: Iterable[Mapping[str, Any]],
    numbers: Numbers,
    now: float,
) -> list[Attention]:
    """Return the problems, critical ones first.

    Args:
        models: rows of models in the page's document.
        log: rows of audit logs.
        expiries: rows of expiring credentials.
        numbers: the samples of all workers.
        now: Unix time in seconds.
    """
    found = [
        *_stops(models, numbers),
        *_models(models),
        *_log(log, numbers),
        *_access(numbers),
        *_expiries(expiries, now),
    ]
    return sorted(found, key=lambda item: item.level != "critical")


def _stops(models: Iterable[Mapping[str, Any]], numbers: Numbers) -> Iterable[Attention]:
    if numbers.of_model("stopped", "ALL"):
        sentence = "all models are stopped: by an operator, or because the kill switch file cannot be verified"
        yield Attention("critical", sentence, "GovernanceKillSwitchOn")
        return
    for model in models:
        if model["state"] == "stopped":
            # An operator's decision, which must stay in sight, and not a failure of the service.
            yield Attention("warning", f"{model['name']} is stopped by an operator", "GovernanceKillSwitchOn")


def _models(models: Iterable[Mapping[str, Any]]) -> Iterable[Attention]:
    for model in models:
        name = model["name"]
        if model["state"] == "not ready":
            yield Attention("critical", f"{name} is not ready", "GovernanceModelNotReady")
        elif model["state"] == "degraded":
            yield Attention(
                "warning", f"{name} runs on {model['device']} instead of the required device", "GovernanceModelDegraded"
            )
        if model["drift"] == "drifted":
            yield Attention(
                "warning", f"inputs or outputs of {name} have drifted from its reference profile", "GovernanceDrifted"
            )


def _log(log: Iterable[Mapping[str, Any]], numbers: Numbers) -> Iterable[Attention]:
    for head in log:
        if head["root"] is None:
            sentence = f"the last checkpoint of {head['log']} is not signed by this service's key"
            yield Attention("critical", sentence, "GovernanceAuditCheckpointStale")
        elif head["late"]:
            sentence = f"entries of {head['log']} are not covered by a checkpoint"
            yield Attention("critical", sentence, "GovernanceAuditCheckpointStale")
    if numbers.any("audit_failures_total"):
        yield Attention("critical", "the audit log could not be written", "GovernanceAuditNotWritable")


def _access(numbers: Numbers) -> Iterable[Attention]:
    if numbers.any("policy_reload_failed"):
        sentence = "changed policies were refused; the previous ones stay in force"
        yield Attention("critical", sentence, "GovernancePolicyReloadFailed")
    for labels, value in numbers.of("artifact_refusals_total"):
        if value:
            sentence = (
                f"an artifact of {labels.get('model', '')} was refused since the start: {labels.get('reason', '')}"
            )
            yield Attention("warning", sentence, "GovernanceArtifactRefused")


def _expiries(expiries: Iterable[Mapping[str, Any]], now: float) -> Iterable[Attention]:
    for expiry in expiries:
        kind, earliest = expiry["kind"], expiry["earliest"]
        if kind == "grant":
            yield Attention("warning", "a break-glass grant is in force", "GovernanceBreakGlassUsed")
        elif earliest is None:
            yield Attention("critical", f"no valid {kind} is left", "GovernanceExpiresVerySoon")
        elif (days := (earliest - now) / DAY_SECONDS) < VERY_SOON_DAYS:
            sentence = f"the next {kind} expires in {max(0, int(24 * days))} hours"
            yield Attention("critical", sentence, "GovernanceExpiresVerySoon")
        elif days < SOON_DAYS:
            yield Attention("warning", f"the next {kind} expires in {int(days)} days", "GovernanceExpiresSoon")
