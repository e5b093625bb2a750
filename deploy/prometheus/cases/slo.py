"""Cases of the service level: how fast the error budget burns, in three speeds, each over a long and a short window."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.cases.series import INFER, MINUTES, growing, series

PER_MINUTE = 10_000
Phases = tuple[tuple[float, int], ...]
"""Failed or slow requests per minute, and for how many minutes, phase after phase."""


class Speed(NamedTuple):
    """One burn rate of an alert: its factor, its two windows and its `for`, in minutes, and the step of its cases."""

    name: str
    factor: float
    long: int
    short: int
    hold: int
    step: int


SPEEDS = (
    Speed("Fast", 14.4, 60, 5, 2, 1),
    Speed("Steadily", 6, 360, 30, 15, 5),
    Speed("Slowly", 1, 4320, 360, 60, 60),
)


def failures(phases: Phases) -> Series:
    """Return answered and failed requests."""
    answered = tuple((PER_MINUTE - failed, minutes) for failed, minutes in phases)
    return {
        series("requests_total", f'{INFER},outcome="answered",reason=""'): growing(*answered),
        series("requests_total", f'{INFER},outcome="failed",reason="not_ready"'): growing(*phases),
    }


def failures_among_others(phases: Phases) -> Series:
    """Return answered and failed requests, and requests that must neither burn the budget nor dilute the failures."""
    probe = 'method="GET",route="/readyz",outcome="failed",reason="not_ready"'
    return failures(phases) | {
        series("requests_total", f'{INFER},outcome="failed",reason="stopped"'): growing((PER_MINUTE, MINUTES)),
        series("requests_total", f'{INFER},outcome="refused",reason="unauthenticated"'): growing(
            (PER_MINUTE * 9, MINUTES)
        ),
        series("requests_total", probe): growing((PER_MINUTE, MINUTES)),
    }


def slow_answers(phases: Phases) -> Series:
    """Return answers within 250 ms and slower ones."""
    total = growing(*((PER_MINUTE, minutes) for _, minutes in phases))
    fast = growing(*((PER_MINUTE - slow, minutes) for slow, minutes in phases))
    answered = f'{INFER},outcome="answered"'
    return {
        series("request_seconds_bucket", f'{answered},le="0.25"'): fast,
        series("request_seconds_bucket", f'{answered},le="+Inf"'): total,
        series("request_seconds_count", answered): total,
    }


def burn_rate_cases(
    kind: str,
    objective_per_minute: float,
    evenly: Callable[[Phases], Series],
    in_phases: Callable[[Phases], Series],
) -> tuple[Case, ...]:
    """Return the cases of one objective: above and below each limit, and with only one of the two windows over it.

    Args:
        kind: Availability or Latency, as in the alerts' names.
        objective_per_minute: bad requests per minute that burn the budget at rate 1, of `PER_MINUTE`.
        evenly: writes the series for a rate that does not change.
        in_phases: writes the series for a rate that changes.
    """
    cases: list[Case] = []
    for speed in SPEEDS:
        name = f"Governance{kind}Burns{speed.name}"
        limit = speed.factor * objective_per_minute
        above, below = evenly(((limit + 1, MINUTES),)), evenly(((limit - 1, MINUTES),))
        cases.append(Case(name, above, below, speed.hold, speed.hold + 1, f"{(limit + 1) / 100:.4g}%"))
        # The failures are over: only the long window is above the limit. Or they just began: only the short one is.
        over = ((limit * 1.5, speed.long), (0, speed.short + speed.hold + speed.step))
        fresh = ((0, speed.long), (limit * 3, speed.hold + speed.short + speed.step))
        at = speed.long + speed.short
        cases += [Case(name, {}, in_phases(phases), at, at, step=speed.step) for phases in (over, fresh)]
    return tuple(cases)


CASES = (
    *burn_rate_cases("Availability", 10, failures_among_others, failures),
    *burn_rate_cases("Latency", 100, slow_answers, slow_answers),
)
