"""The counts of one worker in plain lists, added to prometheus_client's metrics about once a second.

An addition to a list is several times cheaper than prometheus_client's own, which writes to memory that all workers
share. `kill -9` loses what was counted since the last flush.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from governance.contract.measurements import Measurement, Metric
from governance.plugins.metrics.table import PREFIX, TABLE

Labels = tuple[str, ...]

logger = logging.getLogger("governance.metrics")


class Histogram:
    """Counts by bucket for each combination of labels.

    A row is a list: a count for each bucket and one for values above the last bound, then the sum of the values.
    `scale` converts the unit of the observed values into the metric's.
    """

    def __init__(self, bounds: Iterable[float], scale: float = 1.0) -> None:
        self.bounds = [bound / scale for bound in bounds]
        self.scale = scale
        self.rows: dict[Labels, list[float]] = {}

    def row(self, *labels: str) -> list[float]:
        """Return the row of these labels, always the same list."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = [0] * (len(self.bounds) + 2)
        return row

    def observe(self, row: list[float], value: float) -> int:
        """Count one value, and return the index of its bucket."""
        bucket = bisect_left(self.bounds, value)
        row[bucket] += 1
        row[-1] += value
        return bucket


class Tallies:
    """One worker's counters, gauges and histograms by name.

    Args:
        table: the declared metrics by name.
    """

    def __init__(self, table: Mapping[str, Metric] = TABLE) -> None:
        self.table = table
        self.counters: dict[str, defaultdict[Labels, float]] = {
            name: defaultdict(int) for name, declared in table.items() if declared.kind == "counter"
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
        """Return a histogram; the first call sets `scale`."""
        histogram = self.histograms.get(name)
        if histogram is None:
            histogram = self.histograms[name] = Histogram(self.table[name].buckets, scale)
        return histogram

    def read(self, measurements: Iterable[Measurement]) -> None:
        """Take over measurements; one with an undeclared name or wrong labels is dropped and logged once."""
        for measurement in measurements:
            name, labels, value = measurement.name.removeprefix(PREFIX), measurement.labels, measurement.value
            declared = self.table.get(name)
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
            logger.error(
                "measurements of '%s' are dropped: no metric with this name and number of labels is declared", name
            )


class Registered:
    """The declared metrics in the process's default registry, which BentoML sums over its workers."""

    def __init__(self) -> None:
        # Made at the first use: a gauge without labels would otherwise show 0 before it is known.
        self._instruments: dict[str, Any] = {}
        self._children: dict[tuple[str, Labels], Any] = {}
        self._set: dict[tuple[str, Labels], float] = {}

    def take(self, tallies: Tallies) -> None:
        """Add all tallies to the metrics, and set the tallies to zero."""
        for name, counts in tallies.counters.items():
            for labels, count in counts.items():
                self._child(tallies.table[name], labels).inc(count)
            counts.clear()
        for name, histogram in tallies.histograms.items():
            for labels, row in histogram.rows.items():
                _add(self._child(tallies.table[name], labels), row, histogram.scale)
        for (name, labels), value in tallies.gauges.items():
            if self._set.get((name, labels)) != value:
                self._child(tallies.table[name], labels).set(value)
                self._set[name, labels] = value

    def _child(self, metric: Metric, labels: Labels) -> Any:
        name = metric.name
        key = name, labels
        child = self._children.get(key)
        if child is None:
            instrument = self._instruments.get(name)
            if instrument is None:
                instrument = self._instruments[name] = _instrument(metric)
            child = self._children[key] = instrument.labels(*labels) if labels else instrument
        return child


def _instrument(declared: Metric) -> Any:
    from prometheus_client import Counter, Gauge
    from prometheus_client import Histogram as PrometheusHistogram

    name = PREFIX + declared.name
    if declared.kind == "counter":
        return Counter(name, declared.help, declared.labels)
    if declared.kind == "gauge":
        return Gauge(name, declared.help, declared.labels, multiprocess_mode=declared.merge)
    return PrometheusHistogram(name, declared.help, declared.labels, buckets=declared.buckets)


def _add(child: Any, row: list[float], scale: float) -> None:
    """Add a row to a histogram of prometheus_client, whose public method takes one value at a time."""
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
    """Return this process's metrics; the default registry accepts each name only once."""
    if not _registered:
        _registered.append(Registered())
    return _registered[0]


def dead_workers() -> list[int]:
    """Return ended processes whose gauges of living workers still exist, because they were killed."""
    files = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.devnull).glob("gauge_live*.db")
    numbers = {int(file.stem.rpartition("_")[2]) for file in files if file.stem.rpartition("_")[2].isdigit()}
    return sorted(number for number in numbers if not Path(f"/proc/{number}").exists())


def forget_workers(numbers: Iterable[int]) -> None:
    """Remove the gauges of these processes that only apply to living ones; counters stay."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return
    from prometheus_client.multiprocess import mark_process_dead

    for number in numbers:
        mark_process_dead(number)  # type: ignore[no-untyped-call]
