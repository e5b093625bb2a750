"""Privacy rules in a model's signed card: the class of each input feature, and the operator it was trained with.

In the card, `"inputs": [{"name": "features", …, "columns": ["age", "zip"]}]` names the columns of a tensor, and
`"privacy": [{"tensor": "features", "column": "age", "class": "quasi-identifier", "operator": "bucket:10"}]` has one
entry for each feature. Training and serving change features by the same function, `tensors.change_columns`, so that the
model is served the kind of values that it was trained on. A service whose settings disagree with the card does not
start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.change.operators import FIELD, FREE_TEXT, KEEP, Operator
from governance.privacy.request.tensors import TensorColumn

NONE = "none"
CLASSES = ("direct identifier", "quasi-identifier", "sensitive", NONE)


@dataclass(frozen=True, slots=True)
class CardFeature:
    """One input feature.

    Attributes:
        tensor: Name of the input.
        column: Name of the column; None for the whole tensor.
        kind: Its class, one of `CLASSES`.
        operator: The operator it was trained with, such as `bucket:10`; `text` for a tensor of free text.
        entity: What its values are, such as `AGE`.
    """

    tensor: str
    column: str | None
    kind: str
    operator: str
    entity: str = FIELD

    def __str__(self) -> str:
        """Return the name for messages: `features.age`."""
        return self.tensor if self.column is None else f"{self.tensor}.{self.column}"


@dataclass(frozen=True, slots=True)
class CardRules:
    """What a model's signed card says about personal data in its inputs.

    Example: `CardRules.from_card(card).columns("features")` is what training passes to `change_columns`.

    Attributes:
        features: The features in the card's section `privacy`.
        names: The names of the columns of each input tensor.
    """

    features: tuple[CardFeature, ...]
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> CardRules:
        """Read the section `privacy` of a `card`; a card without one has no features.

        Raises:
            ManifestMismatchError: If the section cannot be read, names an unknown input or column, or has personal data
                without an operator.
        """
        try:
            names = {str(item["name"]): tuple(map(str, item.get("columns", ()))) for item in card.get("inputs", ())}
            features = tuple(_feature(item) for item in card.get("privacy", ()))
        except (KeyError, TypeError, AttributeError):
            raise ManifestMismatchError(
                "card.json: 'privacy' must be a list of features with class and operator"
            ) from None
        for feature in features:
            if feature.tensor not in names:
                raise ManifestMismatchError(f"card.json: 'privacy' names '{feature}', but there is no such input")
            if feature.column is not None and feature.column not in names[feature.tensor]:
                raise ManifestMismatchError(f"card.json: 'privacy' names '{feature}', but the input has no such column")
        if len({(feature.tensor, feature.column) for feature in features}) != len(features):
            raise ManifestMismatchError("card.json: 'privacy' names a feature twice")
        return cls(features, names)

    def columns(self, tensor: str) -> tuple[TensorColumn, ...]:
        """Return the columns of the input `tensor` with their operators."""
        return tuple(
            TensorColumn(tensor, self._number(feature), Operator.parse(feature.operator), entity=feature.entity)
            for feature in self.features
            if feature.tensor == tensor and feature.operator not in (FREE_TEXT, KEEP)
        )

    def number_of(self, tensor: str, column: int | str) -> int | None:
        """Return the index of a `column` of a `tensor`, or None if the card has no column of this name."""
        names = self.names.get(tensor, ())
        return column if isinstance(column, int) else names.index(column) if column in names else None

    def _number(self, feature: CardFeature) -> int | None:
        return None if feature.column is None else self.names[feature.tensor].index(feature.column)

    def verify(self, model: str, columns: Sequence[TensorColumn], *, free_text: bool) -> None:
        """Compare the card with the settings.

        Args:
            model: The model's name, for the message.
            columns: The columns that the settings declare for this model.
            free_text: Whether the settings search this model's texts.

        Raises:
            ConfigurationError: If they disagree; the message names each such feature, and what to write.
        """
        declared = {(item.tensor, item.number): item for item in columns}
        problems = []
        for feature in self.features:
            found = declared.pop((feature.tensor, self._number(feature)), None)
            if feature.operator == FREE_TEXT:
                if not free_text or found is not None:
                    problems.append(f"{feature} is free text: it needs a [[privacy.text]]")
                continue
            wanted = Operator.parse(feature.operator)
            if wanted.keeps and found is None:
                continue
            if found is None or found.operator != wanted or found.entity != feature.entity:
                problems.append(f"{feature} ({feature.kind}) was trained with operator = '{feature.operator}'")
        for tensor, number in declared:
            place = tensor if number is None else f"{tensor} column {number}"
            problems.append(f"{place} is changed by the settings, but not in the card")
        if problems and self.features:
            raise ConfigurationError(f"[privacy] and the signed card of '{model}' disagree: {'; '.join(problems)}")


def _feature(item: Mapping[str, Any]) -> CardFeature:
    column, kind = item.get("column"), item["class"]
    operator = item.get("operator", KEEP if kind == NONE else None)
    feature = CardFeature(
        str(item["tensor"]),
        None if column is None else str(column),
        str(kind),
        str(operator),
        str(item.get("entity", FIELD)),
    )
    if kind not in CLASSES:
        raise ManifestMismatchError(f"card.json: the class of '{feature}' must be one of {', '.join(CLASSES)}")
    if operator is None or (kind == NONE) != (operator == KEEP):
        raise ManifestMismatchError(
            f"card.json: '{feature}' is {kind}: features of class {NONE}, and no others, are kept"
        )
    if operator != FREE_TEXT:
        try:
            Operator.parse(feature.operator)
        except ConfigurationError as error:
            raise ManifestMismatchError(f"card.json: '{feature}': {error}") from None
    return feature
