"""The tagger's network: a character CNN over the distinct words of a batch, and a BiLSTM over the words of each text.

Words are code points, so that what serving must do is written down in two lines of the card: how a text falls into
words, and how many characters of a word are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Chinese, Japanese and Korean characters are words of their own; of all else letters, digits or one other character.
WORDS = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|\d+|[^\w\s]|_"
CHARACTERS = 16
ENTITIES = ("PERSON", "LOCATION", "ADDRESS", "ORGANIZATION")
TAGS = ("O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI"))

BUCKETS = 16_384
_LATIN, _OTHERS = 256, 4096
_word = re.compile(WORDS)


@dataclass(frozen=True, slots=True)
class Words:
    """A text's words and where they lie, in code points."""

    words: list[str]
    starts: list[int]
    ends: list[int]


def split(text: str) -> Words:
    """Return the words of a text."""
    found = list(_word.finditer(text))
    return Words([item[0] for item in found], [item.start() for item in found], [item.end() for item in found])


def encode(texts: Sequence[Sequence[str]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what the network takes.

    Returns:
        characters: [distinct words + 1, CHARACTERS], code points, 0 where a word ends; row 0 stands for no word.
        positions: [texts, longest text], the row of each word; 0 where a text ends.
    """
    rows: dict[str, int] = {}
    positions = np.zeros((len(texts), max(map(len, texts), default=1) or 1), np.int32)
    for number, words in enumerate(texts):
        positions[number, : len(words)] = [rows.setdefault(word[:CHARACTERS], len(rows) + 1) for word in words]
    characters = np.zeros((len(rows) + 1, CHARACTERS), np.int32)
    for word, row in rows.items():
        characters[row, : len(word)] = [ord(character) for character in word]
    return characters, positions


class Tagger(nn.Module):
    """Code points to tags.

    A word is what its letters are like (a convolution over them), how it begins, and which word it is (two rows of one
    table by two hashes of it in lower case, so that a word shares its vector with another by chance only once).

    Args:
        dropout: of words' vectors, in training alone.
        forget: how often training looks at a word's letters alone, so that unknown names are no surprise.
    """

    def __init__(
        self,
        characters: int = 24,
        filters: int = 48,
        table: int = 32,
        hidden: int = 56,
        dropout: float = 0.2,
        forget: float = 0.25,
    ) -> None:
        super().__init__()
        self.letters = nn.Embedding(_LATIN + _OTHERS, characters, padding_idx=0)
        self.shape = nn.Conv1d(characters, filters, 3, padding=1)
        self.known = nn.Embedding(BUCKETS, table)
        self.mix = nn.Linear(filters + 2 * characters + table, 64)
        self.dropout = nn.Dropout(dropout)
        self.forget = forget
        self.lstm = nn.LSTM(64, hidden, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * hidden, len(TAGS))
        nn.init.normal_(self.known.weight, std=0.1)
        primes = torch.tensor(
            [[pow(base, number + 1, 2**31 - 1) for number in range(CHARACTERS)] for base in (48271, 69621)]
        )
        self.register_buffer("primes", primes, persistent=False)

    def forward(self, characters: Tensor, positions: Tensor) -> Tensor:
        """Return logits [texts, words, tags].

        Args:
            characters: [distinct words, CHARACTERS], code points.
            positions: [texts, words], rows of `characters`.
        """
        vectors = self.letters(torch.where(characters < _LATIN, characters, _LATIN + characters % _OTHERS))
        shape = self.shape(vectors.transpose(1, 2)).amax(dim=2)
        word = self._identity(characters)
        if self.training:
            word = word * (torch.rand(len(word), 1) >= self.forget)
        words = torch.cat([shape, vectors[:, 0], vectors[:, 1], word], dim=1)
        mixed = torch.relu(self.mix(words)) * (characters[:, :1] > 0)
        texts = self.dropout(mixed)[positions]
        hidden, _ = self.lstm(texts)
        logits: Tensor = self.out(self.dropout(hidden))
        return logits

    def _identity(self, characters: Tensor) -> Tensor:
        """Return a vector of each word as such: in lower case, and with every digit a nought."""
        c = characters.long()
        capital = ((c >= 65) & (c <= 90)) | ((c >= 192) & (c <= 222) & (c != 215))
        plain = torch.where((c >= 48) & (c <= 57), torch.full_like(c, 48), c + 32 * capital.long())
        one, other = ((plain * row).sum(dim=1) for row in self.get_buffer("primes"))
        first: Tensor = self.known(one % BUCKETS)
        second: Tensor = self.known(other % BUCKETS)
        return first + second
