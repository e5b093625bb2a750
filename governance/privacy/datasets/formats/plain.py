"""Text, and JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent, Asked
from governance.privacy.datasets.formats.lines import byte_lines, text_encoding, text_lines

TEXT = "text"
# Of a line of JSON that is no object.
LINE = "(line)"


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Lines with their ends; the one column is called `text`."""

    first: int
    lines: list[str]

    @property
    def rows(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> Sequence[str]:
        return (TEXT,)

    def values(self, name: str) -> list[Any]:
        return list(self.lines)


class TextReader:
    """A text of any encoding."""

    is_typed = False

    def __init__(self, stream: BinaryIO, asked: Asked, start: bytes) -> None:
        self._stream, self._progress = stream, asked.progress
        self.encoding = text_encoding(asked.encoding, start)
        self.names, self.total = (TEXT,), size_of(stream)

    def batches(self, only: Sequence[str] | None = None) -> Iterator[TextBatch]:
        """Yield as many lines as are there."""
        first = 1
        for lines in text_lines(self._stream, self.encoding, self._progress):
            yield TextBatch(first, lines)
            first += sum(line.count("\n") for line in lines)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> TextWriter:
        """Return a writer in the same encoding."""
        return TextWriter(target, self.encoding)


class TextWriter:
    """Writes lines as they are."""

    def __init__(self, target: BinaryIO, encoding: str) -> None:
        self._target, self.encoding, self._begun = target, encoding, False

    def write(self, batch: TextBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write the lines of a batch."""
        lines = changed.get(TEXT, batch.lines)
        self._target.write(encoded("".join(lines), self.encoding, begun=self._begun))
        self._target.flush()
        self._begun = True

    def close(self) -> None:
        """There is nothing to come."""


def encoded(text: str, encoding: str, *, begun: bool) -> bytes:
    """Return bytes; a byte order mark stands at the beginning alone.

    Raises:
        BadRequestError: if a character that took the place of another is none of this encoding.
    """
    if begun:
        encoding = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding.lower().replace("_", "-"), encoding)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise BadRequestError(f"what takes the place of personal data cannot be written in {encoding}") from None


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """Documents, one a line. A column is a member of the objects, whatever lies below it."""

    first: int
    documents: list[Any]

    @property
    def rows(self) -> int:
        return len(self.documents)

    @property
    def names(self) -> Sequence[str]:
        return tuple(
            dict.fromkeys(name for item in self.documents for name in (item if isinstance(item, dict) else (LINE,)))
        )

    def values(self, name: str) -> list[Any]:
        if name == LINE:
            return [item.get(LINE, Absent) if isinstance(item, dict) else item for item in self.documents]
        return [item.get(name, Absent) if isinstance(item, dict) else Absent for item in self.documents]


class JsonReader:
    """JSON lines in UTF-8; blank lines are no rows."""

    is_typed = False
    names: tuple[str, ...] | None = None

    def __init__(self, stream: BinaryIO, asked: Asked) -> None:
        self._stream, self._progress, self.total = stream, asked.progress, size_of(stream)

    def batches(self, only: Sequence[str] | None = None) -> Iterator[JsonBatch]:
        """Yield as many documents as are there.

        Raises:
            BadRequestError: if a line is no JSON document; it says which one.
        """
        number = 1
        for lines in byte_lines(self._stream, self._progress):
            documents = []
            for place, line in enumerate(lines, number):
                if line.strip():
                    documents.append(_document(line, place))
            yield JsonBatch(number, documents)
            number += len(lines)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> JsonWriter:
        """Return a writer of JSON lines."""
        return JsonWriter(target, frozenset(dropped))


class JsonWriter:
    """Writes each document on a line of its own, its members in their order."""

    def __init__(self, target: BinaryIO, dropped: frozenset[str]) -> None:
        self._target, self._dropped = target, dropped

    def write(self, batch: JsonBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None) -> None:
        """Write the documents of a batch."""
        pieces = []
        for row in range(batch.rows) if rows is None else rows:
            document = batch.documents[row]
            if isinstance(document, dict):
                document = {
                    name: changed[name][row] if name in changed else value
                    for name, value in document.items()
                    if name not in self._dropped
                }
            elif LINE in self._dropped:
                continue
            elif LINE in changed:
                document = changed[LINE][row]
            pieces.append(json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False))
        self._target.write("".join(piece + "\n" for piece in pieces).encode("ascii"))
        self._target.flush()

    def close(self) -> None:
        """There is nothing to come."""


def _document(line: bytes, number: int) -> Any:
    try:
        document = parse_json(line)
        # A number beyond a double can be read by Python, and written by nobody.
        json.dumps(document, allow_nan=False)
    except (ValueError, RecursionError):
        raise BadRequestError(f"line {number} holds a number beyond a double, or is nested too deeply") from None
    except BadRequestError as error:
        raise BadRequestError(f"line {number} is {error}") from None
    return document


def size_of(stream: BinaryIO) -> int:
    """Return how long a file is, or 0 for a pipe."""
    return os.fstat(stream.fileno()).st_size
