"""How a text is split into words: as a regular expression in a model's card says, by arrays, ten times as fast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import ConfigurationError
from governance.privacy.native import in_c

# What a character is: not asked yet, between words, in a run of letters, in a run of digits, a word of its own, or one
# that is read together with the next one.
_UNKNOWN, _BLANK, _LETTER, _DIGIT, _SINGLE, _PAIRED = 255, 0, 1, 2, 3, 4


def distinct_by_sorting(codes: Any, starts: Any, ends: Any, characters: int) -> tuple[Any, Any]:
    """Do what `distinct_words` does, without hashing: slower, and safe for words that collide on purpose.

    Args:
        codes: [code points], uint32.
        starts: [words], the first code point of each.
        ends: [words], one after the last.
        characters: of a word that count.
    """
    table, places = np.unique(_letters(codes, starts, ends, characters), axis=0, return_inverse=True)
    return table, places.reshape(-1)


def _letters(codes: Any, starts: Any, ends: Any, characters: int) -> Any:
    """Return the letters of words that count, [words, characters], with 0 after the end of a word."""
    reach = starts[:, None] + np.arange(characters)
    inner = codes[np.minimum(reach, max(len(codes) - 1, 0))] if len(codes) else np.zeros(reach.shape)
    return np.where(reach < ends[:, None], inner, 0).astype(np.int64)


@in_c
def distinct_words(codes: Any, starts: Any, ends: Any, characters: int) -> tuple[Any, Any]:
    """Return the distinct words of a text, and which of them each word is.

    Example: "to be or not to be" has four distinct words and six places, `[0, 1, 2, 3, 0, 1]` or another numbering.

    Args:
        codes: [code points], uint32.
        starts: [words], the first code point of each.
        ends: [words], one after the last.
        characters: of a word that count: longer words with the same beginning are the same.

    Returns:
        table: [distinct, characters], int64: code points, 0 after the end of a word.
        places: [words], int64: rows of `table`.
    """
    lengths = np.minimum(ends - starts, characters)
    begins = np.cumsum(lengths) - lengths
    # All letters that count, one after another: their places in their words, and the letters.
    place = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    letters = codes[place + np.repeat(starts, lengths)].astype(np.int64)
    # A hash for each word: a weighted sum of its letters. Sorting single numbers is much faster than sorting rows.
    hashes = np.add.reduceat(letters * _multipliers(characters)[place], begins) if len(begins) else begins
    _, chosen, places = np.unique(hashes, return_index=True, return_inverse=True)
    table = _letters(codes, starts[chosen], ends[chosen], characters)
    same = lengths[chosen][places] == lengths
    if not (same.all() and np.array_equal(table[np.repeat(places, lengths), place], letters)):
        # Two words have one hash, which happens on purpose only.
        return distinct_by_sorting(codes, starts, ends, characters)
    return table, places.reshape(-1)


def _multipliers(count: int) -> Any:
    """Return odd numbers of 64 bits, powers of the golden ratio's; sums of products with them wrap around."""
    return np.array([pow(0x9E3779B97F4A7C15, number + 1, 2**64) for number in range(count)], np.uint64).view(np.int64)


@dataclass(frozen=True, slots=True)
class WordSpans:
    """Where the words of a text are.

    Attributes:
        codes: [code points] of the text, uint32.
        starts: [words], the first code point of each.
        ends: [words], one after the last.
        read_to: [words], as `ends`, but one more for a character that is read together with the next one.
    """

    codes: Any
    starts: Any
    ends: Any
    read_to: Any

    def distinct(self, characters: int) -> tuple[Any, Any]:
        """Return the distinct words, and which of them each word is: see `distinct_words`.

        Args:
            characters: of a word that count.
        """
        return distinct_words(self.codes, self.starts, self.read_to, characters)


class WordSplitter:
    """Splits texts into words.

    Args:
        pattern: a regular expression for runs of letters, runs of digits, and single other characters that are not
            blank. It is asked once for each character which of these it is; after that a table answers.
        pairs: a regular expression for single characters that are read together with the next one, if that is such a
            character, too: in Chinese, most words have two. Empty for none.

    Raises:
        ConfigurationError: if it is another kind of pattern.
    """

    def __init__(self, pattern: str, pairs: str = "") -> None:
        try:
            self._pattern, self._pairs = re.compile(pattern), re.compile(pairs)
        except re.error:
            raise ConfigurationError("the tagger's card has no usable pattern of words") from None
        if self._pattern.findall("ab 12_x") != ["ab", "12", "_", "x"]:
            raise ConfigurationError("the tagger's card splits words in a way that this version does not support")
        self._kinds = np.full(0x110000, _UNKNOWN, np.uint8)

    def split(self, text: str) -> WordSpans:
        """Return the words of a text.

        Example: "O'Neil, 42nd" has the words `O`, `'`, `Neil`, `,`, `42`, `nd`.

        Args:
            text: any text, lone surrogates included.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = self._kinds[codes]
        unknown = kinds == _UNKNOWN
        if unknown.any():
            for code in np.unique(codes[unknown]).tolist():
                self._kinds[code] = self._kind(chr(code))
            kinds = self._kinds[codes]
        before = np.concatenate([[_BLANK], kinds[:-1]]) if len(kinds) else kinds
        begins = (kinds != _BLANK) & ((kinds != before) | (kinds >= _SINGLE))
        starts = np.flatnonzero(begins)
        # A word ends where the next one begins, where the first blank after it is, or with the text.
        stops = np.concatenate([np.flatnonzero(begins | ((kinds == _BLANK) & (before != _BLANK))), [len(codes)]])
        ends = stops[np.searchsorted(stops, starts, side="right")]
        paired = kinds == _PAIRED
        # The last character has no next one.
        read_to = ends + (paired & np.append(paired[1:], False))[starts] if len(starts) else ends
        return WordSpans(codes, starts, ends, read_to)

    def _kind(self, character: str) -> int:
        """Return what a character is: a letter if the pattern joins it with "a", a digit if it joins it with "1"."""
        if self._pattern.match(character) is None:
            return _BLANK
        if self._pattern.fullmatch(character + "a"):
            return _LETTER
        if self._pattern.fullmatch(character + "1"):
            return _DIGIT
        return _PAIRED if self._pairs.fullmatch(character) else _SINGLE
