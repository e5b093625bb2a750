"""Noise: how people and scanners change a text, without moving a character.

Spans stay right because a text keeps its length.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from training.tagger.corpus.labelled import LabelledText

# What a scanner reads instead of a letter; of other letters, any frequent one.
_MISREAD = {"l": "1", "o": "0", "i": "l", "e": "c", "S": "5"}
_FREQUENT_LETTERS = "aeinrst"


def add_noise(item: LabelledText, language: str, chance: random.Random) -> LabelledText:
    """Return a text, in some cases changed: other capitals, no punctuation, misread letters.

    Example:
        "Ask Maria Lopez." may become "ask maria lopez.", "Ask Maria Lopez " or "Ask Mar1a Lopcz.".
    """
    text = _other_capitals(item.text, language, chance)
    if chance.random() < 0.08:
        text = re.sub(r"[.,;](?=\s)", " ", text)
    if chance.random() < 0.05:
        text = _misread(text, chance)
    return replace(item, text=text)


def _other_capitals(text: str, language: str, chance: random.Random) -> str:
    share, changed = chance.random(), text
    if share < 0.10:
        changed = text.lower()
    elif share < 0.15:
        changed = text.upper()
    elif share < 0.17 and language == "en":
        changed = text.title()
    # "ß" becomes "SS": a text that would change its length stays as it is.
    return changed if len(changed) == len(text) else text


def _misread(text: str, chance: random.Random) -> str:
    """Replace three in a hundred ASCII letters; the first and the last character stay."""
    letters = list(text)
    for place in range(1, len(letters) - 1):
        if chance.random() < 0.03 and letters[place].isalpha() and letters[place].isascii():
            other = chance.choice(_FREQUENT_LETTERS)
            letters[place] = _MISREAD.get(letters[place], other)
    return "".join(letters)
