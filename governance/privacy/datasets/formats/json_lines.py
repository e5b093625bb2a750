"""JSON lines: one document a line. A column is a member of the objects, with all values below it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent, Advance, Format, ReadOptions
from governance.privacy.datasets.formats.lines import byte_lines
from governance.privacy.datasets.formats.text import size_of

# The column of documents that are not objects.
LINE = "(line)"


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """Documents; see `RowBatch`.

    Attributes:
        first: Number of the line of the first document.
        documents: The documents.
    """

    first: int
    documents: list[Any]

    @property
    def rows(self) -> int:
        """Number of documents."""
        return len(self.documents)

    @property
    def names(self) -> Sequence[str]:
        """Names of the members of all objects, in the order in which they occur."""
        return tuple(
            dict.fromkeys(name for item in self.documents for name in (item if isinstance(item, dict) else (LINE,)))
        )

    def values(self, name: str) -> list[Any]:
        """Return the member of each document, or `Absent`."""
        if name == LINE:
            return [item.get(LINE, Absent) if isinstance(item, dict) else item for item in self.documents]
        return [item.get(name, Absent) if isinstance(item, dict) else Absent for item in self.documents]


class JsonReader:
    """Reads JSON lines in UTF-8; blank lines are skipped. See `TableReader`."""

    format: Format = "jsonl"
    is_typed = False
    names: tuple[str, ...] | None = None
    notes: Sequence[str] = ()

    def __init__(self, stream: BinaryIO, options: ReadOptions, advance: Advance) -> None:
        self._stream, self._advance, self.total = stream, advance, size_of(stream)

    def batches(self, only: Sequence[str] | None = None) -> Iterator[JsonBatch]:
        """Yield as many documents as are there.

        Raises:
            BadRequestError: If a line is not a JSON document; the message has its number.
        """
        number = 1
        for lines in byte_lines(self._stream, self._advance):
            documents = []
            for place, line in enumerate(lines, number):
                if line.strip():
                    documents.append(_document(line, place))
            yield JsonBatch(number, documents)
            number += len(lines)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> JsonWriter:
        """Return a writer of JSON lines."""
        return JsonWriter(target, frozenset(dropped))

    def again(self, options: ReadOptions) -> ReadOptions:
        """Return options for JSON lines."""
        return replace(options, format=self.format)


class JsonWriter:
    """Writes each document on a line of its own, its members in their order; see `TableWriter`."""

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
        """Do nothing: all documents are written."""


def _document(line: bytes, number: int) -> Any:
    try:
        document = parse_json(line)
        # Python reads a number beyond a double as infinity, which cannot be written as JSON again.
        json.dumps(document, allow_nan=False)
    except (ValueError, RecursionError):
        raise BadRequestError(f"line {number} has a number beyond a double, or is nested too deeply") from None
    except BadRequestError as error:
        raise BadRequestError(f"line {number} is {error}") from None
    return document
