"""The result of detection: `Finding`, and `ScoredSpan`, its plain tuple inside this package."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A span of personal data in a text.

    Attributes:
        entity: the kind of data, by Presidio's name where Presidio has one, such as `PHONE_NUMBER`.
        start: index of the first code point.
        end: index after the last code point.
        score: confidence, 0 to 1.
        why: the detector's name, and the context word if one changed the score.
    """

    entity: str
    start: int
    end: int
    score: float
    why: str


# Start, end, score, entity, reason; places are bytes or code points of joined texts. A plain tuple, because creating
# one takes a fraction of the time of a named one, and most of them are dropped again.
ScoredSpan = tuple[int, int, float, str, str]
