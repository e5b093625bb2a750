"""How a text falls into words, by arrays: as a regular expression of a model's card says, and ten times as fast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import ConfigurationError

_UNKNOWN, _BLANK, _LETTER, _DIGIT, _SINGLE = 255, 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text.

    Args:
        codes: [code points] of the text.
        starts: [words], in code points.
        ends: [words], one behind the last.
    """

    codes: Any
    starts: Any
    ends: Any

    def distinct(self, characters: int) -> tuple[Any, Any]:
        """Return the distinct words and which of them each word is.

        Returns:
            table: [distinct, characters], code points, 0 where a word ends; of a longer word its beginning.
            places: [words], rows of `table`.
        """
        padded = np.concatenate([self.codes, np.zeros(characters, np.uint32)])
        reach = self.starts[:, None] + np.arange(characters)
        every = np.where(reach < self.ends[:, None], padded[reach], 0).astype(np.int64)
        mixed = every @ _multipliers(characters)
        _, chosen, places = np.unique(mixed, return_index=True, return_inverse=True)
        table = every[chosen]
        if not np.array_equal(table[places], every):
            # Two words of one sum: made on purpose, and told apart all the same.
            table, places = np.unique(every, axis=0, return_inverse=True)
        return table, places.reshape(-1)


class Splitter:
    """Splits texts.

    Args:
        pattern: runs of letters, runs of digits, and all else that is no blank one by one; which character is what,
            is asked of it once for each.

    Raises:
        ConfigurationError: if it is no such pattern.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error:
            raise ConfigurationError("the tagger's card has no usable pattern of words") from None
        if self._pattern.findall("ab 12_x") != ["ab", "12", "_", "x"]:
            raise ConfigurationError("the tagger's card splits words as this version cannot")
        self._kinds = np.full(0x110000, _UNKNOWN, np.uint8)

    def split(self, text: str) -> Words:
        """Return the words of a text."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = self._kinds[codes]
        strange = kinds == _UNKNOWN
        if strange.any():
            for code in np.unique(codes[strange]).tolist():
                self._kinds[code] = self._kind(chr(code))
            kinds = self._kinds[codes]
        before = np.concatenate([[_BLANK], kinds[:-1]]) if len(kinds) else kinds
        begins = (kinds != _BLANK) & ((kinds != before) | (kinds == _SINGLE))
        starts = np.flatnonzero(begins)
        stops = np.concatenate([np.flatnonzero(begins | ((kinds == _BLANK) & (before != _BLANK))), [len(codes)]])
        return Words(codes, starts, stops[np.searchsorted(stops, starts, side="right")])

    def _kind(self, character: str) -> int:
        if self._pattern.match(character) is None:
            return _BLANK
        if self._pattern.fullmatch(character + "a"):
            return _LETTER
        return _DIGIT if self._pattern.fullmatch(character + "1") else _SINGLE


def _multipliers(count: int) -> Any:
    """Return odd numbers of 64 bits; sums of products wrap."""
    return np.array([pow(0x9E3779B97F4A7C15, number + 1, 2**64) for number in range(count)], np.uint64).view(np.int64)
