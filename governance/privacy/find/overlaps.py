"""Rows become findings: those that lie over each other become such that do not, and each goes to its text."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from governance.privacy.find.finding import Finding, Row
from governance.privacy.native import in_c

if TYPE_CHECKING:
    from governance.privacy.find.batches import Batch

_LOOSE = " \t\r\n,;:，；：、。"
_START, _END = itemgetter(0), itemgetter(1)


def _surest(row: Row) -> tuple[float, int, int]:
    return -row[2], row[0] - row[1], row[0]


def of_group(group: list[Row]) -> list[Row]:
    group.sort(key=_surest)
    surest = group[0]
    if all(surest[0] <= row[0] and row[1] <= surest[1] for row in group):
        return [surest]
    kept: list[Row] = []
    for row in group:
        first = bisect.bisect_right(kept, row[0], key=_END)
        last = bisect.bisect_left(kept, row[1], lo=first, key=_START)
        over = kept[first:last]
        if not over:
            kept.insert(first, row)
        elif all(other[3] == row[3] for other in over):
            kept[first:last] = [(min(row[0], over[0][0]), max(row[1], over[-1][1]), *over[0][2:])]
        else:
            kept[first:last] = _beside_each_other(row, over)
    return kept


def _beside_each_other(row: Row, over: Sequence[Row]) -> list[Row]:
    pieces, start = [], row[0]
    for other in over:
        pieces += [(start, other[0], *row[2:]), other]
        start = other[1]
    pieces.append((start, row[1], *row[2:]))
    return [piece for piece in pieces if piece[0] < piece[1]]


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without blanks and commas at its edges; an empty one if nothing is left of it."""
    if text[start].isalnum() and text[end - 1].isalnum():
        return start, end
    piece = text[start:end]
    if not any(map(str.isalnum, piece)):
        return start, start
    return start + len(piece) - len(piece.lstrip(_LOOSE)), end - (len(piece) - len(piece.rstrip(_LOOSE)))


@in_c
def resolved(rows: list[Row]) -> Iterable[Row]:
    """Yield rows in order, and of those that lie over each other what `resolve` makes of them."""
    rows.sort(key=_START)
    group: list[Row] = []
    reach = 0
    for row in rows:
        if row[0] >= reach:
            yield from group if len(group) < 2 else of_group(group)
            group = []
        group.append(row)
        reach = max(reach, row[1])
    yield from group if len(group) < 2 else of_group(group)


def resolve(findings: Sequence[Finding]) -> list[Finding]:
    """Make of findings that lie over each other such that do not, and cover the same characters.

    The surest goes first. One of the same entity is joined to it; of one of another entity what sticks out stays.
    """
    rows = [(one.start, one.end, one.score, one.entity, one.why) for one in findings]
    return [Finding(entity, start, end, score, why) for start, end, score, entity, why in resolved(rows)]


@in_c
def hand_out(batch: Batch, rows: Iterable[Row], found: dict[int, list[Finding]]) -> None:
    """Make findings of rows, which are in order, where they are in the texts as they came."""
    text, removed, origins, numbers = batch.text, batch.removed, batch.origins, batch.numbers
    last, index = len(origins) - 1, 0
    for first, stop, score, entity, why in rows:
        start, end = trimmed(text, first, stop)
        if start >= end:
            continue
        if removed:
            start, end = start + bisect.bisect_right(removed, start), end + bisect.bisect_right(removed, end - 1)
        while index < last and origins[index + 1] <= start:
            index += 1
        origin = origins[index]
        found.setdefault(numbers[index], []).append(Finding(entity, start - origin, end - origin, score, why))


@in_c
def in_code_points(data: bytes, rows: list[Row]) -> list[Row]:
    """Return rows with places in code points."""
    if not rows or data.isascii():
        return rows
    inner = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) == 0x80)
    starts, ends = (np.array([row[column] for row in rows]) for column in (0, 1))
    starts, ends = (edges - inner.searchsorted(edges) for edges in (starts, ends))
    return [(start, end, *row[2:]) for start, end, row in zip(starts.tolist(), ends.tolist(), rows, strict=True)]
