"""Cases of capacity: shed requests, queue, event loop, limits of callers, and limits that replicas share."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.cases.series import INFER, MINUTES, counter, gauge, growing, histogram, series, single_event

ANSWERED = {series("requests_total", f'{INFER},outcome="answered",reason=""'): growing((10_000, MINUTES))}


def shed(per_minute: float) -> Series:
    """Return 10,000 answered requests per minute, and that many that are shed."""
    return counter("shed_total", 'reason="queue"', per_minute) | ANSWERED


def limited(per_minute: float) -> Series:
    """Return 10,000 answered requests per minute, and that many over a caller's limit."""
    return counter("limited_total", 'limit="rate"', per_minute) | ANSWERED


CASES = (
    Case("GovernanceRequestsShed", shed(101), shed(99), 5, 6, "1.01%"),
    Case(
        "GovernanceQueueSlow",
        histogram("queue_seconds", ("0.5", "1"), 0.0102),
        histogram("queue_seconds", ("0.5", "1"), 0.0099),
        10,
        11,
        "509.8ms",
    ),
    Case(
        "GovernanceEventLoopBlocked",
        gauge("event_loop_lag_seconds", "", 0.101),
        gauge("event_loop_lag_seconds", "", 0.099),
        4,
        5,
        "101ms",
        {"instance": "a"},
    ),
    Case("GovernanceCallersLimited", limited(501), limited(499), 15, 16, "5.01%"),
    *single_event(
        "GovernanceSharedLimitsUnavailable",
        "events_total",
        'event="shared-limits",outcome="refused"',
        10,
        other_labels='event="shared-limits",outcome="done"',
    ),
)
