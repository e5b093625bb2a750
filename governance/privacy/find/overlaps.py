"""From spans to findings: overlapping spans are made disjoint, and each is assigned to its text.

`native/overlaps.pyx` does three of these functions in C where a compiler was available at installation.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from governance.privacy.find.finding import Finding, ScoredSpan
from governance.privacy.native import in_c

if TYPE_CHECKING:
    from governance.privacy.find.joined_texts import JoinedTexts

# At the edges of a span, these belong to the sentence.
_EDGE_MARKS = " \t\r\n,;:，；：、。"
_START, _END = itemgetter(0), itemgetter(1)
# `Finding(…)` runs a function in Python; creating the tuple directly is several times as fast.
_new_tuple = tuple.__new__


def _surest_first(span: ScoredSpan) -> tuple[float, int, int]:
    """Sort key: by score, the highest first, then by length, the longest first, then by place."""
    return -span[2], span[0] - span[1], span[0]


def resolve_group(group: list[ScoredSpan]) -> list[ScoredSpan]:
    """Return disjoint spans, in order, that cover what these overlapping spans cover.

    The surest span is kept first. A span of the same entity as all that it overlaps is joined to them; of another span
    the parts remain that no surer one covers.

    Args:
        group: spans that overlap in a chain; it is sorted by this function.
    """
    group.sort(key=_surest_first)
    surest = group[0]
    # Nearly always the surest one covers the others: a card number and the telephone numbers within it.
    if all(surest[0] <= span[0] and span[1] <= surest[1] for span in group):
        return [surest]
    kept: list[ScoredSpan] = []
    for span in group:
        # `kept` is sorted and disjoint, so both starts and ends are in order.
        first = bisect.bisect_right(kept, span[0], key=_END)
        last = bisect.bisect_left(kept, span[1], lo=first, key=_START)
        surer = kept[first:last]
        if not surer:
            kept.insert(first, span)
        elif all(other[3] == span[3] for other in surer):
            kept[first:last] = [(min(span[0], surer[0][0]), max(span[1], surer[-1][1]), *surer[0][2:])]
        else:
            kept[first:last] = _cut_out(span, surer)
    return kept


def _cut_out(span: ScoredSpan, surer: Sequence[ScoredSpan]) -> list[ScoredSpan]:
    """Return the surer spans, and the parts of a span before, between and after them."""
    pieces, start = [], span[0]
    for other in surer:
        pieces += [(start, other[0], *span[2:]), other]
        start = other[1]
    pieces.append((start, span[1], *span[2:]))
    return [piece for piece in pieces if piece[0] < piece[1]]


def trim_edges(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without blanks and punctuation at its edges; an empty one if it has no letter or digit."""
    piece = text[start:end]
    if not any(map(str.isalnum, piece)):
        return start, start
    return start + len(piece) - len(piece.lstrip(_EDGE_MARKS)), end - (len(piece) - len(piece.rstrip(_EDGE_MARKS)))


@in_c
def disjoint(spans: list[ScoredSpan]) -> Iterable[ScoredSpan]:
    """Yield spans in order, with `resolve_group` applied to those that overlap.

    Args:
        spans: in any order; they are sorted by this function.
    """
    spans.sort(key=_START)
    group: list[ScoredSpan] = []
    reach = 0
    for span in spans:
        if span[0] >= reach:
            yield from group if len(group) < 2 else resolve_group(group)
            group = []
        group.append(span)
        reach = max(reach, span[1])
    yield from group if len(group) < 2 else resolve_group(group)


def resolve(findings: Sequence[Finding]) -> list[Finding]:
    """Return disjoint findings, in order, that cover the same characters: see `resolve_group`.

    Example:
        >>> url, address = Finding("URL", 0, 9, 0.7, "url"), Finding("IP_ADDRESS", 3, 5, 0.9, "ipv4")
        >>> [(one.entity, one.start, one.end) for one in resolve([url, address])]
        [('URL', 0, 3), ('IP_ADDRESS', 3, 5), ('URL', 5, 9)]

    Args:
        findings: of one text, in any order.
    """
    spans = [(one.start, one.end, one.score, one.entity, one.why) for one in findings]
    return [Finding(entity, start, end, score, why) for start, end, score, entity, why in disjoint(spans)]


@in_c
def assign_to_texts(joined: JoinedTexts, spans: Iterable[ScoredSpan], found: dict[int, list[Finding]]) -> None:
    """Turn spans of joined texts into findings of each text, at their places in the original text.

    Args:
        joined: the texts.
        spans: disjoint and in order, in code points of `joined.text`.
        found: the findings are appended here, by the number of their text.
    """
    text, removed, origins, numbers = joined.text, joined.removed, joined.origins, joined.numbers
    last, index = len(origins) - 1, 0
    for first, stop, score, entity, why in spans:
        start, end = first, stop
        # Most spans begin and end with a letter or a digit: there is nothing to trim.
        if start >= end or not (text[start].isalnum() and text[end - 1].isalnum()):
            start, end = trim_edges(text, start, end)
            if start >= end:
                continue
        if removed:
            # Each invisible character that was removed at or before a place moves it one further on. The end is that of
            # the last character: what was removed behind it does not count.
            start, end = start + bisect.bisect_right(removed, start), end + bisect.bisect_right(removed, end - 1)
        while index < last and origins[index + 1] <= start:
            index += 1
        origin = origins[index]
        finding = _new_tuple(Finding, (entity, start - origin, end - origin, score, why))
        found.setdefault(numbers[index], []).append(finding)


@in_c
def to_code_points(data: bytes, spans: list[ScoredSpan]) -> list[ScoredSpan]:
    """Return spans in code points instead of bytes.

    Args:
        data: the text in UTF-8.
        spans: in bytes of it.
    """
    if not spans or data.isascii():
        return spans
    # A byte 10xxxxxx continues a code point: a place in code points is the place in bytes, less the number of such
    # bytes before it.
    continuing = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) == 0x80)
    starts, ends = (np.array([span[column] for span in spans]) for column in (0, 1))
    starts, ends = (edges - continuing.searchsorted(edges) for edges in (starts, ends))
    return [(start, end, *span[2:]) for start, end, span in zip(starts.tolist(), ends.tolist(), spans, strict=True)]
