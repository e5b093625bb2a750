"""The training text: registers, the grammar and templates together, with the noise that people and machines add."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tqdm import tqdm

from training.tagger import words
from training.tagger.generate import _ENTITY_OF, _SLOT, Labelled, _joined, part_of
from training.tagger.grammar import lines, sentence
from training.tagger.registers import WITH_PEOPLE, WITHOUT
from training.tagger.templates import GROUPS
from training.tagger.values import value

LANGUAGES, WEIGHTS = ("en", "zh", "de", "fr", "es"), (10, 4, 2.2, 2, 2)
# One line of so many of the registers is kept for validation.
HELD_OUT = 9
_MORE_ENTITIES = {
    "last_lower": "PERSON",
    "last_upper": "PERSON",
    "org_upper": "ORGANIZATION",
    "country_upper": "LOCATION",
    "address_upper": "ADDRESS",
    "first_upper": "PERSON",
}


def mixed(count: int, seed: int, *, validation: bool = False) -> list[Labelled]:
    """Return so many labelled texts."""
    chance = random.Random(f"mixed-{validation}-{seed}")
    return [_text(chance, validation) for _ in tqdm(range(count), desc="writing texts", leave=False)]


def _text(chance: random.Random, validation: bool) -> Labelled:
    language = chance.choices(LANGUAGES, WEIGHTS)[0]
    pieces = [
        filled(_template(language, chance, validation), language, chance)
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4)))
    ]
    text = _joined(pieces, chance.choice(("\n", "，", " ") if language == "zh" else (" ", " ", "\n", "\n\n")))
    return noisy(text, language, chance)


def _template(language: str, chance: random.Random, validation: bool) -> str:
    form = chance.random()
    if validation:
        return chance.choice((WITH_PEOPLE if form < 0.5 else WITHOUT)[language][::HELD_OUT])
    if form < 0.30:
        return _kept(WITH_PEOPLE[language], chance)
    if form < 0.56:
        return _kept(WITHOUT[language], chance)
    if form < 0.64:
        return _salad(language, chance)
    if form < 0.67 and language == "en":
        return chance.choice(lines()).replace("{", "{{").replace("}", "}}")
    if form < 0.83:
        return sentence(language, chance)
    return chance.choice(
        GROUPS[chance.choice([name for name in GROUPS if part_of(name) == "train" and name[:2] == language])]
    )


def _kept(templates: Sequence[str], chance: random.Random) -> str:
    number = chance.randrange(len(templates))
    return templates[number + 1 if number % HELD_OUT == 0 and number + 1 < len(templates) else number]


def _salad(language: str, chance: random.Random) -> str:
    """Return words by chance, written as sentences, headings or nouns with capitals are; some with one entity amid."""
    if language == "zh":
        made = [chance.choice(words.chinese("word")) for _ in range(chance.randint(1, 8))]
        glue = ""
    else:
        made = [
            chance.choice(words.common(language)[: chance.choice((300, 3_000, 20_000))])
            for _ in range(chance.randint(1, 12))
        ]
        capital = chance.choice((0.0, 0.0, 0.1, 0.35, 1.0) if language != "de" else (0.0, 0.3, 0.4, 0.5))
        made = [word.capitalize() if chance.random() < capital else word for word in made]
        if chance.random() < 0.12:
            made = [word.upper() for word in made]
        elif chance.random() < 0.6:
            made[0] = made[0].capitalize()
        glue = " "
    if chance.random() < 0.4:
        made.insert(
            chance.randint(0, len(made)),
            chance.choice(
                (
                    "{person}",
                    "{org}",
                    "{city}",
                    "{address}",
                    "{first}" if language != "zh" else "{person}",
                    "{num}",
                    "{date}",
                )
            ),
        )
    return glue.join(made) + chance.choice(("。", "", "，") if language == "zh" else (".", "", "?", ":", "!"))


def filled(template: str, language: str, chance: random.Random) -> Labelled:
    """Fill one template; now and then somebody owns what follows."""
    text, position = "", 0
    spans: list[tuple[str, int, int]] = []
    for slot in _SLOT.finditer(template):
        text += template[position : slot.start()]
        position = slot.end()
        if slot[1] is None:
            text += slot[0][0]
            continue
        made = re.sub(r"[^\S\n]+", " ", value(slot[1], language, chance)).strip()
        entity = _ENTITY_OF.get(slot[1]) or _MORE_ENTITIES.get(slot[1])
        if entity is not None and _goes_on(text, spans, entity):
            spans[-1] = (entity, spans[-1][1], len(text) + len(made))
        elif entity is not None:
            spans.append((entity, len(text), len(text) + len(made)))
        text += made
        if entity in ("PERSON", "ORGANIZATION", "LOCATION") and language == "en" and chance.random() < 0.04:
            if template[position : position + 1] == " ":
                text += chance.choice(("'s", "’s")) + (
                    f" {chance.choice(words.common('en'))}" if chance.random() < 0.5 else ""
                )
    return Labelled(text + template[position:], tuple(spans))


def _goes_on(text: str, spans: Sequence[tuple[str, int, int]], entity: str) -> bool:
    """Return whether a family name follows its first name."""
    return bool(spans) and entity == "PERSON" == spans[-1][0] and spans[-1][2] == len(text) - 1 and text[-1] == " "


def noisy(item: Labelled, language: str, chance: random.Random) -> Labelled:
    """Write some texts as people and scanners do: all small, all capitals, without stops, with letters amiss."""
    text = item.text
    form = chance.random()
    if form < 0.10:
        text = text.lower()
    elif form < 0.15:
        text = text.upper()
    elif form < 0.17 and language == "en":
        text = text.title()
    if len(text) != len(item.text):
        text = item.text
    if chance.random() < 0.08:
        text = re.sub(r"[.,;](?=\s)", " ", text)
    if chance.random() < 0.05:
        marked = list(text)
        for place in range(1, len(marked) - 1):
            if chance.random() < 0.03 and marked[place].isalpha() and marked[place].isascii():
                marked[place] = {"l": "1", "o": "0", "i": "l", "e": "c", "S": "5"}.get(
                    marked[place], chance.choice("aeinrst")
                )
        text = "".join(marked)
    return Labelled(text, item.spans)
