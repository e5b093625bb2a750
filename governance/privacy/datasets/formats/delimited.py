"""CSV (RFC 4180, and what else is called so): delimiter, quoting, encoding and line ends are detected and kept."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, BinaryIO, Literal

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import BATCH_BYTES, BATCH_ROWS, Advance, Format, ReadOptions
from governance.privacy.datasets.formats.lines import text_encoding, text_lines
from governance.privacy.datasets.formats.text import encoded, size_of

DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD, MAX_COLUMNS = 16 * 2**20, 10_000
# Lines from which delimiter, quoting and line end are detected.
SAMPLE_LINES = 50
# Cells that a spreadsheet would run as a formula (OWASP: CSV injection); a signed number is none.
_FORMULA = re.compile(r"[=@\t\r]|[+\-](?![\d .,()/\-]*$)")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How the cells of a file are written.

    Attributes:
        delimiter: One character.
        line_end: LF or CR LF.
        quotes_all: Whether all cells are quoted, and not only those that need it.
    """

    delimiter: str
    line_end: str
    quotes_all: bool

    @classmethod
    def of(cls, lines: Sequence[str], delimiter: str | None) -> CsvDialect:
        """Detect the dialect from the first lines.

        Args:
            lines: The first lines with their line ends.
            delimiter: The given delimiter; None for the one that makes the most cells of every line.
        """
        line_end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
        chosen = delimiter or max(DELIMITERS, key=lambda mark: _cells(lines, mark))
        header = lines[0].rstrip("\r\n") if lines else ""
        quotes_all = bool(header) and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in header.split(chosen))
        return cls(chosen, line_end, quotes_all)


def _cells(lines: Sequence[str], delimiter: str) -> int:
    try:
        counts = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
    except csv.Error:
        return 0
    # Rows differ where the sample cuts a cell with a line end in it, so the smallest number counts.
    return min(counts) if counts and min(counts) > 1 else 0


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """Rows of cells, which are all text; see `RowBatch`.

    Attributes:
        first: Number of the first row.
        names: Names of the columns.
        cells: The cells of each row.
    """

    first: int
    names: tuple[str, ...]
    cells: list[list[str]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.cells)

    def values(self, name: str) -> list[Any]:
        """Return the cells of a column."""
        place = self.names.index(name)
        return [row[place] for row in self.cells]


class CsvReader:
    """Reads CSV with any delimiter; see `TableReader`.

    Raises:
        BadRequestError: If the header has a name twice, or the file cannot be read.
    """

    format: Format = "csv"
    is_typed = False

    def __init__(self, stream: BinaryIO, options: ReadOptions, advance: Advance, start: bytes) -> None:
        csv.field_size_limit(MAX_FIELD)
        self.encoding = text_encoding(options.encoding, start)
        blocks = text_lines(stream, self.encoding, advance)
        lines = _without_nul(chain.from_iterable(blocks))
        begun = list(islice(lines, SAMPLE_LINES))
        self.dialect = CsvDialect.of(begun, options.delimiter)
        self._rows = csv.reader(chain(begun, lines), delimiter=self.dialect.delimiter, strict=True)
        self.total, self._has_header = size_of(stream), options.header
        first = next(self._read(), None)
        self._rest: Iterator[list[str]] = self._read()
        # In a pipe the byte order mark could not be read ahead, and is part of the first name.
        self.names: tuple[str, ...] = tuple(name.lstrip("\ufeff") for name in first or ())
        if first is not None and not options.header:
            self.names = tuple(str(number) for number in range(1, len(first) + 1))
            self._rest = chain([first], self._rest)
        if len(self.names) > MAX_COLUMNS:
            raise BadRequestError(f"there are more than {MAX_COLUMNS} columns")
        twice = [number for number, name in enumerate(self.names, 1) if name in self.names[: number - 1]]
        if twice:
            raise BadRequestError(
                f"the header has a name twice (column {twice[0]}): rename it, or use --no-header if there is no header"
            )
        self._formulas = 0

    @property
    def notes(self) -> Sequence[str]:
        """A warning if cells begin like a formula."""
        if not self._formulas:
            return ()
        return (
            f"{self._formulas:,} cells begin like a formula (= + - @): they are kept as they are, and a spreadsheet "
            "may run them.",
        )

    def _read(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank; in a file of one column, a blank line is an empty cell."""
        try:
            for row in self._rows:
                if row or len(getattr(self, "names", ())) == 1:
                    yield row or [""]
        except csv.Error as error:
            # Messages of the csv module have no cell values in them.
            raise BadRequestError(f"line {self._rows.line_num} is not CSV: {error}") from None

    def batches(self, only: Sequence[str] | None = None) -> Iterator[CsvBatch]:
        """Yield all rows.

        Raises:
            BadRequestError: If a row has more or fewer cells than the header; the message has its number.
        """
        width, first = len(self.names), 1
        cells: list[list[str]] = []
        size = 0
        for row in self._rest:
            if len(row) != width:
                raise BadRequestError(
                    f"row {first + len(cells)} (line {self._rows.line_num}) has {len(row)} cells, but there are "
                    f"{width} columns: quote cells that contain the delimiter, or set it with --delimiter"
                )
            cells.append(row)
            size += sum(map(len, row))
            if len(cells) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self._batch(first, cells)
                first, cells, size = first + len(cells), [], 0
        if cells:
            yield self._batch(first, cells)

    def _batch(self, first: int, cells: list[list[str]]) -> CsvBatch:
        self._formulas += sum(
            1 for row in cells for cell in row if cell[:1] in "=@+-\t\r" and cell and _FORMULA.match(cell)
        )
        return CsvBatch(first, self.names, cells)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> CsvWriter:
        """Return a writer of the same dialect."""
        header = self.names if self._has_header else ()
        kept = [place for place, name in enumerate(self.names) if name not in dropped]
        return CsvWriter(target, self.dialect, self.encoding, header, None if len(kept) == len(self.names) else kept)

    def again(self, options: ReadOptions) -> ReadOptions:
        """Return options with this file's encoding and delimiter."""
        return replace(options, format=self.format, encoding=self.encoding, delimiter=self.dialect.delimiter)


class CsvWriter:
    """Writes the header, and then rows; see `TableWriter`.

    Args:
        target: The file.
        dialect: How cells are written.
        encoding: The encoding of the file.
        header: The names of all columns; empty if the file has no header.
        kept: Indexes of the columns that are written; None for all.
    """

    def __init__(
        self, target: BinaryIO, dialect: CsvDialect, encoding: str, header: Sequence[str], kept: Sequence[int] | None
    ) -> None:
        self._target, self._dialect, self.encoding, self._begun = target, dialect, encoding, False
        self._kept = kept
        if header:
            self._put([list(header)])

    def write(self, batch: CsvBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write the rows of a batch; its cells are overwritten by the changed ones.

        Raises:
            BadRequestError: If a changed cell cannot be written in the encoding of the file.
        """
        for name, values in changed.items():
            place = batch.names.index(name)
            for row, value in zip(batch.cells, values, strict=True):
                row[place] = "" if value is None else str(value)
        self._put(batch.cells if rows is None else [batch.cells[row] for row in rows])

    def _put(self, cells: Iterable[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        quoting: Literal[0, 1] = csv.QUOTE_ALL if self._dialect.quotes_all else csv.QUOTE_MINIMAL
        dialect, kept = self._dialect, self._kept
        writer = csv.writer(text, delimiter=dialect.delimiter, lineterminator=dialect.line_end, quoting=quoting)
        writer.writerows(cells if kept is None else ([row[place] for place in kept] for row in cells))
        self._target.write(encoded(text.getvalue(), self.encoding, begun=self._begun))
        self._target.flush()
        self._begun = True

    def close(self) -> None:
        """Do nothing: all rows are written."""


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise BadRequestError(f"line {number} has a NUL byte: the file is not CSV, or has another --encoding")
        yield line
