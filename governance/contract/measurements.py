"""Measurements: numbers that plugins show, without knowing Prometheus."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

SOON_SECONDS = 14 * 86_400
# A metric's name, its labels, and its value, as a scrape shows them.
Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of a plugin.

    Attributes:
        name: the metric's name without the prefix `governance_`; the metrics plugin's table declares it.
        value: a counter's sum since the start, a gauge's state, or for a histogram each value that was observed since
            the last reading.
        labels: label values in the declared order; they come from closed sets.
    """

    name: str
    value: float | Sequence[float]
    labels: tuple[str, ...] = ()


class MeasurementSource(Protocol):
    """An object with measurements that is no plugin, such as the GPU's state. It is read about once a second."""

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
