"""Measuring a file: the re-identification risk of its rows, by columns that others may know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from governance.errors import ConfigurationError
from governance.privacy.datasets.formats.batch import Format, ReadOptions, verify_columns
from governance.privacy.datasets.formats.open import StageProgress, ignore_progress, open_table
from governance.privacy.datasets.risk.columns import EncodedColumn, encode
from governance.privacy.datasets.risk.measures import Risk, measure


@dataclass(frozen=True, slots=True)
class RiskOptions:
    """What is measured.

    Attributes:
        quasi: Quasi-identifiers: columns that others may know about a person, such as age and ZIP code.
        sensitive: Sensitive columns, whose values others must not learn.
        population: A larger table that the file is a part of, with the same quasi-identifiers; None for none.
        read: How the file is read. The population is read by its suffix.
    """

    quasi: tuple[str, ...]
    sensitive: tuple[str, ...] = ()
    population: Path | None = None
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        """Refuse a column that is named twice."""
        if twice := [name for name in self.quasi if self.quasi.count(name) > 1 or name in self.sensitive]:
            raise ConfigurationError(
                f"'{twice[0][:80]}' is named twice: a column is a quasi-identifier or sensitive, not both"
            )


@dataclass(frozen=True, slots=True)
class RiskResult:
    """The risk of a file.

    Attributes:
        file: Name of the file.
        format: Its format.
        risk: The measures.
        notes: Sentences on what a person should know about the file.
    """

    file: str
    format: Format
    risk: Risk
    notes: tuple[str, ...] = ()


def measure_file(path: Path, options: RiskOptions, progress: StageProgress = ignore_progress) -> RiskResult:
    """Measure the re-identification risk of a file.

    Example:
        `measure_file(Path("patients.csv"), RiskOptions(("age", "zip"), ("diagnosis",))).risk.k` gives the size of the
        smallest group of rows that are equal in age and ZIP code.

    Args:
        path: A table.
        options: The columns, and how the file is read.
        progress: Is called while the file is read.

    Raises:
        BadRequestError: If the file cannot be read as its format, or has no such column or no rows.
        ConfigurationError: If it cannot be opened or has no columns, or a column is named twice.
    """
    columns, read, notes = read_columns(path, (*options.quasi, *options.sensitive), options.read, "Reading", progress)
    population = None
    if options.population is not None:
        theirs, _, _ = read_columns(
            options.population, options.quasi, ReadOptions(), "Reading the population", progress
        )
        population = [theirs[name] for name in options.quasi]
    quasi, sensitive = ([columns[name] for name in names] for names in (options.quasi, options.sensitive))
    return RiskResult(path.name, read, measure(quasi, sensitive, population), notes)


def read_columns(
    path: Path, names: tuple[str, ...], options: ReadOptions, stage: str, progress: StageProgress
) -> tuple[dict[str, EncodedColumn], Format, tuple[str, ...]]:
    """Read columns of a file as arrays.

    Args:
        path: A table.
        names: The columns.
        options: How it is read.
        stage: What it is read for, for the progress.
        progress: Is called while the file is read.

    Returns:
        The columns by name, the format of the file, and notes on it.

    Raises:
        BadRequestError: If the file cannot be read as its format, or has no such column.
        ConfigurationError: If it cannot be opened, or has no columns.
    """
    with open_table(path, options, stage, progress) as reader:
        if reader.format == "text":
            raise ConfigurationError(f"{path} is text and has no columns: use --format if it is a table")
        verify_columns(reader.names, names)
        return encode(reader.batches(names), names), reader.format, tuple(reader.notes)
