"""CSV: delimiter, quotes, encoding and line ends are found, and kept in what is written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO, Literal

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import BATCH_BYTES, BATCH_ROWS, Asked
from governance.privacy.datasets.formats.lines import text_encoding, text_lines
from governance.privacy.datasets.formats.plain import encoded, size_of

DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD, MAX_COLUMNS = 16 * 2**20, 10_000
LOOKED_AT = 50
# What a spreadsheet would run.
_FORMULA = re.compile(r"[=@\t\r]|[+\-](?![\d .,()/\-]*$)")


@dataclass(frozen=True, slots=True)
class Form:
    """How the cells of a file are written."""

    delimiter: str
    line_end: str
    quotes_all: bool

    @classmethod
    def of(cls, lines: Sequence[str], delimiter: str | None) -> Form:
        """Look at the first lines: the delimiter that cuts all of them into the same number of cells, and most."""
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
    # A cell with a line end in it may have been cut: the first row decides if they differ.
    return min(counts) if counts and min(counts) > 1 else 0


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """Rows of cells; all cells are text."""

    first: int
    names: tuple[str, ...]
    cells: list[list[str]]

    @property
    def rows(self) -> int:
        return len(self.cells)

    def values(self, name: str) -> list[Any]:
        place = self.names.index(name)
        return [row[place] for row in self.cells]


class CsvReader:
    """A CSV of any delimiter.

    Raises:
        BadRequestError: if the header names a column twice, or the file cannot be read.
    """

    is_typed = False

    def __init__(self, stream: BinaryIO, asked: Asked, start: bytes) -> None:
        csv.field_size_limit(MAX_FIELD)
        self.encoding = text_encoding(asked.encoding, start)
        blocks = text_lines(stream, self.encoding, asked.progress)
        lines = _without_nul(chain.from_iterable(blocks))
        begun = list(islice(lines, LOOKED_AT))
        self.form = Form.of(begun, asked.delimiter)
        self._rows = csv.reader(chain(begun, lines), delimiter=self.form.delimiter, strict=True)
        self.total, self._has_header = size_of(stream), asked.header
        first = next(self._read(), None)
        self._rest: Iterator[list[str]] = self._read()
        # Of a pipe nobody could look ahead for a byte order mark.
        self.names: tuple[str, ...] = tuple(name.lstrip("\ufeff") for name in first or ())
        if first is not None and not asked.header:
            self.names = tuple(str(number) for number in range(1, len(first) + 1))
            self._rest = chain([first], self._rest)
        if len(self.names) > MAX_COLUMNS:
            raise BadRequestError(f"there are more than {MAX_COLUMNS} columns")
        twice = [number for number, name in enumerate(self.names, 1) if name in self.names[: number - 1]]
        if twice:
            raise BadRequestError(
                f"the header names a column twice (column {twice[0]}): rename it, or say --no-header if there is none"
            )
        self.formulas = 0

    def _read(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank; one column's blank line is an empty cell."""
        try:
            for row in self._rows:
                if row or len(getattr(self, "names", ())) == 1:
                    yield row or [""]
        except csv.Error as error:
            # The library's sentences tell of places and limits, never of cells.
            raise BadRequestError(f"line {self._rows.line_num} is no CSV: {error}") from None

    def batches(self, only: Sequence[str] | None = None) -> Iterator[CsvBatch]:
        """Yield all rows.

        Raises:
            BadRequestError: if a row has more or fewer cells than the header.
        """
        width, first = len(self.names), 1
        cells: list[list[str]] = []
        size = 0
        for row in self._rest:
            if len(row) != width:
                raise BadRequestError(
                    f"row {first + len(cells)} (line {self._rows.line_num}) has {len(row)} cells, and there are "
                    f"{width} columns: quote cells that hold the delimiter, or name it with --delimiter"
                )
            cells.append(row)
            size += sum(map(len, row))
            if len(cells) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self._batch(first, cells)
                first, cells, size = first + len(cells), [], 0
        if cells:
            yield self._batch(first, cells)

    def _batch(self, first: int, cells: list[list[str]]) -> CsvBatch:
        self.formulas += sum(
            1 for row in cells for cell in row if cell[:1] in "=@+-\t\r" and cell and _FORMULA.match(cell)
        )
        return CsvBatch(first, self.names, cells)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> CsvWriter:
        """Return a writer of the same form."""
        return CsvWriter(target, self.form, self.encoding, self.names, dropped, self._has_header)


class CsvWriter:
    """Writes rows, with the header first."""

    def __init__(
        self,
        target: BinaryIO,
        form: Form,
        encoding: str,
        names: Sequence[str],
        dropped: Sequence[str],
        header: bool,
    ) -> None:
        self._target, self._form, self.encoding, self._begun = target, form, encoding, False
        self._kept = [place for place, name in enumerate(names) if name not in dropped]
        self._all = len(self._kept) == len(names)
        if header and names:
            self._put([list(names)])

    def write(self, batch: CsvBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write the rows of a batch; its cells are changed where they are."""
        for name, values in changed.items():
            place = batch.names.index(name)
            for row, value in zip(batch.cells, values, strict=True):
                row[place] = "" if value is None else str(value)
        self._put(batch.cells if rows is None else [batch.cells[row] for row in rows])

    def _put(self, cells: Iterable[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        quoting: Literal[0, 1] = csv.QUOTE_ALL if self._form.quotes_all else csv.QUOTE_MINIMAL
        writer = csv.writer(text, delimiter=self._form.delimiter, lineterminator=self._form.line_end, quoting=quoting)
        writer.writerows(cells if self._all else ([row[place] for place in self._kept] for row in cells))
        self._target.write(encoded(text.getvalue(), self.encoding, begun=self._begun))
        self._target.flush()
        self._begun = True

    def close(self) -> None:
        """There is nothing to come."""


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise BadRequestError(f"line {number} holds a NUL byte: it is no CSV, or its --encoding is another one")
        yield line
