"""Texts in canonical composition (NFC), and places in them mapped back.

In a decomposed text, "ü" is two code points, "u" and a mark, which would split a word. Source: Unicode Standard Annex
15, Unicode Normalization Forms.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from governance.privacy.find.finding import Finding

# Hangul vowels and final consonants compose with the letter before, though they are no combining marks.
_JAMO = range(0x1160, 0x1200)


@dataclass(frozen=True, slots=True)
class ComposedText:
    """A text in NFC.

    Attributes:
        text: in NFC.
        starts: by place in `text`, and one after its end: the place in the original text; None if both are equal.
    """

    text: str
    starts: tuple[int, ...] | None

    def map_back(self, finding: Finding) -> Finding:
        """Return a finding in `text` as one in the original text."""
        if self.starts is None:
            return finding
        return finding._replace(start=self.starts[finding.start], end=self.starts[finding.end])


def compose(text: str) -> ComposedText:
    """Return a text in NFC.

    Example:
        "u" with U+0308, "b" and "e" becomes "übe"; its place 1 was 2 before.

    Args:
        text: any text, lone surrogates included.
    """
    if unicodedata.is_normalized("NFC", text):
        return ComposedText(text, None)
    clusters = list(_clusters(text))
    composed = [unicodedata.normalize("NFC", cluster) for cluster in clusters]
    offsets = accumulate(map(len, clusters), initial=0)
    starts: list[int] = []
    for part, offset in zip(composed, offsets, strict=False):
        starts.extend([offset] * len(part))
    return ComposedText("".join(composed), (*starts, len(text)))


def _clusters(text: str) -> Iterator[str]:
    """Yield each character with the marks that follow it."""
    start = 0
    for place in range(1, len(text)):
        if unicodedata.combining(text[place]) == 0 and ord(text[place]) not in _JAMO:
            yield text[start:place]
            start = place
    yield text[start:]
