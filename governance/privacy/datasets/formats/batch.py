"""What all formats have in common: rows are read in batches, whose columns are lists, and batches are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

from governance.errors import BadRequestError, ConfigurationError

BATCH_ROWS, BATCH_BYTES = 8_192, 2**21

Format = Literal["text", "jsonl", "csv", "parquet"]
# Is called with the number of bytes (of Parquet: rows) that were just read.
Advance = Callable[[int], None]


class Absent:
    """The value of a column in a row that does not have this column, as objects of JSON lines may not."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read.

    Attributes:
        format: Its format; None for the one of its suffix, or text.
        encoding: Encoding of text and CSV, such as `cp1252`; None for UTF-8, or as the byte order mark says.
        delimiter: Delimiter of CSV; None for the one of `,`, `;`, `|` and tab that fits the first lines.
        header: Whether CSV has a header; without one, columns are named 1, 2, 3 and so on.

    Raises:
        ConfigurationError: If the delimiter is not one character, or is a quote, a line end or NUL.
    """

    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        """Refuse a delimiter that CSV cannot have."""
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise ConfigurationError("the delimiter (--delimiter) must be one character, and no quote or line end")


def verify_columns(names: Sequence[str] | None, wanted: Sequence[str]) -> None:
    """Refuse columns that a file does not have.

    Args:
        names: The columns of the file; None if each row may have its own.
        wanted: The columns that it must have.

    Raises:
        BadRequestError: With the first one that is missing, and those that there are.
    """
    for name in wanted:
        if names is not None and name not in names:
            there = ", ".join(item[:40] for item in names[:20])
            raise BadRequestError(f"there is no column '{name[:80]}'; there are: {there}")


class RowBatch(Protocol):
    """Some rows of a file."""

    @property
    def first(self) -> int:
        """Number of the first row, from 1; a header is not a row."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns of these rows."""

    def values(self, name: str) -> list[Any]:
        """Return a column: one value for each row, None for an empty one, `Absent` where a row has no such column."""


class TableWriter(Protocol):
    """Writes batches to a file."""

    def write(self, batch: Any, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write a batch.

        Args:
            batch: A batch of the reader that made this writer.
            changed: New values of columns: one value for each row of the batch. All other columns stay.
            rows: Indexes of the rows to write, from 0; None for all.
        """

    def close(self) -> None:
        """Write what comes at the end of the file, such as the footer of Parquet."""


class TableReader(Protocol):
    """An opened file."""

    @property
    def format(self) -> Format:
        """Its format."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of its columns; None if each row may have its own."""

    @property
    def total(self) -> int:
        """How much there is to read, in bytes (Parquet: rows); 0 if that is unknown, as for a pipe."""

    @property
    def is_typed(self) -> bool:
        """Whether its columns have types that a changed value must fit."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on what a person should know about the rows that were read."""

    def batches(self, only: Sequence[str] | None = None) -> Iterator[RowBatch]:
        """Yield all rows; can be called once.

        Args:
            only: Columns that are needed; a format may leave out the others where that is cheaper. None for all.
        """

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> TableWriter:
        """Return a writer of files of the same form.

        Args:
            target: The file to write to.
            dropped: Columns that are not written.
            as_text: Columns whose new values are texts, whatever their type was.
        """

    def again(self, options: ReadOptions) -> ReadOptions:
        """Return options that read what the writer wrote: with this file's format, encoding and delimiter."""
