"""One case: what Prometheus has scraped, and the minutes at which an alert must and must not fire."""

from __future__ import annotations

from dataclasses import dataclass, field

Series = dict[str, str]
"""Scraped values by series, one value a minute in promtool's notation, such as `{"up{job=\\"a\\"}": "1x3 0x20"}`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One alert on both sides of its boundary.

    Attributes:
        alert: the alert's name.
        above: series with which the alert fires, just above the boundary.
        below: series with which the alert does not fire, just below the boundary.
        silent_at: the last minute at which the alert does not yet fire with `above`.
        fires_at: the first minute at which it fires; equal to `silent_at` if only `below` is tested.
        value: the alert's value as its annotations show it, such as `1.44%`.
        labels: labels of the alert that its rule does not set.
        also_silent: more series with which the alert must not fire.
        resolved_at: a minute at which the alert no longer fires with `above`.
        below_at: the minute at which `below` and `also_silent` are evaluated; `fires_at` if it is None.
        step: minutes between two evaluations. Cases of a day and more use a large step, since promtool would take
            minutes otherwise; they are written to a file of their own.
    """

    alert: str
    above: Series
    below: Series
    silent_at: int
    fires_at: int
    value: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    also_silent: tuple[Series, ...] = ()
    resolved_at: int | None = None
    below_at: int | None = None
    step: int = 1
