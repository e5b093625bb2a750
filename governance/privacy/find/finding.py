"""One finding: what was found, where, how sure, and why."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A span of personal data in a text.

    Attributes:
        entity: what it is, in Presidio's words where it has one.
        start, end: code points; `end` is exclusive.
        score: 0 to 1.
        why: the detector's name, and what made it sure (a checksum, a word beside it).
    """

    entity: str
    start: int
    end: int
    score: float
    why: str


# Start, end, score, entity, reason: a finding before it is one. Tuples are made faster.
Row = tuple[int, int, float, str, str]
