"""Text files: each batch is as many lines as are there, in the one column `text`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Advance, Format, ReadOptions
from governance.privacy.datasets.formats.lines import text_encoding, text_lines

TEXT = "text"


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Lines with their line ends; see `RowBatch`.

    Attributes:
        first: Number of the first line.
        lines: The lines. The lines of a private key are one element.
    """

    first: int
    lines: list[str]

    @property
    def rows(self) -> int:
        """Number of lines."""
        return len(self.lines)

    @property
    def names(self) -> Sequence[str]:
        """The one column, `text`."""
        return (TEXT,)

    def values(self, name: str) -> list[Any]:
        """Return the lines."""
        return list(self.lines)


class TextReader:
    """Reads a text of any encoding; see `TableReader`."""

    format: Format = "text"
    is_typed = False
    notes: Sequence[str] = ()

    def __init__(self, stream: BinaryIO, options: ReadOptions, advance: Advance, start: bytes) -> None:
        self._stream, self._advance = stream, advance
        self.encoding = text_encoding(options.encoding, start)
        self.names, self.total = (TEXT,), size_of(stream)

    def batches(self, only: Sequence[str] | None = None) -> Iterator[TextBatch]:
        """Yield as many lines as are there.

        Raises:
            BadRequestError: If a line is too long, or the file is not in its encoding.
        """
        first = 1
        for lines in text_lines(self._stream, self.encoding, self._advance):
            yield TextBatch(first, lines)
            first += sum(line.count("\n") for line in lines)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> TextWriter:
        """Return a writer in the same encoding."""
        return TextWriter(target, self.encoding)

    def again(self, options: ReadOptions) -> ReadOptions:
        """Return options with this file's encoding."""
        return replace(options, format=self.format, encoding=self.encoding)


class TextWriter:
    """Writes lines as they are; see `TableWriter`."""

    def __init__(self, target: BinaryIO, encoding: str) -> None:
        self._target, self.encoding, self._begun = target, encoding, False

    def write(self, batch: TextBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write the lines of a batch.

        Raises:
            BadRequestError: If a changed line cannot be written in this encoding.
        """
        lines = changed.get(TEXT, batch.lines)
        self._target.write(encoded("".join(lines), self.encoding, begun=self._begun))
        self._target.flush()
        self._begun = True

    def close(self) -> None:
        """Do nothing: all lines are written."""


def encoded(text: str, encoding: str, *, begun: bool) -> bytes:
    """Return the bytes of a text.

    Args:
        text: The text.
        encoding: Its encoding.
        begun: Whether bytes were written before; then there is no byte order mark.

    Raises:
        BadRequestError: If a character cannot be written in this encoding.
    """
    if begun:
        encoding = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding.lower().replace("_", "-"), encoding)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise BadRequestError(f"a replacement of personal data cannot be written in {encoding}") from None


def size_of(stream: BinaryIO) -> int:
    """Return the size of a file in bytes, or 0 for a pipe."""
    return os.fstat(stream.fileno()).st_size
