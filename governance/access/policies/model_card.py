"""Facts for policies in a model's signed card: Cedar attributes, and the purposes that it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.access.callers.caller import AttributeValue
from governance.errors import ManifestMismatchError

CLASSIFICATION = "data_classification"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of one card.

    Attributes:
        attributes: Cedar attributes of the model, sorted by name; `data_classification` is one of them.
        purposes: Purposes for which the model may be used; empty if the card names none.
        purpose_required: Whether a request must name a purpose.
    """

    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    purposes: frozenset[str] = frozenset()
    purpose_required: bool = False


def read_card(card: Mapping[str, Any]) -> ModelFacts:
    """Read `intended_purposes`, `purpose_required`, `data_classification` and `attributes` of a card; all are optional.

    Raises:
        ManifestMismatchError: if one has a wrong form.
    """
    purposes, attributes = card.get("intended_purposes", []), card.get("attributes", {})
    required = card.get("purpose_required", False)
    if not isinstance(purposes, list) or not all(isinstance(item, str) for item in purposes):
        raise ManifestMismatchError("card.json: 'intended_purposes' must be a list of texts")
    if not isinstance(required, bool) or (required and not purposes):
        raise ManifestMismatchError(
            "card.json: 'purpose_required' must be true or false, and needs 'intended_purposes'"
        )
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
