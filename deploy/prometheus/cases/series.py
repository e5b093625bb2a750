"""Writes scraped values in promtool's notation: counters that grow, gauges that stay, histograms, single events.

Times are minutes: promtool is given one value a minute.
"""

from __future__ import annotations

from deploy.prometheus.cases.case import Case, Series

MINUTES = 180
INSTANCE = 'job="governance",instance="a"'
INFER = 'method="POST",route="/v2/models/{model}/infer"'

# A counter that shows one more in minute 4, one whose first value is in minute 4, and one that never changes.
ONE_MORE, FIRST, UNCHANGED = "7x3 8x90", "_x4 1x90", "3x120"


def series(name: str, labels: str = "") -> str:
    """Return the name of a series of the service.

    Args:
        name: the metric's name without the prefix `governance_`.
        labels: label pairs, without braces.

    Example:
        `series("shed_total", 'reason="lag"')` is `governance_shed_total{job="governance",instance="a",reason="lag"}`.
    """
    return f"governance_{name}{{{INSTANCE}{',' + labels if labels else ''}}}"


def growing(*phases: tuple[float, int]) -> str:
    """Return the values of a counter that grows in phases, each given as increase per minute and number of minutes.

    Example:
        `growing((10, 3), (0, 2))` is `0+10x2 30+0x1`: 0, 10, 20, then 30, 30.
    """
    value, written = 0.0, []
    for step, minutes in phases:
        written.append(f"{value:.10g}+{step:.10g}x{minutes - 1}")
        value += step * minutes
    return " ".join(written)


def counter(name: str, labels: str, per_minute: float) -> Series:
    """Return a counter that grows evenly.

    Args:
        name: the metric's name without the prefix `governance_`.
        labels: label pairs, without braces.
        per_minute: increase per minute.
    """
    return {series(name, labels): growing((per_minute, MINUTES))}


def gauge(name: str, labels: str, value: float) -> Series:
    """Return a gauge that does not change.

    Args:
        name: the metric's name without the prefix `governance_`.
        labels: label pairs, without braces.
        value: the value.
    """
    return {series(name, labels): constant(value)}


def constant(value: float | str) -> str:
    """Return the values of a series that does not change."""
    return f"{value}x{MINUTES}"


def histogram(name: str, le: tuple[str, str], share_above: float) -> Series:
    """Return a histogram with a share of its observations in the second of two buckets, and the rest in the first.

    Args:
        name: the metric's name without the prefix `governance_`.
        le: upper bounds of the two buckets.
        share_above: share of the observations in the second bucket, 0 to 1.
    """
    first, second = le
    return {
        series(f"{name}_bucket", f'le="{first}"'): growing((1000 * (1 - share_above), MINUTES)),
        series(f"{name}_bucket", f'le="{second}"'): growing((1000, MINUTES)),
        series(f"{name}_bucket", 'le="+Inf"'): growing((1000, MINUTES)),
    }


def single_event(
    alert: str,
    name: str,
    labels: str,
    window: int,
    *,
    other_labels: str = "",
    hold: int = 0,
    shown: dict[str, str] | None = None,
) -> tuple[Case, Case]:
    """Return the cases of an alert that fires at a single event, as the first or as one more, for a window of time.

    Args:
        alert: the alert's name.
        name: the counter's name without the prefix `governance_`.
        labels: label pairs of the event.
        window: minutes after the event for which the alert fires.
        other_labels: label pairs of events at which the alert must not fire.
        hold: minutes of the rule's `for`.
        shown: labels of the alert that its rule does not set.
    """
    event = series(name, labels)
    also_silent: tuple[Series, ...] = ({event: "0x120"},)
    if other_labels:
        also_silent = (*also_silent, {series(name, other_labels): FIRST})
    at, past = 4 + hold, 4 + window + 1
    first = Case(alert, {event: FIRST}, {event: UNCHANGED}, at - 1, at, "1", shown or {}, also_silent, past, past)
    # The value is not tested here: `increase` extrapolates one event to the ends of the window.
    over = Case(alert, {}, {event: f"7x{window + 3} 8x{window} 8x{window}"}, window + 3, window + 3)
    return first, over
