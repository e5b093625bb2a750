"""Plain numbers of one worker, added to Prometheus' own about once a second.

An addition here is a list's; prometheus_client's own is a write to memory that all workers share, several times dearer.
`kill -9` loses what was counted since the last flush.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from governance.contract.measurements import Measurement
from governance.plugins.metrics.table import PREFIX, TABLE, Declared

Labels = tuple[str, ...]

logger = logging.getLogger("governance.metrics")


class Histogram:
    """Counts by bucket for each combination of labels.

    A row is a list: a count for each bucket and for what is beyond the last, and the values' sum. `scale` turns the
    unit of what is observed into the metric's.
    """

    def __init__(self, bounds: Iterable[float], scale: float = 1.0) -> None:
        self.bounds = [bound / scale for bound in bounds]
        self.scale = scale
        self.rows: dict[Labels, list[float]] = {}

    def row(self, *labels: str) -> list[float]:
        """Return the row of these labels; it stays the same list for ever."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = [0] * (len(self.bounds) + 2)
        return row

    def observe(self, row: list[float], value: float) -> int:
        """Count one value, and return its bucket's number."""
        bucket = bisect_left(self.bounds, value)
        row[bucket] += 1
        row[-1] += value
        return bucket


class Tallies:
    """One worker's counters, gauges and histograms by the table's names."""

    def __init__(self) -> None:
        self.counters: dict[str, defaultdict[Labels, float]] = {
            name: defaultdict(int) for name, declared in TABLE.items() if declared.kind == "counter"
        }
        self.gauges: dict[tuple[str, Labels], float] = {}
        self.histograms: dict[str, Histogram] = {}
        self._totals: dict[tuple[str, Labels], float] = {}
        self._unknown: set[str] = set()

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self.counters[name][labels] += by

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self.gauges[name, labels] = value

    def histogram(self, name: str, scale: float = 1.0) -> Histogram:
        """Return a histogram; `scale` counts for who asks first."""
        histogram = self.histograms.get(name)
        if histogram is None:
            histogram = self.histograms[name] = Histogram(TABLE[name].buckets, scale)
        return histogram

    def read(self, measurements: Iterable[Measurement]) -> None:
        """Take over others' numbers; a name that the table does not declare is dropped, with one line in the log."""
        for measurement in measurements:
            name, labels, value = measurement.name.removeprefix(PREFIX), measurement.labels, measurement.value
            declared = TABLE.get(name)
            if declared is None or len(declared.labels) != len(labels):
                self._drop(name)
            elif not isinstance(value, int | float):
                histogram = self.histogram(name)
                row = histogram.row(*labels)
                for one in value:
                    histogram.observe(row, one / histogram.scale)
            elif declared.kind == "gauge":
                self.gauges[name, labels] = value
            elif declared.kind == "counter":
                self.counters[name][labels] += value - self._totals.get((name, labels), 0)
                self._totals[name, labels] = value
            else:
                self._drop(name)

    def _drop(self, name: str) -> None:
        if name not in self._unknown:
            self._unknown.add(name)
            logger.error("the numbers called '%s' are dropped: no such metric with such labels is declared", name)


class Registered:
    """The table's metrics in the process's default registry, which BentoML sums over its workers."""

    def __init__(self) -> None:
        # Made when first used: a gauge without labels would otherwise show 0 before it is known.
        self._instruments: dict[str, Any] = {}
        self._children: dict[tuple[str, Labels], Any] = {}
        self._set: dict[tuple[str, Labels], float] = {}

    def take(self, tallies: Tallies) -> None:
        """Add all that was tallied, and set the tallies back to nothing."""
        for name, counts in tallies.counters.items():
            for labels, count in counts.items():
                self._child(name, labels).inc(count)
            counts.clear()
        for name, histogram in tallies.histograms.items():
            for labels, row in histogram.rows.items():
                _add(self._child(name, labels), row, histogram.scale)
        for key, value in tallies.gauges.items():
            if self._set.get(key) != value:
                self._child(*key).set(value)
                self._set[key] = value

    def _child(self, name: str, labels: Labels) -> Any:
        key = name, labels
        child = self._children.get(key)
        if child is None:
            instrument = self._instruments.get(name)
            if instrument is None:
                instrument = self._instruments[name] = _instrument(TABLE[name])
            child = self._children[key] = instrument.labels(*labels) if labels else instrument
        return child


def _instrument(declared: Declared) -> Any:
    from prometheus_client import Counter, Gauge
    from prometheus_client import Histogram as PrometheusHistogram

    name = PREFIX + declared.name
    if declared.kind == "counter":
        return Counter(name, declared.help, declared.labels)
    if declared.kind == "gauge":
        return Gauge(name, declared.help, declared.labels, multiprocess_mode=declared.merge)
    return PrometheusHistogram(name, declared.help, declared.labels, buckets=declared.buckets)


def _add(child: Any, row: list[float], scale: float) -> None:
    """Add a row to a histogram of prometheus_client, whose public way takes one value at a time."""
    if not any(row[:-1]):
        return
    for bucket, count in enumerate(row[:-1]):
        if count:
            child._buckets[bucket].inc(count)
            row[bucket] = 0
    child._sum.inc(row[-1] * scale)
    row[-1] = 0


_registered: list[Registered] = []


def registered() -> Registered:
    """Return this process's metrics; the default registry takes each name only once."""
    if not _registered:
        _registered.append(Registered())
    return _registered[0]


def dead_workers() -> list[int]:
    """Return the processes that left gauges of the living behind: they were killed before they could forget them."""
    files = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.devnull).glob("gauge_live*.db")
    numbers = {int(file.stem.rpartition("_")[2]) for file in files if file.stem.rpartition("_")[2].isdigit()}
    return sorted(number for number in numbers if not Path(f"/proc/{number}").exists())


def forget_workers(numbers: Iterable[int]) -> None:
    """Remove the gauges that are true of living processes alone; counts stay."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return
    from prometheus_client.multiprocess import mark_process_dead

    for number in numbers:
        mark_process_dead(number)  # type: ignore[no-untyped-call]
