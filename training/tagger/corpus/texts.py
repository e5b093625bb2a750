"""The texts for training, validation and test: the same arguments give the same texts.

Training texts use all templates but those kept back. Validation texts choose the best epoch. Test texts come from other
groups of templates and mostly other locales; the challenge texts are written by hand, from no template.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

from faker import Faker
from tqdm import tqdm

from training.tagger.corpus.datafiles import read_text
from training.tagger.corpus.faker_values import faker_value, locales, open_faker
from training.tagger.corpus.labelled import (
    ENTITY_OF_SLOT,
    LabelledText,
    Span,
    fill_template,
    join_texts,
    split_template,
)
from training.tagger.corpus.noise import add_noise
from training.tagger.corpus.templates import (
    LANGUAGES,
    Part,
    draw_training_template,
    draw_validation_line,
    template_groups,
)
from training.tagger.corpus.values import draw_value
from training.tagger.corpus.vocabulary import common_words

_LANGUAGE_WEIGHTS = (10, 4, 2.2, 2, 2)
# A group with more templates is drawn more often, but not in proportion.
_GROUP_EXPONENT = 0.7
# After a name: "'s", in half of the cases with a word.
_POSSESSIVES = ("'s", "’s")


def training_texts(count: int, seed: int) -> list[LabelledText]:
    """Return texts to train on: one to four filled templates each, some with noise."""
    return _texts(count, seed, validation=False)


def validation_texts(seed: int, count: int = 3_000) -> list[LabelledText]:
    """Return texts of templates that training never sees: half of them of groups, half of lines."""
    return group_texts("validation", count // 2, seed) + line_texts(count // 2, seed)


def held_out_texts(seed: int, count: int = 3_000) -> list[LabelledText]:
    """Return texts of groups, and mostly of locales, that neither training nor validation sees."""
    return group_texts("test", count, seed)


def challenge_texts() -> list[LabelledText]:
    """Return the texts that were written by hand, from no template."""
    items = [json.loads(line) for line in read_text("challenge.jsonl").splitlines()]
    return [
        LabelledText(item["text"], tuple((span["entity"], span["start"], span["end"]) for span in item["spans"]))
        for item in items
    ]


def line_texts(count: int, seed: int) -> list[LabelledText]:
    """Return texts of the lines that are kept for validation, some with noise."""
    return _texts(count, seed, validation=True)


def group_texts(part: Part, count: int, seed: int) -> list[LabelledText]:
    """Return texts of a part's groups, filled by Faker, without noise: one to three templates of one group each."""
    chance = random.Random(f"{part}-{seed}")
    groups = template_groups(part)
    weights = [len(templates) ** _GROUP_EXPONENT for templates in groups.values()]
    names = locales("test" if part == "test" else "train")
    fakers = {name: open_faker(name) for of_language in names.values() for name in of_language}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(f"{part}-{seed}-{number}")
    texts = []
    for _ in range(count):
        group = chance.choices(list(groups), weights)[0]
        faker = fakers[chance.choice(names[group[:2]])]
        texts.append(_group_text(groups[group], group[:2], faker, chance))
    return texts


def fill_training_template(template: str, language: str, chance: random.Random) -> LabelledText:
    """Fill a template for training.

    Differs from `labelled.fill_template`: a last name that follows a first name continues its span, and some English
    names get a possessive, which is not part of the span.

    Example:
        "Ask {first} {last}." may become "Ask Ada Byron's friend." with the one span (PERSON, 4, 13).
    """
    text = ""
    spans: list[Span] = []
    parts = list(split_template(template))
    for number, (literal, slot) in enumerate(parts):
        text += literal
        if slot is None:
            break
        value = re.sub(r"[^\S\n]+", " ", draw_value(slot, language, chance)).strip()
        entity = ENTITY_OF_SLOT.get(slot)
        if entity is not None:
            start = spans.pop()[1] if _continues(text, spans, entity) else len(text)
            spans.append((entity, start, len(text) + len(value)))
        text += value
        if language == "en" and entity in ("PERSON", "ORGANIZATION", "LOCATION"):
            text += _possessive(parts[number + 1][0], chance)
    return LabelledText(text, tuple(spans))


def _group_text(templates: Sequence[str], language: str, faker: Faker, chance: random.Random) -> LabelledText:
    def value_of(slot: str) -> str:
        return faker_value(slot, language, faker, chance)

    filled = [fill_template(chance.choice(templates), value_of) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    return join_texts(filled, chance.choice(("\n", "，", " ") if language == "zh" else (" ", " ", "\n")))


def _texts(count: int, seed: int, *, validation: bool) -> list[LabelledText]:
    chance = random.Random(f"mixed-{validation}-{seed}")
    draw = draw_validation_line if validation else draw_training_template
    texts = []
    for _ in tqdm(range(count), desc="writing texts", leave=False):
        language = chance.choices(LANGUAGES, _LANGUAGE_WEIGHTS)[0]
        filled = [
            fill_training_template(draw(language, chance), language, chance)
            for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4)))
        ]
        separators = ("\n", "，", " ") if language == "zh" else (" ", " ", "\n", "\n\n")
        texts.append(add_noise(join_texts(filled, chance.choice(separators)), language, chance))
    return texts


def _continues(text: str, spans: list[Span], entity: str) -> bool:
    """Return whether a person's name starts one space after the last span, also a person's."""
    return bool(spans) and entity == "PERSON" == spans[-1][0] and spans[-1][2] == len(text) - 1 and text[-1] == " "


def _possessive(following: str, chance: random.Random) -> str:
    """Return a possessive for four in a hundred names before a space, else nothing."""
    if chance.random() >= 0.04 or not following.startswith(" "):
        return ""
    mark = chance.choice(_POSSESSIVES)
    return mark + (f" {chance.choice(common_words('en'))}" if chance.random() < 0.5 else "")
