"""Declared fields of a JSON document: found by JSON Pointer or JSONPath, and changed by their operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import FIELD, Dropped, Operator
from governance.privacy.redactions import Redactions
from governance.privacy.request.paths import DocumentPath, Place, parse_path
from governance.privacy.request.plain import render_json


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One declared field.

    Attributes:
        path: Where it is; all matching places are changed.
        operator: What happens to its value.
        data_class: What policies know it as, such as `health`; None for none.
        entity: What its value is, such as `PERSON`.
    """

    path: DocumentPath
    operator: Operator
    data_class: str | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, path: str, operator: str, data_class: str | None = None, entity: str = FIELD) -> FieldRule:
        """Read a rule as settings write it, for example `FieldRule.parse("/patient/name", "hash", "health")`.

        Args:
            path: JSON Pointer, or JSONPath if it begins with `$`.
            operator: Operator, such as `mask:4`.
            data_class: What policies know the field as.
            entity: What its value is.

        Raises:
            ConfigurationError: If path or operator cannot be read.
        """
        return cls(parse_path(path), Operator.parse(operator), data_class, entity)


def change_json(data: bytes | memoryview, rules: Sequence[FieldRule], context: Context) -> tuple[bytes, Redactions]:
    """Return a document with its declared fields changed, and the counts of what was changed.

    `{"name": "Ada", "age": 42}` with a rule `/name`, `drop` becomes `{"age":42}`.

    Args:
        data: The document. If it certainly has no declared field, it is returned as it is, valid or not.
        rules: The declared fields.
        context: Key and scope of the operators.

    Raises:
        BadRequestError: If it may have a declared field and is not strict JSON: RFC 8259, without duplicate names and
            without numbers beyond a double.
    """
    plain = bytes(data)
    if not any(rule.path.may_be_in(plain) for rule in rules):
        return plain, Redactions({})
    holder = [parse_json(data)]
    redactions = change_fields(holder, rules, context)
    return render_json(holder[0]), redactions


def change_fields(holder: list[Any], rules: Sequence[FieldRule], context: Context) -> Redactions:
    """Change the declared fields of a document in place, and return the counts of what was changed.

    Args:
        holder: A list whose only element is the document.
        rules: The declared fields.
        context: Key and scope of the operators.

    Raises:
        BadRequestError: If a field has a value that its operator cannot change.
    """
    # All places are found before one is changed, since removing an element of a list renumbers the next ones.
    matches = [(rule, place) for rule in rules for place in rule.path.places(holder)]
    counts: dict[str, int] = {}
    dropped: list[Place] = []
    for rule, (container, key) in _unique(matches):
        try:
            changed = rule.operator.change_value(container[key], rule.entity, context)
        except (ValueError, OverflowError, RecursionError):
            raise BadRequestError("a declared field has a value that its operator cannot change") from None
        if changed is Dropped:
            dropped.append((container, key))
        else:
            container[key] = changed
        counts[rule.operator.name] = counts.get(rule.operator.name, 0) + 1
    _drop(dropped)
    return Redactions(counts, frozenset(rule.data_class for rule, _ in matches if rule.data_class is not None))


def _unique(found: Sequence[tuple[FieldRule, Place]]) -> list[tuple[FieldRule, Place]]:
    """Return each place once: with the first rule that matches it, or with a rule that drops it if there is one."""
    first: dict[tuple[int, Any], tuple[FieldRule, Place]] = {}
    for rule, place in found:
        key = id(place[0]), place[1]
        if key not in first or (rule.operator.drops and not first[key][0].operator.drops):
            first[key] = rule, place
    return list(first.values())


def _drop(places: list[Place]) -> None:
    by_container: dict[int, tuple[Any, set[Any]]] = {}
    for container, key in places:
        by_container.setdefault(id(container), (container, set()))[1].add(key)
    for container, keys in by_container.values():
        for key in sorted(keys, reverse=True):
            del container[key]
