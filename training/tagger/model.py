"""The tagger's network: a character CNN over the distinct words of a batch, and a BiLSTM over the words of each text.

Words go in as code points, so serving needs only two lines of the card to prepare its input: the pattern of a word, and
how many characters of a word count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# A word is one Chinese, Japanese or Korean character, a run of other letters, a run of digits, or one other character.
WORD_PATTERN = (
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|\d+|[^\w\s]|_"
)
# Such a character is read together with the next one if that is one of them, too: Chinese has no blanks between words,
# and most of its words have two characters.
PAIR_PATTERN = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
# Number of characters of a word that the network reads.
CHARACTERS = 16
ENTITIES = ("PERSON", "LOCATION", "ADDRESS", "ORGANIZATION")
# B: first word of an entity, I: a further word, O: no entity.
TAGS = ("O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI"))

# Rows of the table of known words.
_BUCKETS = 32_768
# Rows of the table of characters: one for each code point below 256, and as many as this for all others.
_LATIN, _OTHERS = 256, 8192
_word = re.compile(WORD_PATTERN)
_paired = re.compile(PAIR_PATTERN)


@dataclass(frozen=True, slots=True)
class TextWords:
    """The words of a text, and where each starts and ends (exclusive), in code points."""

    words: list[str]
    starts: list[int]
    ends: list[int]


def split_words(text: str) -> TextWords:
    """Split a text into words; whitespace is dropped.

    Example:
        "Ada, 36" has the words "Ada", "," and "36". "在北京" has "在北", "北京" and "京", each at the place of its
        first character.
    """
    found = list(_word.finditer(text))
    starts, ends = [item.start() for item in found], [item.end() for item in found]
    words = [item[0] for item in found]
    for number in range(len(words) - 1):
        if ends[number] == starts[number + 1] and _is_paired(words[number]) and _is_paired(words[number + 1]):
            words[number] += text[starts[number + 1]]
    return TextWords(words, starts, ends)


def _is_paired(word: str) -> bool:
    """Return whether a word is one character of the kind that is read together with the next one."""
    return len(word) == 1 and _paired.match(word) is not None


def encode(texts: Sequence[Sequence[str]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the two inputs of the network for the words of some texts.

    Returns:
        characters: [distinct words + 1, CHARACTERS], the code points of each word, 0 after its end; row 0 means no
            word.
        positions: [texts, words of the longest text], the row of each word; 0 after the end of a text.
    """
    rows: dict[str, int] = {}
    positions = np.zeros((len(texts), max(map(len, texts), default=1) or 1), np.int32)
    for number, words in enumerate(texts):
        positions[number, : len(words)] = [rows.setdefault(word[:CHARACTERS], len(rows) + 1) for word in words]
    characters = np.zeros((len(rows) + 1, CHARACTERS), np.int32)
    for word, row in rows.items():
        characters[row, : len(word)] = [ord(character) for character in word]
    return characters, positions


class TaggerNetwork(nn.Module):
    """Maps the code points of words to scores of tags.

    The vector of a word has three sources: a convolution over its characters, its first two characters, and which word
    it is. For the last, two hashes of the word in lower case choose two rows of one table, whose sum is the vector;
    two words share it only if both hashes agree.

    Args:
        characters: size of a character's vector.
        filters: size of the convolution's output.
        table: size of a row of the table of known words.
        hidden: size of the LSTM's state, for each direction.
        dropout: share of a vector's elements that training sets to 0.
        forget: share of words of which training hides which word it is, so that the network also learns to read
            unknown names by their characters.
    """

    def __init__(
        self,
        characters: int = 24,
        filters: int = 48,
        table: int = 32,
        hidden: int = 64,
        dropout: float = 0.2,
        forget: float = 0.25,
    ) -> None:
        super().__init__()
        self.letters = nn.Embedding(_LATIN + _OTHERS, characters, padding_idx=0)
        self.shape = nn.Conv1d(characters, filters, 3, padding=1)
        self.known = nn.Embedding(_BUCKETS, table)
        self.mix = nn.Linear(filters + 2 * characters + table, 64)
        self.dropout = nn.Dropout(dropout)
        self.forget = forget
        self.lstm = nn.LSTM(64, hidden, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * hidden, len(TAGS))
        nn.init.normal_(self.known.weight, std=0.1)
        # Each hash is a sum of code points times powers of a base, modulo a prime.
        primes = torch.tensor(
            [[pow(base, number + 1, 2**31 - 1) for number in range(CHARACTERS)] for base in (48271, 69621)]
        )
        self.register_buffer("primes", primes, persistent=False)

    def forward(self, characters: Tensor, positions: Tensor) -> Tensor:
        """Return the logits of all tags, [texts, words, tags].

        Args:
            characters: [distinct words + 1, CHARACTERS], code points.
            positions: [texts, words], rows of `characters`.
        """
        vectors = self.letters(torch.where(characters < _LATIN, characters, _LATIN + characters % _OTHERS))
        shape = self.shape(vectors.transpose(1, 2)).amax(dim=2)
        word = self.known_words(characters)
        if self.training:
            word = word * (torch.rand(len(word), 1) >= self.forget)
        words = torch.cat([shape, vectors[:, 0], vectors[:, 1], word], dim=1)
        # Row 0 means no word: its vector is 0.
        mixed = torch.relu(self.mix(words)) * (characters[:, :1] > 0)
        texts = self.dropout(mixed)[positions]
        hidden, _ = self.lstm(texts)
        logits: Tensor = self.out(self.dropout(hidden))
        return logits

    def known_words(self, characters: Tensor) -> Tensor:
        """Return a vector for each word, [words, table]; words that differ in capitals or digits only have the same.

        Args:
            characters: [words, CHARACTERS], code points.
        """
        c = characters.long()
        # Capitals of ASCII and Latin-1 (192 to 222 without the multiplication sign) are 32 below their small letters.
        capital = ((c >= 65) & (c <= 90)) | ((c >= 192) & (c <= 222) & (c != 215))
        digit = (c >= 48) & (c <= 57)
        plain = torch.where(digit, torch.full_like(c, 48), c + 32 * capital.long())
        one, other = ((plain * row).sum(dim=1) for row in self.get_buffer("primes"))
        first: Tensor = self.known(one % _BUCKETS)
        second: Tensor = self.known(other % _BUCKETS)
        return first + second
