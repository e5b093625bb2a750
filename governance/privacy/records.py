"""Records: declared fields of a JSON document, found by pointer and changed by their operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.canonical import parse_json, pointer_segments
from governance.errors import BadRequestError
from governance.privacy.operators import DROP, Dropped

WILDCARD = "*"

Place = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Redactions:
    """How many values each operator changed, of which data classes they were, and how many of each entity in text."""

    counts: Mapping[str, int]
    classes: frozenset[str] = frozenset()
    entities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """One declared field: the segments of its pointer (RFC 6901), `*` for every element, its operator and its class."""

    segments: tuple[str, ...]
    operator: str
    data_class: str | None = None

    @classmethod
    def parse(cls, pointer: str, operator: str, data_class: str | None = None) -> Rule:
        """Parse a JSON Pointer."""
        return cls(pointer_segments(pointer), operator, data_class)


def redact_json(
    data: bytes | memoryview, rules: Sequence[Rule], operators: Mapping[str, Callable[[Any], Any]]
) -> tuple[bytes, Redactions]:
    """Return the document with every declared field changed, and what was done.

    Raises:
        BadRequestError: if it may hold a declared field, and is not a strict JSON document (RFC 8259, no name
            twice, no number beyond a double). What cannot hold one is left to the server to judge.
    """
    if not may_hold(bytes(data), rules):
        return bytes(data), Redactions({})
    document = parse_json(data)
    # All places are found before one is changed: removing an element moves those behind it.
    matches = [(rule, place) for rule in rules for place in places_of(document, rule.segments)]
    found = _unique(matches)
    counts: dict[str, int] = {}
    dropped: list[Place] = []
    for rule, (container, key) in found:
        name = rule.operator
        try:
            changed = operators[name](container[key])
        except (ValueError, OverflowError, RecursionError):
            raise BadRequestError("a declared field holds a value that JSON cannot carry exactly") from None
        if changed is Dropped:
            dropped.append((container, key))
        else:
            container[key] = changed
        counts[name] = counts.get(name, 0) + 1
    _drop(dropped)
    classes = frozenset(rule.data_class for rule, _ in matches if rule.data_class is not None)
    return render_json(document), Redactions(counts, classes)


def render_json(document: Any) -> bytes:
    """Return a document's bytes.

    Raises:
        BadRequestError: if it holds what JSON cannot carry.
    """
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError):
        raise BadRequestError("the document holds a number beyond a double, or is nested too deeply") from None


def may_hold(data: bytes, rules: Sequence[Rule]) -> bool:
    """Say whether any declared field can be in a document, at the cost of a search and not of a parse.

    JSON can write a name in other bytes than its own only by an escape, and an escape needs a backslash.
    """
    return b"\\" in data or any(
        all(part == WILDCARD or part.isdigit() or part.encode("utf-8", "replace") in data for part in rule.segments)
        for rule in rules
    )


def _unique(found: Sequence[tuple[Rule, Place]]) -> list[tuple[Rule, Place]]:
    """Change each place once, by the first rule that names it; but where one of them drops it, it goes."""
    first: dict[tuple[int, Any], tuple[Rule, Place]] = {}
    for rule, place in found:
        key = id(place[0]), place[1]
        if key not in first or (rule.operator == DROP and first[key][0].operator != DROP):
            first[key] = rule, place
    return list(first.values())


def places_of(value: Any, segments: tuple[str, ...]) -> Iterator[Place]:
    """Yield where a pointer leads: container and key."""
    segment, rest = segments[0], segments[1:]
    for key in _keys(value, segment):
        if not rest:
            yield value, key
        else:
            yield from places_of(value[key], rest)


def _keys(value: Any, segment: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value) if segment == WILDCARD else [segment] if segment in value else []
    if isinstance(value, list):
        if segment == WILDCARD:
            return list(range(len(value)))
        if segment.isascii() and segment.isdigit() and len(segment) < 10 and int(segment) < len(value):
            return [int(segment)]
    return []


def _drop(places: list[Place]) -> None:
    by_container: dict[int, tuple[Any, set[Any]]] = {}
    for container, key in places:
        by_container.setdefault(id(container), (container, set()))[1].add(key)
    for container, keys in by_container.values():
        for key in sorted(keys, reverse=True):
            del container[key]
