"""Templates: which ones training, validation and test draw from, and how a training template is drawn.

Two kinds of templates are data: groups of a subject (`data/templates/groups`), which belong to one part as a whole,
and lines (`data/templates/lines`), of which every ninth is kept for validation. So a validation or test score is
measured on templates that training has not seen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

from training.tagger.corpus.datafiles import has_file, read_entries, read_sections
from training.tagger.corpus.grammar import draw_sentence
from training.tagger.corpus.labelled import escape_braces
from training.tagger.corpus.vocabulary import chinese_words, common_words, technical_sentences

LANGUAGES = ("en", "zh", "de", "fr", "es")
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
# Lines 0, 9, 18, ... of a file are for validation.
_VALIDATION_STEP = 9


@cache
def template_groups(part: Part) -> Mapping[str, tuple[str, ...]]:
    """Return the groups of a part: templates by the name of the group, such as `en-clinic`."""
    groups = {
        f"{language}-{subject}": templates
        for language in LANGUAGES
        if has_file(f"templates/groups/{part}/{language}.txt")
        for subject, templates in read_sections(f"templates/groups/{part}/{language}.txt").items()
    }
    return MappingProxyType(groups)


def template_lines(language: str, with_names: bool) -> tuple[str, ...]:
    """Return the lines of a language, those for validation too.

    Args:
        language: one of `LANGUAGES`.
        with_names: lines that name persons, organisations, places or addresses, or those that name none.
    """
    return read_entries(f"templates/lines/{'with_names' if with_names else 'without_names'}/{language}.txt")


def draw_news_line(language: str, chance: random.Random) -> str:
    """Return a line in the style of news or of an encyclopedia; `{text}` in it is a paragraph of running text."""
    return chance.choice(read_entries(f"templates/lines/news/{language}.txt"))


def draw_dry_line(language: str, chance: random.Random) -> str:
    """Return a line of a log, a table, a program or a law."""
    return chance.choice(read_entries(f"templates/lines/dry/{language}.txt"))


def all_templates() -> frozenset[str]:
    """Return all templates of `data/templates`."""
    groups = [templates for part in PARTS for templates in template_groups(part).values()]
    lines = [template_lines(language, with_names) for language in LANGUAGES for with_names in (True, False)]
    return frozenset(template for templates in (*groups, *lines) for template in templates)


def draw_validation_line(language: str, chance: random.Random) -> str:
    """Return a line that is kept for validation, one with names as often as one without."""
    return chance.choice(template_lines(language, chance.random() < 0.5)[::_VALIDATION_STEP])


def draw_training_line(lines: tuple[str, ...], chance: random.Random) -> str:
    """Return a line that is not kept for validation."""
    number = chance.randrange(len(lines))
    kept = number % _VALIDATION_STEP == 0 and number + 1 < len(lines)
    return lines[number + 1 if kept else number]


def draw_training_template(language: str, chance: random.Random) -> str:
    """Return a template for training: a line, random words, a sentence of the grammar, or one of a group."""
    share = chance.random()
    if share < 0.30:
        return draw_training_line(template_lines(language, with_names=True), chance)
    if share < 0.56:
        return draw_training_line(template_lines(language, with_names=False), chance)
    if share < 0.64:
        return draw_random_words(language, chance)
    if share < 0.67 and language == "en":
        return escape_braces(chance.choice(technical_sentences()))
    if share < 0.83:
        return draw_sentence(language, chance)
    groups = template_groups("train")
    return chance.choice(groups[chance.choice([name for name in groups if name.startswith(language)])])


def draw_random_words(language: str, chance: random.Random) -> str:
    """Return words in random order, capitalised like sentences, headings or German nouns; some contain one slot."""
    chinese = language == "zh"
    words = _chinese_row(chance) if chinese else _latin_row(language, chance)
    if chance.random() < 0.4:
        name = "{person}" if chinese else "{first}"
        slots = ("{person}", "{org}", "{city}", "{address}", name, "{num}", "{date}")
        words.insert(chance.randint(0, len(words)), chance.choice(slots))
    end = chance.choice(("。", "", "，") if chinese else (".", "", "?", ":", "!"))
    return ("" if chinese else " ").join(words) + end


def _chinese_row(chance: random.Random) -> list[str]:
    return [chance.choice(chinese_words("word")) for _ in range(chance.randint(1, 8))]


def _latin_row(language: str, chance: random.Random) -> list[str]:
    common = common_words(language)
    words = [chance.choice(common[: chance.choice((300, 3_000, 20_000))]) for _ in range(chance.randint(1, 12))]
    capitalised = chance.choice((0.0, 0.3, 0.4, 0.5) if language == "de" else (0.0, 0.0, 0.1, 0.35, 1.0))
    words = [word.capitalize() if chance.random() < capitalised else word for word in words]
    if chance.random() < 0.12:
        return [word.upper() for word in words]
    if chance.random() < 0.6:
        words[0] = words[0].capitalize()
    return words
