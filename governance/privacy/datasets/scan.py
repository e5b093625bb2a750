"""Scanning: every column of a file, or a sample of its rows, is searched for personal data; nothing is changed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.datasets.findings import HIDDEN, ColumnDetector, FindingCounts, FindOptions
from governance.privacy.datasets.formats.batch import Absent, Format, ReadOptions, RowBatch, verify_columns
from governance.privacy.datasets.formats.cells import places_of
from governance.privacy.datasets.formats.open import STANDARD_INPUT, StageProgress, ignore_progress, open_table
from governance.privacy.datasets.measure import RiskOptions, measure_file
from governance.privacy.datasets.risk.measures import Risk


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """How a file is scanned.

    Attributes:
        columns: Columns to search; None for all.
        sample: Number of rows to search, drawn from the whole file; None for all rows.
        quasi: Quasi-identifiers, whose re-identification risk is measured in a second pass; none to measure nothing.
        sensitive: Sensitive columns for that measure.
        find: How personal data is found.
        read: How the file is read.
    """

    columns: tuple[str, ...] | None = None
    sample: int | None = None
    quasi: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    find: FindOptions = field(default_factory=FindOptions)
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What was found in a file.

    Attributes:
        file: Name of the file.
        format: Its format.
        rows: Number of its rows.
        counts: Findings by column and entity, with masked samples.
        is_sample: Whether only some rows were searched; `counts.rows` is how many.
        risk: Re-identification risk; None if it was not measured.
        notes: Sentences on what a person should know about the file.
    """

    file: str
    format: Format
    rows: int
    counts: FindingCounts
    is_sample: bool
    risk: Risk | None
    notes: tuple[str, ...]


def scan_file(path: Path, options: ScanOptions, progress: StageProgress = ignore_progress) -> ScanResult:
    """Find personal data in a file.

    Example:
        `scan_file(Path("patients.csv"), ScanOptions()).counts.totals()` gives for example
        `{"PERSON": 10, "PHONE_NUMBER": 1}`.

    Args:
        path: The file; `-` is standard input.
        options: What is searched, and how.
        progress: Is called while the file is read.

    Raises:
        BadRequestError: If the file cannot be read as its format, or has no such column.
        ConfigurationError: If it cannot be opened, or risk is to be measured of standard input.
    """
    if (options.quasi or options.sensitive) and path == STANDARD_INPUT:
        raise ConfigurationError("risk is measured in a second pass: name a file, not a pipe")
    counts, detector = FindingCounts(), options.find.column_detector()
    with open_table(path, options.read, "Scanning", progress) as reader:
        verify_columns(reader.names, options.columns or ())
        batches = reader.batches(options.columns)
        if options.sample is None:
            scan(batches, detector, counts, options.columns)
            rows = counts.rows
        else:
            rows = scan_sample(batches, options.sample, detector, counts, options.columns)
    risk = None
    if options.quasi:
        of_risk = RiskOptions(options.quasi, options.sensitive, read=options.read)
        risk = measure_file(path, of_risk, progress).risk
    return ScanResult(path.name, reader.format, rows, counts, options.sample is not None, risk, tuple(reader.notes))


def scan(
    batches: Iterable[RowBatch], detector: ColumnDetector, counts: FindingCounts, only: Sequence[str] | None = None
) -> None:
    """Search all rows.

    Args:
        batches: The rows.
        detector: Finds personal data.
        counts: Receives the number of findings and of rows.
        only: The columns to search; None for all.
    """
    for batch in batches:
        names = [name for name in batch.names if only is None or name in only]
        numbers = range(batch.first, batch.first + batch.rows)
        _count(((name, batch.values(name)) for name in names), numbers, detector, counts)


def scan_sample(
    batches: Iterable[RowBatch],
    size: int,
    detector: ColumnDetector,
    counts: FindingCounts,
    only: Sequence[str] | None = None,
) -> int:
    """Read all rows and search some of them, each as likely as any other (Vitter's algorithm R, 1985).

    The same file always gives the same sample.

    Args:
        batches: The rows.
        size: Number of rows to search.
        detector: Finds personal data.
        counts: Receives the number of findings and of searched rows.
        only: The columns to search; None for all.

    Returns:
        The number of all rows.
    """
    draw = random.Random(0)  # noqa: S311 — reproducible, and not secret
    kept: list[dict[str, Any]] = []
    numbers: list[int] = []
    count = 0
    for batch in batches:
        names = [name for name in batch.names if only is None or name in only]
        columns = [batch.values(name) for name in names]
        for row in range(batch.rows):
            place = count if count < size else draw.randrange(count + 1)
            if place < size:
                drawn = {name: column[row] for name, column in zip(names, columns, strict=True)}
                kept[place : place + 1], numbers[place : place + 1] = [drawn], [batch.first + row]
            count += 1
    every = dict.fromkeys(name for row in kept for name in row)
    _count(((name, [row.get(name, Absent) for row in kept]) for name in every), numbers, detector, counts)
    return count


def _count(
    columns: Iterable[tuple[str, list[Any]]], numbers: Sequence[int], detector: ColumnDetector, counts: FindingCounts
) -> None:
    def show(name: str) -> str:
        return HIDDEN if detector.is_personal(name) else name

    for name, values in columns:
        for path, places in places_of(show(name), values, numbers, show).items():
            counts.add(path, places, detector.find(path, places))
    counts.rows += len(numbers)
