"""Real text with names marked: corpora that somebody gives with `--corpus`, one JSON object a line.

A line is `{"text": "...", "spans": [[start, end, kind], ...]}`, offsets in code points, end exclusive. Kinds: `PER`,
`LOC`, `ORG`; `?` is a place of which it is not known whether a name is there, so that training neither rewards nor
punishes it. Any other kind is no entity of the tagger: a title, a product, "German" and the like.

`sources.json` in the folder says for each file who made it and its licence, `{"de-news": "..."}`; the model's card
repeats it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import TrainingError
from training.tagger.corpus.labelled import UNSURE, LabelledText, Span
from training.tagger.corpus.values import draw_value

_ENTITIES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION", "?": UNSURE}
# Every so many texts, one is for validation.
_VALIDATION_STEP = 10
# Of the names of a text, the share that `with_other_names` replaces.
_REPLACED = 0.5


@dataclass(frozen=True, slots=True)
class MarkedCorpus:
    """The texts of one file.

    Attributes:
        name: of the file, without its ending; it begins with the language, as in `de-news`.
        source: who made it, and its licence; empty if the folder does not say so.
        training: texts to train on.
        validation: every tenth text, never trained on.
    """

    name: str
    source: str
    training: tuple[LabelledText, ...]
    validation: tuple[LabelledText, ...]

    @property
    def language(self) -> str:
        """The two letters before the first hyphen of the name."""
        return self.name.split("-")[0]


def read_corpora(folder: Path) -> list[MarkedCorpus]:
    """Return the corpora of a folder, one for each file `LANGUAGE-NAME.jsonl`, by name.

    Raises:
        TrainingError: if there is none, or a line is not as this module's first lines say; names file and line.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise TrainingError(f"{folder} has no file such as de-news.jsonl: one JSON object a line, with text and spans")
    sources = _sources(folder / "sources.json")
    return [_read(file, str(sources.get(file.stem, ""))) for file in files]


def with_other_names(item: LabelledText, language: str, chance: random.Random) -> LabelledText:
    """Return a text with half of its persons and places replaced by drawn ones; the words around them stay.

    So the network learns how real sentences speak of names, and not the few names of a corpus.
    """
    text, last = "", 0
    spans: list[Span] = []
    for entity, start, end in item.spans:
        text += item.text[last:start]
        value, last = item.text[start:end], end
        if entity in ("PERSON", "LOCATION") and chance.random() < _REPLACED:
            value = _other_name(value, entity, language, chance)
        spans.append((entity, len(text), len(text) + len(value)))
        text += value
    return LabelledText(text + item.text[last:], tuple(spans))


def _other_name(value: str, entity: str, language: str, chance: random.Random) -> str:
    """Return a name of the same kind: one word for one word, in small letters or capitals as the old one."""
    one_word = " " not in value and language != "zh"
    slot = chance.choice(("city", "city", "country")) if entity == "LOCATION" else "person"
    if entity == "PERSON" and one_word:
        slot = chance.choice(("first", "last"))
    drawn = draw_value(slot, language, chance)
    if value.islower():
        return drawn.lower()
    return drawn.upper() if value.isupper() and len(value) > 3 else drawn


def _sources(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        sources = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        sources = None
    if not isinstance(sources, dict):
        raise TrainingError(f"{file} is not a JSON object of sources by name of file")
    return sources


def _read(file: Path, source: str) -> MarkedCorpus:
    items = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            items.append(_labelled(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TrainingError(
                f"line {number} of {file} is not an object with a text and spans [start, end, kind] within it,"
                " ascending and apart"
            ) from None
    validation = items[::_VALIDATION_STEP]
    training = [item for number, item in enumerate(items) if number % _VALIDATION_STEP]
    return MarkedCorpus(file.stem, source, tuple(training), tuple(validation))


def _labelled(row: dict[str, Any]) -> LabelledText:
    text, last = row["text"], 0
    if not isinstance(text, str):
        raise TypeError
    spans: list[Span] = []
    for start, end, kind in row["spans"]:
        if not (isinstance(start, int) and isinstance(end, int) and last <= start < end <= len(text)):
            raise ValueError
        if kind in _ENTITIES:
            spans.append((_ENTITIES[kind], start, end))
        last = end
    return LabelledText(text, tuple(spans))


def validation_of(corpora: Sequence[MarkedCorpus]) -> list[LabelledText]:
    """Return all validation texts of some corpora."""
    return [item for corpus in corpora for item in corpus.validation]
