"""Measurements: numbers that plugins show, without knowing Prometheus."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["all", "livesum", "livemax", "livemin"]
SOON_SECONDS = 14 * 86_400
# A metric's name, its labels, and its value, as a scrape shows them.
Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """The declaration of a metric. A plugin declares its own in `Plugin.metrics`.

    Attributes:
        name: without the prefix `governance_`; it begins with the plugin's name, and a counter ends in `_total`.
        kind: counter, gauge or histogram.
        labels: the names of the labels; their values must come from closed sets.
        help: one sentence for the reader of a dashboard.
        buckets: upper bounds of a histogram, in the metric's unit (seconds, bytes).
        merge: how a gauge is merged over the running workers.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    merge: Merge = "all"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of a plugin.

    Attributes:
        name: the metric's name without the prefix `governance_`; `Plugin.metrics` declares it.
        value: a counter's sum since the start, a gauge's state, or for a histogram each value that was observed since
            the last reading.
        labels: label values in the declared order; they come from closed sets.
    """

    name: str
    value: float | Sequence[float]
    labels: tuple[str, ...] = ()


class MeasurementSource(Protocol):
    """An object with measurements that is not a plugin, such as the GPU's state. It is read about once a second."""

    def measurements(self) -> Iterable[Measurement]:
        """Return the current numbers at once, without waiting."""


def drain(values: deque[float]) -> list[float]:
    """Remove and return the values observed so far; another thread may add more at the same time."""
    return [values.popleft() for _ in range(len(values))]


def expiries(kind: str, times: Iterable[float], now: float) -> Iterator[Measurement]:
    """Yield when the first of the still valid credentials expires, and how many expire within 14 days.

    Args:
        kind: the label, such as `api-key`.
        times: Unix seconds.
        now: Unix seconds.
    """
    ends = [end for end in times if end > now]
    yield Measurement("earliest_expiry_timestamp_seconds", min(ends, default=math.inf), (kind,))
    yield Measurement("expiring_soon", sum(end - now <= SOON_SECONDS for end in ends), (kind,))
