"""Long texts in pieces, and words in windows: what a model reads at a time has a bounded size.

A piece of a long text is read with some text around it, and a window of words overlaps the ones before and after it, so
that every word is decided on where both its neighbourhoods are visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

# Words in a window, and words that a window shares with the next one: each word is decided on with at least half of
# those visible on both sides.
WINDOW, OVERLAP = 80, 16
# Code points of texts that are read together, which bounds the memory of a call; and code points around a piece of a
# longer text that are read with it.
PIECE, MARGIN = 200_000, 400


class TextPiece(NamedTuple):
    """A piece of a text, with some text around it.

    Attributes:
        number: of the text.
        first: the first code point that this piece decides on.
        last: one after the last.
        offset: where `text` begins, in code points of the whole text.
        text: the piece and what is around it.
    """

    number: int
    first: int
    last: int
    offset: int
    text: str


def group_pieces(texts: Sequence[str]) -> Iterator[list[TextPiece]]:
    """Yield all texts, in groups of pieces that have about `PIECE` code points together.

    Args:
        texts: short ones become one piece each, empty ones none.
    """
    group: list[TextPiece] = []
    size = 0
    for number, text in enumerate(texts):
        for first in range(0, len(text), PIECE):
            last = min(first + PIECE, len(text))
            offset = max(0, first - MARGIN)
            piece = TextPiece(number, first, last, offset, text[offset : last + MARGIN])
            if group and size + len(piece.text) > PIECE:
                yield group
                group, size = [], 0
            group.append(piece)
            size += len(piece.text)
    if group:
        yield group


def all_windows(bounds: Any) -> Any:
    """Return the windows of several texts, sorted by length: windows of one length need no padding when run together.

    Args:
        bounds: [texts + 1], the first word of each text, and one after the last word of the last one.

    Returns:
        [windows, 4], as `windows` yields them, counted from the first word of the first text.
    """
    begins, counts = bounds[:-1], np.diff(bounds)
    # Most texts fit into one window, so theirs are made by arrays.
    short = (counts > 0) & (counts <= WINDOW)
    first, last = begins[short], bounds[1:][short]
    parts = [np.stack([first, last, first, last], axis=1)]
    parts += [begins[text] + np.array(list(windows(int(counts[text])))) for text in np.flatnonzero(counts > WINDOW)]
    made = np.concatenate(parts)
    return made[np.argsort(made[:, 1] - made[:, 0], kind="stable")]


def windows(count: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the windows of one text: first word, end, first word decided on, and end of those.

    A window decides on its words except half of the overlap at each inner edge, so every word is decided on once.

    Example:
        >>> list(windows(100))
        [(0, 80, 0, 72), (64, 100, 72, 100)]

    Args:
        count: of words.
    """
    first = 0
    while count:
        last = min(first + WINDOW, count)
        decide_from = first if first == 0 else first + OVERLAP // 2
        decide_to = last if last == count else last - OVERLAP // 2
        yield first, last, decide_from, decide_to
        if last == count:
            return
        first = last - OVERLAP
