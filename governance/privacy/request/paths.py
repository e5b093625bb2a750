"""Where in a JSON document: pointers with wildcards (RFC 6901), and JSONPath (RFC 9535)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from governance.canonical import pointer_segments
from governance.errors import BadRequestError, ConfigurationError

WILDCARD = "*"

# A container and a key in it.
Place = tuple[Any, Any]


class DocumentPath(Protocol):
    """A place or several in a document."""

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield them; the holder's one element is the document, so that the document itself has a place too."""

    def may_be_in(self, data: bytes) -> bool:
        """Say whether a serialized document can have such a place, at the cost of a search and not of a parse."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A JSON Pointer in which the segment `*` stands for every element of an array or every member of an object."""

    segments: tuple[str, ...]

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield container and key of each place."""
        return _places_of(holder[0], self.segments) if self.segments else iter([(holder, 0)])

    def may_be_in(self, data: bytes) -> bool:
        """Look for the names; JSON can write one in other bytes by an escape alone, and that needs a backslash."""
        return b"\\" in data or all(
            part == WILDCARD or part.isdigit() or part.encode("utf-8", "replace") in data for part in self.segments
        )


EVERYWHERE = Pointer(())


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A JSONPath query."""

    query: Any

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield container and key of each place.

        Raises:
            BadRequestError: if the document is nested too deeply for the query.
        """
        try:
            # Found as a whole before the first is changed.
            locations = [node.location for node in self.query.finditer(holder[0])]
        except (RecursionError, self._error()):
            raise BadRequestError("the document cannot be searched: it is nested too deeply") from None
        for location in locations:
            container, key = holder, 0
            for step in location:
                container, key = container[key], step
            yield container, key

    def may_be_in(self, data: bytes) -> bool:
        """A query can find anything."""
        return True

    @staticmethod
    def _error() -> type[Exception]:
        from jsonpath_rfc9535 import JSONPathError

        error: type[Exception] = JSONPathError
        return error


def parse_path(text: str) -> DocumentPath:
    """Read a JSON Pointer, or a JSONPath if it begins with `$`.

    Raises:
        ConfigurationError: if it is neither, or the package for JSONPath is not installed.
    """
    if not text.startswith("$"):
        return Pointer(pointer_segments(text) if text else ())
    try:
        import jsonpath_rfc9535
    except ImportError:
        raise ConfigurationError("JSONPath needs a package: pip install 'bento-governance[privacy]'") from None
    try:
        return JsonPath(jsonpath_rfc9535.compile(text))
    except jsonpath_rfc9535.JSONPathError as error:
        raise ConfigurationError(f"{text[:80]} is no JSONPath (RFC 9535): {error}") from None


def _places_of(value: Any, segments: tuple[str, ...]) -> Iterator[Place]:
    segment, rest = segments[0], segments[1:]
    for key in _keys(value, segment):
        if not rest:
            yield value, key
        else:
            yield from _places_of(value[key], rest)


def _keys(value: Any, segment: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value) if segment == WILDCARD else [segment] if segment in value else []
    if isinstance(value, list):
        if segment == WILDCARD:
            return list(range(len(value)))
        if segment.isascii() and segment.isdigit() and len(segment) < 10 and int(segment) < len(value):
            return [int(segment)]
    return []
