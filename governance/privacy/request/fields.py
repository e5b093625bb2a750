"""Records: declared fields of a JSON document, found by pointer or JSONPath and changed by their operator."""

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
    """One declared field: where it is, its operator, what it is, and its class."""

    path: DocumentPath
    operator: Operator
    data_class: str | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, path: str, operator: str, data_class: str | None = None, entity: str = FIELD) -> FieldRule:
        """Parse a JSON Pointer or a JSONPath, and an operator.

        Raises:
            ConfigurationError: if one of them cannot be read.
        """
        return cls(parse_path(path), Operator.parse(operator), data_class, entity)


def change_json(data: bytes | memoryview, rules: Sequence[FieldRule], context: Context) -> tuple[bytes, Redactions]:
    """Return the document with every declared field changed, and what was done.

    Raises:
        BadRequestError: if it may hold a declared field, and is not a strict JSON document (RFC 8259, no name
            twice, no number beyond a double). What cannot hold one is left to the server to judge.
    """
    plain = bytes(data)
    if not any(rule.path.may_be_in(plain) for rule in rules):
        return plain, Redactions({})
    holder = [parse_json(data)]
    redactions = change_fields(holder, rules, context)
    return render_json(holder[0]), redactions


def change_fields(holder: list[Any], rules: Sequence[FieldRule], context: Context) -> Redactions:
    """Change every declared field of a document in place, and return what was done.

    Args:
        holder: its one element is the document.

    Raises:
        BadRequestError: if a field holds a value that cannot be changed.
    """
    # All places are found before one is changed: removing an element moves those behind it.
    matches = [(rule, place) for rule in rules for place in rule.path.places(holder)]
    counts: dict[str, int] = {}
    dropped: list[Place] = []
    for rule, (container, key) in _unique(matches):
        try:
            changed = rule.operator.change_value(container[key], rule.entity, context)
        except (ValueError, OverflowError, RecursionError):
            raise BadRequestError("a declared field holds a value that JSON cannot carry exactly") from None
        if changed is Dropped:
            dropped.append((container, key))
        else:
            container[key] = changed
        counts[rule.operator.name] = counts.get(rule.operator.name, 0) + 1
    _drop(dropped)
    return Redactions(counts, frozenset(rule.data_class for rule, _ in matches if rule.data_class is not None))


def _unique(found: Sequence[tuple[FieldRule, Place]]) -> list[tuple[FieldRule, Place]]:
    """Change each place once, by the first rule that names it; but where one of them drops it, it goes."""
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
