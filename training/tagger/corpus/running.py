"""Running text that names almost nobody: documentation, code, logs, law. It teaches the tagger what is no name.

A folder holds files `LANGUAGE-NAME.txt`, one paragraph a line. Nobody marked them, so the few names in them are looked
for by lists: a place of the gazetteer becomes a label, and what may be a person or an organisation is left out of the
loss, so that training neither rewards nor punishes it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.config import TrainingError
from training.tagger.corpus.datafiles import read_sections
from training.tagger.corpus.gazetteer import place_names
from training.tagger.corpus.labelled import UNSURE, LabelledText, Span
from training.tagger.corpus.vocabulary import census_names, chinese_surnames, common_words

_CAPITALISED = re.compile(r"[^\W\d_a-zß-ÿ][\w’'-]*(?: (?:[A-Z]\. )?[^\W\d_a-zß-ÿ][\w’'-]*)*")
_CHINESE_RUN = re.compile(r"[\u4e00-\u9fff·]+")
_VALIDATION_STEP = 50
_MAX_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class RunningText:
    """The paragraphs of a folder, by language: most for training, every fiftieth for validation."""

    training: dict[str, tuple[str, ...]]
    validation: dict[str, tuple[str, ...]]


def read_running(folder: Path) -> RunningText:
    """Return the paragraphs of a folder.

    Raises:
        TrainingError: if it has no file `LANGUAGE-NAME.txt`.
    """
    training: dict[str, list[str]] = {}
    validation: dict[str, list[str]] = {}
    for file in sorted(folder.glob("??-*.txt")):
        language = file.stem[:2]
        for number, line in enumerate(filter(None, file.read_text(encoding="utf-8").splitlines())):
            into = training if number % _VALIDATION_STEP else validation
            into.setdefault(language, []).append(line[:_MAX_CHARACTERS])
    if not (training or validation):
        raise TrainingError(f"{folder} has no file such as fr-manual.txt, one paragraph a line")
    return RunningText(*({name: tuple(lines) for name, lines in part.items()} for part in (training, validation)))


def label_running(text: str, language: str) -> LabelledText:
    """Return a paragraph with its places, and with marks on what may be another name.

    Example:
        "The server in Berlin was set up by Ada Byron." has LOCATION 14..20 and UNSURE 35..44.
    """
    return LabelledText(text, tuple(_chinese_spans(text) if language == "zh" else _latin_spans(text, language)))


def draw_running(source: RunningText, language: str, chance: random.Random) -> LabelledText:
    """Return a paragraph of a language for training, of English if there is none."""
    lines = source.training.get(language) or next(iter(source.training.values()))
    return label_running(chance.choice(lines), language)


def validation_running(source: RunningText, count: int) -> list[LabelledText]:
    """Return at most so many paragraphs of each language that training does not see."""
    return [label_running(line, language) for language, lines in source.validation.items() for line in lines[:count]]


def _latin_spans(text: str, language: str) -> Iterator[Span]:
    places, names, known = place_names(language), _first_names(language), _known_organisations()
    for match in _CAPITALISED.finditer(text):
        run, start = match[0], match.start()
        if run in places:
            yield "LOCATION", start, match.end()
            continue
        words = run.split(" ")
        if len(words) > 1 and any(word in names for word in words):
            yield UNSURE, start, match.end()
            continue
        yield from _word_spans(words, start, places, known)


def _word_spans(words: Sequence[str], start: int, places: frozenset[str], known: frozenset[str]) -> Iterator[Span]:
    for word in words:
        bare = word.rstrip("’'-")
        if bare in places:
            yield "LOCATION", start, start + len(bare)
        elif bare in known:
            yield UNSURE, start, start + len(bare)
        start += len(word) + 1


def _chinese_spans(text: str) -> Iterator[Span]:
    import jieba.posseg

    places = place_names("zh")
    for run in _CHINESE_RUN.finditer(text):
        start = run.start()
        for word, tag in jieba.posseg.cut(run[0]):
            if word in places or (tag == "ns" and len(word) > 1):
                yield "LOCATION", start, start + len(word)
            elif tag in ("nt", "nrt") or (tag == "nr" and 2 <= len(word) <= 4 and word[0] in chinese_surnames()):
                yield UNSURE, start, start + len(word)
            start += len(word)


@cache
def _first_names(language: str) -> frozenset[str]:
    names = {name for part in ("female.first", "male.first") for name in census_names(part)}
    names.update(read_sections("values/people.txt")["first_names"])
    words = {word.capitalize() for word in common_words(language)}
    return frozenset(names - words)


@cache
def _known_organisations() -> frozenset[str]:
    sections = read_sections("values/organisations.txt")
    return frozenset(word for name in ("known", "more_known") for entry in sections[name] for word in [entry])
