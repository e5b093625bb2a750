"""What all formats have in common: rows in batches, whose columns are lists; and batches are written back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

BATCH_ROWS, BATCH_BYTES = 8_192, 2**21


class Absent:
    """Stands where a row has no such column at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a file is to be read.

    Attributes:
        encoding: None for what its byte order mark says, or UTF-8.
        delimiter: of CSV; None for the one that fits.
        header: whether a CSV has one.
        progress: is told how many bytes (Parquet: rows) were read.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True
    progress: Callable[[int], None] = lambda _: None


class Batch(Protocol):
    """Some rows."""

    @property
    def first(self) -> int:
        """Return the number of the first row, from 1; a header is no row."""

    @property
    def rows(self) -> int:
        """Return how many there are."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the columns of these rows."""

    def values(self, name: str) -> list[Any]:
        """Return a column: one value for each row, None for an empty one, `Absent` where there is none."""


class Writer(Protocol):
    """Writes batches."""

    def write(self, batch: Any, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write a batch.

        Args:
            changed: the columns that are others now.
            rows: which rows to write, from 0; None for all.
        """

    def close(self) -> None:
        """Write what comes at the end."""


class Reader(Protocol):
    """An opened file."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the columns; None where each row may have its own."""

    @property
    def total(self) -> int:
        """Return how much there is to read, as `Asked.progress` is told it; 0 if nobody knows."""

    @property
    def is_typed(self) -> bool:
        """Return whether columns have types that a changed value must fit."""

    def batches(self, only: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield all rows, once; `only` these columns, where that is cheaper."""

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> Writer:
        """Return what writes a file of the same form.

        Args:
            dropped: columns that go.
            as_text: typed columns that hold text from now on.
        """
