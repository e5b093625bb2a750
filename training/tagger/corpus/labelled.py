"""A text with labelled spans, and how a template is filled and texts are joined."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# "{{" and "}}" are braces of the text; "{name}" is a slot.
_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)\}")
# A place at which a name may be: the loss ignores it.
UNSURE = "UNSURE"
# The entity of what fills a slot. A slot that is missing here makes text without a label.
ENTITY_OF_SLOT = {
    "person": "PERSON",
    "person_lf": "PERSON",
    "person_upper": "PERSON",
    "person_lower": "PERSON",
    "first": "PERSON",
    "first_upper": "PERSON",
    "first_lower": "PERSON",
    "last": "PERSON",
    "last_upper": "PERSON",
    "last_lower": "PERSON",
    "en_person": "PERSON",
    "foreign": "PERSON",
    "city": "LOCATION",
    "city_upper": "LOCATION",
    "city_lower": "LOCATION",
    "country": "LOCATION",
    "country_upper": "LOCATION",
    "state": "LOCATION",
    "address": "ADDRESS",
    "address_upper": "ADDRESS",
    "org": "ORGANIZATION",
    "org_upper": "ORGANIZATION",
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "cn_phone": "PHONE_NUMBER",
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "ip": "IP_ADDRESS",
    "dob": "DATE_TIME",
    "date": "DATE_TIME",
    "mrn": "MEDICAL_RECORD_NUMBER",
    "nhs": "UK_NHS",
    "passport": "PASSPORT",
    "cn_id": "CN_RESIDENT_ID",
    "plate": "LICENSE_PLATE",
    "age": "AGE",
}

# Entity, start, end; start and end in code points, end exclusive.
Span = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and its spans, in ascending order and without overlap."""

    text: str
    spans: tuple[Span, ...]


def split_template(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield the parts of a template: literal text, and the name of the slot after it.

    The last part has no slot (None); its text may be empty.

    Example:
        "Dear {person}, {{ok}}" yields ("Dear ", "person"), (", {ok}", None).
    """
    literal, position = "", 0
    for match in _SLOT.finditer(template):
        literal += template[position : match.start()]
        position = match.end()
        if match[1] is None:
            literal += match[0][0]
        else:
            yield literal, match[1]
            literal = ""
    yield literal + template[position:], None


def fill_template(template: str, value_of: Callable[[str], str]) -> LabelledText:
    """Fill each slot of a template; each value of a labelled slot is one span.

    Args:
        template: text with slots, such as "Dear {person}".
        value_of: returns a value for the name of a slot.
    """
    text = ""
    spans: list[Span] = []
    for literal, slot in split_template(template):
        text += literal
        if slot is None:
            break
        value = value_of(slot)
        entity = ENTITY_OF_SLOT.get(slot)
        if entity is not None:
            spans.append((entity, len(text), len(text) + len(value)))
        text += value
    return LabelledText(text, tuple(spans))


def escape_braces(text: str) -> str:
    """Return a text as a template without slots."""
    return text.replace("{", "{{").replace("}", "}}")


def join_texts(texts: Sequence[LabelledText], separator: str) -> LabelledText:
    """Join texts with a separator, and move their spans.

    Only a line break separates what follows a Chinese full stop: Chinese has no space there.
    """
    text = ""
    spans: list[Span] = []
    for item in texts:
        text += "" if not text or (text.endswith("。") and separator != "\n") else separator
        spans.extend((entity, start + len(text), end + len(text)) for entity, start, end in item.spans)
        text += item.text
    return LabelledText(text, tuple(spans))
