"""Scores of a tagger: precision, recall and F2 over characters.

A character counts as found if it is within a found entity of the same kind as labelled; whitespace is not counted. F2
weighs recall higher than precision, because a missed name is worse than a changed word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from training.tagger.corpus.labelled import UNSURE, LabelledText, Span
from training.tagger.model import ENTITIES, TAGS, TaggerNetwork, encode, split_words

# Greatest number of words that the network reads of a training or validation text.
MAX_WORDS = 96
_TEXTS_AT_ONCE = 128


class CharacterCounts:
    """Counts the characters that were found rightly, found wrongly, and missed."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, item: LabelledText, found: Iterable[Span]) -> None:
        """Count the characters of one text.

        Args:
            item: the text with its labels; entities that the tagger does not know are ignored, and places that are
                UNSURE.
            found: the spans that were found in it.
        """
        labelled = _characters(item.text, item.spans)
        unsure = {place for entity, start, end in item.spans if entity == UNSURE for place in range(start, end)}
        claimed = {pair for pair in _characters(item.text, found) if pair[0] not in unsure}
        self.right += len(claimed & labelled)
        self.wrong += len(claimed - labelled)
        self.missed += len(labelled - claimed)

    def scores(self) -> dict[str, float]:
        """Return precision, recall and F2, each from 0 to 1."""
        precision = self.right / max(self.right + self.wrong, 1)
        recall = self.right / max(self.right + self.missed, 1)
        f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
        return {"precision": precision, "recall": recall, "f2": f2}


def evaluate(network: TaggerNetwork, items: Sequence[LabelledText]) -> dict[str, float]:
    """Return the scores of the network itself, which for each word takes the tag with the highest logit."""
    counts = CharacterCounts()
    for item, tags in zip(items, predict(network, items), strict=True):
        words = split_words(item.text)
        # Words behind MAX_WORDS have no tag: what they contain is missed.
        tagged = zip(tags, words.starts, words.ends, strict=False)
        counts.add(item, [(TAGS[tag][2:], start, end) for tag, start, end in tagged if tag])
    return counts.scores()


def predict(network: TaggerNetwork, items: Sequence[LabelledText]) -> list[list[int]]:
    """Return the number of the best tag of each word, for each text; at most MAX_WORDS words of a text."""
    network.eval()
    tags: list[list[int]] = []
    with torch.inference_mode():
        for start in range(0, len(items), _TEXTS_AT_ONCE):
            texts = [split_words(item.text).words[:MAX_WORDS] for item in items[start : start + _TEXTS_AT_ONCE]]
            characters, positions = encode(texts)
            best = network(torch.from_numpy(characters), torch.from_numpy(positions)).argmax(dim=-1).numpy()
            tags.extend(best[row, : len(words)].tolist() for row, words in enumerate(texts))
    return tags


def _characters(text: str, spans: Iterable[Span]) -> set[tuple[int, str]]:
    """Return place and entity of each character within spans, without whitespace."""
    return {
        (place, entity)
        for entity, start, end in spans
        if entity in ENTITIES
        for place in range(start, end)
        if not text[place].isspace()
    }
