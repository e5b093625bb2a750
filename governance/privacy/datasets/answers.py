"""Detection line by line, for programs: each line `{"id", "text"}` is answered by a line `{"id", "findings"}`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.privacy.datasets.formats.lines import byte_lines
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a block of lines.

    Attributes:
        text: One line for each, such as `{"id": 7, "findings": []}`, with their line ends.
        refused: How many of them are `{"id": null, "error"}`, since their line has another form.
    """

    text: str
    refused: int


def answer_lines(stream: BinaryIO, detectors: Detectors) -> Iterator[Answers]:
    """Find personal data in JSON lines, and yield the answers to as many lines as have come.

    The line `{"id": 1, "text": "mail ada@example.org"}` is answered by `{"id": 1, "findings": [{"entity":
    "EMAIL_ADDRESS", "start": 5, "end": 20, "score": 1.0}]}`; `start` and `end` are code points. Blank lines are
    skipped.

    Args:
        stream: The unbuffered file or pipe.
        detectors: Find personal data.

    Raises:
        BadRequestError: If a line is too long.
    """
    number = 1
    for lines in byte_lines(stream, lambda _: None):
        read = [_read(line, place) for place, line in enumerate(lines, number) if line.strip()]
        number += len(lines)
        found = iter(detectors.find_all([record[1] for record in read if isinstance(record, tuple)]))
        answers = [
            json.dumps({"id": None, "error": record}) if isinstance(record, str) else _answer(record[0], next(found))
            for record in read
        ]
        yield Answers("".join(answer + "\n" for answer in answers), sum(isinstance(record, str) for record in read))


def _read(line: bytes, number: int) -> tuple[str, str] | str:
    """Return the id as JSON and the text of a line; or what is wrong with it."""
    try:
        record = parse_json(line)
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            return f"line {number} is not an object with a text"
        return json.dumps(record.get("id"), allow_nan=False), record["text"]
    except BadRequestError as error:
        return f"line {number} is {error}"
    except (ValueError, RecursionError):
        return f"line {number} has an id with a number beyond a double, or nested too deeply"


def _answer(identifier: str, findings: Sequence[Finding]) -> str:
    return f'{{"id": {identifier}, "findings": {json.dumps([_row(finding) for finding in findings])}}}'


def _row(finding: Finding) -> dict[str, Any]:
    return {"entity": finding.entity, "start": finding.start, "end": finding.end, "score": finding.score}
