"""The texts of one run: generated ones, and real ones if folders with marked and with running text are given."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from training.tagger.corpus.labelled import LabelledText, Span, join_texts
from training.tagger.corpus.marked import MarkedCorpus, read_corpora, with_other_names
from training.tagger.corpus.noise import add_noise
from training.tagger.corpus.running import RunningText, draw_running, read_running, validation_running
from training.tagger.corpus.templates import LANGUAGES, draw_dry_line, draw_news_line
from training.tagger.corpus.texts import fill_training_template, training_texts, validation_texts

# Shares of the texts: running, marked, news and dry lines; the others are generated as without folders.
_RUNNING, _MARKED, _NEWS, _DRY = 0.20, 0.22, 0.15, 0.03
# Of a line's `{text}`, at most so many characters, up to the end of a sentence.
_QUOTED_CHARACTERS = 220
_SENTENCE_ENDS = ("。", ". ", "! ", "? ")


@dataclass(frozen=True, slots=True)
class RealText:
    """Real text for training.

    Attributes:
        corpora: text with names marked.
        running: text that names almost nobody.
    """

    corpora: tuple[MarkedCorpus, ...]
    running: RunningText


def read_real(corpus: Path, running: Path) -> RealText:
    """Read both folders.

    Raises:
        TrainingError: if one of them has no text, or a line of a corpus is malformed.
    """
    return RealText(tuple(read_corpora(corpus)), read_running(running))


def mixed_texts(count: int, seed: int, real: RealText | None) -> list[LabelledText]:
    """Return texts to train on, in random order.

    Args:
        count: number of texts.
        seed: the same seed and the same folders give the same texts.
        real: None for generated texts alone.
    """
    if real is None:
        return training_texts(count, seed)
    chance = random.Random(f"mixture-{seed}")
    shares = [int(count * share) for share in (_RUNNING, _MARKED, _NEWS, _DRY)]
    makers = (_running_text, _marked_text, _news_text, _dry_text)
    texts = training_texts(count - sum(shares), seed)
    for share, make in zip(shares, makers, strict=True):
        texts.extend(make(real, chance) for _ in tqdm(range(share), desc="reading texts", leave=False))
    chance.shuffle(texts)
    return texts


def mixed_validation(seed: int, real: RealText | None) -> list[LabelledText]:
    """Return generated and real texts that training does not see."""
    generated = validation_texts(seed, 3_000 if real is None else 1_500)
    if real is None:
        return generated
    return [*generated, *real_validation(real)]


def real_validation(real: RealText) -> list[LabelledText]:
    """Return the real texts that training does not see: marked ones, and 150 paragraphs of running text a language."""
    return [item for corpus in real.corpora for item in corpus.validation] + validation_running(real.running, 150)


def _running_text(real: RealText, chance: random.Random) -> LabelledText:
    language = chance.choice(LANGUAGES)
    return add_noise(draw_running(real.running, language, chance), language, chance)


def _marked_text(real: RealText, chance: random.Random) -> LabelledText:
    corpus = chance.choice(real.corpora)
    item = chance.choice(corpus.training)
    if chance.random() < 0.5:
        item = with_other_names(item, corpus.language, chance)
    if chance.random() < 0.3:
        item = join_texts([item, chance.choice(corpus.training)], " ")
    return add_noise(item, corpus.language, chance)


def _news_text(real: RealText, chance: random.Random) -> LabelledText:
    language = chance.choice(LANGUAGES)
    lines = [_news_line(real, language, chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    return add_noise(join_texts(lines, "\n" if language == "zh" else " "), language, chance)


def _news_line(real: RealText, language: str, chance: random.Random) -> LabelledText:
    """Return a filled line; `{text}` becomes the first sentences of a paragraph, with its spans."""
    before, marker, after = draw_news_line(language, chance).partition("{text}")
    first = fill_training_template(before, language, chance)
    if not marker:
        return first
    quoted = _first_sentences(draw_running(real.running, language, chance), language)
    last = fill_training_template(after, language, chance)
    return _concatenate(_concatenate(first, quoted), last)


def _dry_text(_real: RealText, chance: random.Random) -> LabelledText:
    language = chance.choice(("en", "en", *LANGUAGES))
    lines = [
        fill_training_template(draw_dry_line(language, chance), language, chance)
        for _ in range(chance.choice((1, 2, 3, 4)))
    ]
    return join_texts(lines, "\n")


def _first_sentences(item: LabelledText, language: str) -> LabelledText:
    """Return the beginning of a text, up to the end of a sentence if there is one within the limit."""
    limit = _QUOTED_CHARACTERS if language != "zh" else _QUOTED_CHARACTERS // 3
    cut = item.text[:limit]
    end = max(cut.rfind(mark) + 1 for mark in _SENTENCE_ENDS)
    stop = end if end > 20 else len(cut)
    spans: tuple[Span, ...] = tuple(span for span in item.spans if span[2] <= stop)
    return LabelledText(item.text[:stop].rstrip(), spans)


def _concatenate(one: LabelledText, other: LabelledText) -> LabelledText:
    offset = len(one.text)
    moved = tuple((entity, start + offset, end + offset) for entity, start, end in other.spans)
    return LabelledText(one.text + other.text, one.spans + moved)
