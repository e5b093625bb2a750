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

    Args:
        dropout: of characters' vectors and of words' vectors, in training alone.
    """

    def __init__(self, characters: int = 32, filters: int = 96, hidden: int = 48, dropout: float = 0.25) -> None:
        super().__init__()
        self.table = nn.Embedding(_LATIN + _OTHERS, characters, padding_idx=0)
        self.narrow = nn.Conv1d(characters, filters // 2, 2, padding=1)
        self.wide = nn.Conv1d(characters, filters // 2, 4, padding=2)
        self.mix = nn.Linear(filters + 2 * characters, 64)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(64, hidden, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * hidden, len(TAGS))

    def forward(self, characters: Tensor, positions: Tensor) -> Tensor:
        """Return logits [texts, words, tags].

        Args:
            characters: [distinct words, CHARACTERS], code points.
            positions: [texts, words], rows of `characters`.
        """
        known = torch.where(characters < _LATIN, characters, _LATIN + characters % _OTHERS)
        vectors = self.dropout(self.table(known)).transpose(1, 2)
        words = torch.cat(
            [
                self.narrow(vectors).amax(dim=2),
                self.wide(vectors).amax(dim=2),
                # How a word begins tells capitals, and Chinese family names.
                vectors[:, :, 0],
                vectors[:, :, 1],
            ],
            dim=1,
        )
        mixed = torch.relu(self.mix(words)) * (characters[:, :1] > 0)
        texts = self.dropout(mixed)[positions]
        hidden, _ = self.lstm(texts)
        logits: Tensor = self.out(self.dropout(hidden))
        return logits
