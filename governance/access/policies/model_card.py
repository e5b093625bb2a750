"""What a model's signed card says to access: its Cedar attributes, and the purposes that it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.access.callers.caller import AttributeValue
from governance.errors import ManifestMismatchError

CLASSIFICATION = "data_classification"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Read from a card.

    Attributes:
        attributes: Cedar attributes of the Model, sorted by name; `data_classification` is one of them.
        purposes: for which the model may be asked; empty if the card says nothing of it.
        purpose_required: whether a caller must name one.
    """

    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    purposes: frozenset[str] = frozenset()
    purpose_required: bool = False


def read_card(card: Mapping[str, Any]) -> ModelFacts:
    """Read a card's `intended_purposes`, `purpose_required`, `data_classification` and `attributes`, all optional.

    Raises:
        ManifestMismatchError: if one has a wrong form.
    """
    purposes, attributes = card.get("intended_purposes", []), card.get("attributes", {})
    required = card.get("purpose_required", False)
    if not isinstance(purposes, list) or not all(isinstance(item, str) for item in purposes):
        raise ManifestMismatchError("card.json: 'intended_purposes' must be a list of words")
    if not isinstance(required, bool) or (required and not purposes):
        raise ManifestMismatchError("card.json: 'purpose_required' is true or false, and needs 'intended_purposes'")
    if not isinstance(attributes, dict):
        raise ManifestMismatchError("card.json: 'attributes' must be an object")
    given = {**attributes, **({CLASSIFICATION: card[CLASSIFICATION]} if CLASSIFICATION in card else {})}
    pairs = tuple((name, _attribute(name, value)) for name, value in sorted(given.items()))
    return ModelFacts(pairs, frozenset(purposes), required)


def _attribute(name: str, value: Any) -> AttributeValue:
    if isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(sorted(set(value)))
    raise ManifestMismatchError(
        f"card.json: '{name[:80]}' must be a text, a whole number, true, false or a list of texts"
    )
