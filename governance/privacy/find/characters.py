"""Text as a reader sees it: invisible characters are removed, and look-alike characters become ASCII.

A card number with zero-width spaces, control characters or full-width digits in it is still a card number. Places in
the result can be converted back to places in the original text.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

# Code points that are converted at a time: each takes about 20 bytes of memory meanwhile.
PIECE = 2**20
# Characters that are not displayed: format characters, fillers, variation selectors, tags, and C1 controls.
_INVISIBLE = re.compile(
    "[\u0080-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
# Those, and the most common look-alike characters: a quick test whether a text needs any conversion.
_STRANGE = re.compile(
    "[\u0080-\u00a0\u00ad\u034f\u061c\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2010-\u2015\u2024\u202a-\u202f\u205f-\u206f\u2212\u3000\ufe00-\ufe0f\ufe52\ufeff\uff01-\uff5e\U0001d7ce-\U0001d7ff\U000e0000-\U000e007f]"
)
# ASCII's control characters except tab, line feed and carriage return.
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})
# Each is replaced by a zero-width space, which is removed later as any invisible character is.
_REPLACEMENTS = dict.fromkeys(_CONTROLS, "\u200b")
_SURROGATES = re.compile("[\ud800-\udfff]")


def _look_alikes() -> dict[int, str]:
    """Return the ASCII character for full-width forms, for decimal digits of all scripts, and for blanks and dashes."""
    table = {number: unicodedata.normalize("NFKC", chr(number)) for number in range(0xFF01, 0xFF5F)}
    for number in range(sys.maxunicode + 1):
        value = unicodedata.decimal(chr(number), None) if number > 127 else None
        if value is not None:
            table[number] = str(value)
    table |= dict.fromkeys([*range(0x2000, 0x200B), 0x00A0, 0x202F, 0x205F, 0x3000], " ")
    table |= dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
    table |= dict.fromkeys([0x2024, 0xFE52], ".")
    return {number: value for number, value in table.items() if len(value) == 1}


def _codes() -> Any:
    """Return an array that maps each code point below 0x20000 to what it looks like; no digits are above."""
    codes = np.arange(0x20000, dtype=np.uint32)
    # Lone surrogates, which UTF-8 cannot encode.
    codes[0xD800:0xE000] = 0xFFFD
    for number, value in _look_alikes().items():
        codes[number] = ord(value)
    return codes


_CODES = _codes()


def has_controls(data: bytes, separators: int) -> bool:
    """Return whether joined texts contain control characters other than the NULs between texts.

    Args:
        data: the joined texts in UTF-8.
        separators: how many NULs are between the texts.
    """
    return len(data) - len(data.translate(None, _CONTROLS)) != separators


def replace_controls(text: str) -> str:
    """Return a text of the same length with a zero-width space for each control character."""
    return text.translate(_REPLACEMENTS)


def to_plain(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without invisible characters and with ASCII for look-alike ones.

    Example:
        >>> to_plain("\\uff14\\u200b2")
        ('42', [1])

    The full-width "4" became ASCII, and one character was removed before the "2".

    Args:
        text: any text; lone surrogates become U+FFFD.

    Returns:
        The text, and for each character that was removed its place in that text, sorted. To convert a place in the
        result to one in the original, add the number of removed characters at or before it.
    """
    if text.isascii() or not (_STRANGE.search(text) or _SURROGATES.search(text)):
        return text, ()
    text = "".join(_replace_look_alikes(text[start : start + PIECE]) for start in range(0, len(text), PIECE))
    gone = [found.start() for found in _INVISIBLE.finditer(text)]
    pieces = [text[before + 1 : place] for before, place in pairwise([-1, *gone, len(text)])]
    return "".join(pieces), [place - count for count, place in enumerate(gone)]


def _replace_look_alikes(text: str) -> str:
    """Return a text of the same length with ASCII for look-alike characters, and U+FFFD for lone surrogates."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    known = _CODES[np.minimum(codes, len(_CODES) - 1)]
    return np.where(codes < len(_CODES), known, codes).tobytes().decode("utf-32-le")
