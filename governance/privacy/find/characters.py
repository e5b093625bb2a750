"""Text as people see it: what is invisible goes, and look-alike digits become digits, without losing the place.

A card number with zero-width spaces, control characters or full-width digits in it is a card number.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

# So many code points at a time, as each takes some bytes meanwhile.
PIECE = 2**20
_INVISIBLE = re.compile(
    "[\u0080-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_STRANGE = re.compile(
    "[\u0080-\u00a0\u00ad\u034f\u061c\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2010-\u2015\u2024\u202a-\u202f\u205f-\u206f\u2212\u3000\ufe00-\ufe0f\ufe52\ufeff\uff01-\uff5e\U0001d7ce-\U0001d7ff\U000e0000-\U000e007f]"
)
# ASCII's control characters but tab, line feed and carriage return, in bytes; and what stands for them.
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})
_UNSEEN = dict.fromkeys(_CONTROLS, "\u200b")
_SURROGATES = re.compile("[\ud800-\udfff]")


def _table() -> dict[int, str]:
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
    """Return for each code point what it reads as; there is nothing strange behind the last digits."""
    codes = np.arange(0x20000, dtype=np.uint32)
    codes[0xD800:0xE000] = 0xFFFD
    for number, value in _table().items():
        codes[number] = ord(value)
    return codes


_CODES = _codes()


def holds_controls(data: bytes, barriers: int) -> bool:
    """Return whether a text in UTF-8 has control characters beside so many NULs that stand between texts."""
    return len(data) - len(data.translate(None, _CONTROLS)) != barriers


def without_controls(text: str) -> str:
    """Return a text of the same length in which what nobody sees stands for control characters."""
    return text.translate(_UNSEEN)


def readable(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without what is invisible; and for each code point taken out, the place in the result it stood at.

    A code point of the result was so many places further on as places up to its own are told.
    """
    if text.isascii() or not (_STRANGE.search(text) or _SURROGATES.search(text)):
        return text, ()
    text = "".join(_as_read(text[start : start + PIECE]) for start in range(0, len(text), PIECE))
    gone = [found.start() for found in _INVISIBLE.finditer(text)]
    pieces = [text[before + 1 : place] for before, place in pairwise([-1, *gone, len(text)])]
    return "".join(pieces), [place - count for count, place in enumerate(gone)]


def _as_read(text: str) -> str:
    """Return a text with what looks alike in its plain form, character by character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    known = _CODES[np.minimum(codes, len(_CODES) - 1)]
    return np.where(codes < len(_CODES), known, codes).tobytes().decode("utf-32-le")
