"""`/metrics` as OpenMetrics with exemplars, which prometheus_client does not support across processes.

BentoML answers in Prometheus' classic text format. If a scraper accepts OpenMetrics, the text is converted, and each
bucket gets its newest exemplar. Each worker writes its exemplars to a file in the folder of prometheus_client.
Source: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from governance.contract.exchange import Exchange, Reply
from governance.plugins.metrics.table import PREFIX

NAME = f"{PREFIX}request_seconds"
LABELS = ("method", "route", "outcome")
PATTERN = "exemplars_{}.json"
MEDIA_TYPE = b"application/openmetrics-text"
CONTENT_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
MAX_FILE_BYTES = 2**20

logger = logging.getLogger("governance.metrics")


class Exemplar(msgspec.Struct, frozen=True, array_like=True):
    """One request of a bucket: its seconds, and its end (Unix seconds)."""

    labels: tuple[str, ...]
    bucket: int
    trace_id: str
    seconds: float
    time: float


class Exemplars:
    """The newest exemplar of each bucket: this worker's in memory, those of other workers in their files."""

    def __init__(self) -> None:
        self._newest: dict[tuple[tuple[str, ...], int], Exemplar] = {}
        self._folder: Path | None = None
        self._changed = False

    def open(self, folder: str | None) -> None:
        """Share exemplars with other workers in a folder; without a folder, this is the only process."""
        self._folder = Path(folder) if folder else None

    def put(self, labels: tuple[str, ...], bucket: int, trace_id: str, seconds: float, now: float) -> None:
        """Record a request as exemplar of its bucket."""
        self._newest[labels, bucket] = Exemplar(labels, bucket, trace_id, seconds, now)
        self._changed = True

    def write(self) -> None:
        """Write this worker's exemplars for the other workers."""
        if not self._changed or self._folder is None:
            return
        self._changed = False
        file = self._folder / PATTERN.format(os.getpid())
        draft = file.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.json.encode(list(self._newest.values())))
            draft.replace(file)
        except OSError as error:
            logger.error("exemplars cannot be shared: %s", error.strerror)

    def newest(self) -> dict[tuple[tuple[str, ...], int], Exemplar]:
        """Return the newest exemplar of all workers, by labels and bucket."""
        found = dict(self._newest)
        for file in self._folder.glob(PATTERN.format("*")) if self._folder is not None else ():
            for exemplar in _read(file):
                known = found.get((exemplar.labels, exemplar.bucket))
                if known is None or known.time < exemplar.time:
                    found[exemplar.labels, exemplar.bucket] = exemplar
        return found


def accepts_openmetrics(exchange: Exchange) -> bool:
    """Return whether a scraper accepts OpenMetrics; Prometheus prefers it."""
    return any(name == b"accept" and MEDIA_TYPE in value.lower() for name, value in exchange.headers)


def to_openmetrics(reply: Reply, exemplars: Exemplars) -> Reply:
    """Convert a reply in the classic text format to OpenMetrics, with exemplars."""
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(b"".join(reply.body).decode()))
    for family in families:
        if family.name == NAME:
            _put_beside(family, exemplars.newest())
    headers = tuple(field for field in reply.headers if field[0] != b"content-type")
    body: bytes = generate_latest(_Collected(families))  # type: ignore[no-untyped-call]
    return Reply(reply.status, (*headers, (b"content-type", CONTENT_TYPE)), (body,))


class _Collected:
    """A registry as `generate_latest` reads it."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _put_beside(family: Any, newest: dict[tuple[tuple[str, ...], int], Exemplar]) -> None:
    from prometheus_client.samples import Exemplar as SampleExemplar

    bounds: dict[tuple[str, ...], list[float]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            bounds.setdefault(_labels(sample), []).append(float(sample.labels["le"]))
    for place, sample in enumerate(family.samples):
        if not sample.name.endswith("_bucket"):
            continue
        labels = _labels(sample)
        bucket = sorted(bounds[labels]).index(float(sample.labels["le"]))
        found = newest.get((labels, bucket))
        if found is not None:
            attached = SampleExemplar({"trace_id": found.trace_id}, found.seconds, round(found.time, 3))
            family.samples[place] = sample._replace(exemplar=attached)


def _labels(sample: Any) -> tuple[str, ...]:
    return tuple(sample.labels[name] for name in LABELS)


def _read(file: Path) -> list[Exemplar]:
    """Return the content of a worker's file, or nothing if the worker has just ended."""
    try:
        with file.open("rb") as stream:
            return msgspec.json.decode(stream.read(MAX_FILE_BYTES), type=list[Exemplar])
    except (OSError, msgspec.MsgspecError):
        return []
