"""Places in a JSON document: JSON Pointers with wildcards (RFC 6901), and JSONPath (RFC 9535)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from governance.canonical import pointer_segments
from governance.errors import BadRequestError, ConfigurationError

WILDCARD = "*"

# A container (object or list) and a key in it (name or index).
Place = tuple[Any, Any]


class DocumentPath(Protocol):
    """Selects places in a document."""

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield the container and the key of each place.

        Args:
            holder: A list whose only element is the document, so that the document itself has a place too.

        Raises:
            BadRequestError: If the document is nested too deeply to be searched.
        """

    def may_be_in(self, data: bytes) -> bool:
        """Return False if a serialized document certainly has no such place; a search in bytes, no parsing."""


@dataclass(frozen=True, slots=True)
class JsonPointer:
    """A JSON Pointer in which the segment `*` matches every element of an array and every member of an object.

    `/rows/*/name` selects the places of `Ada` and `Bob` in `{"rows": [{"name": "Ada"}, {"name": "Bob"}]}`.

    Attributes:
        segments: The unescaped segments: `("rows", "*", "name")`; none for the whole document.
    """

    segments: tuple[str, ...]

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield the container and the key of each place."""
        return _places_of(holder[0], self.segments) if self.segments else iter([(holder, 0)])

    def may_be_in(self, data: bytes) -> bool:
        """Return whether all names occur in the bytes.

        A name in other bytes has an escape in it, such as `\\u0061` for `a`; so any backslash counts as a match.
        """
        if b"\\" in data:
            return True
        # The last name first: it is the rarest.
        for part in reversed(self.segments):
            if part.encode("utf-8", "replace") not in data and part != WILDCARD and not part.isdigit():
                return False
        return True


EVERYWHERE = JsonPointer(())


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A JSONPath query, such as `$..email`.

    Attributes:
        query: The query as compiled by `jsonpath_rfc9535`.
    """

    query: Any

    def places(self, holder: list[Any]) -> Iterator[Place]:
        """Yield the container and the key of each place.

        Raises:
            BadRequestError: If the document is nested too deeply for the query.
        """
        try:
            # All places are found before the first is changed, as a change could create or remove matches.
            locations = [node.location for node in self.query.finditer(holder[0])]
        except (RecursionError, self._error()):
            raise BadRequestError("the document cannot be searched: it is nested too deeply") from None
        for location in locations:
            container, key = holder, 0
            for step in location:
                container, key = container[key], step
            yield container, key

    def may_be_in(self, data: bytes) -> bool:
        """Return True: a query can match any document."""
        return True

    @staticmethod
    def _error() -> type[Exception]:
        from jsonpath_rfc9535 import JSONPathError

        error: type[Exception] = JSONPathError
        return error


def parse_path(text: str) -> DocumentPath:
    """Read a JSON Pointer such as `/rows/*/name`, or a JSONPath if the text begins with `$`.

    Raises:
        ConfigurationError: If it is neither, or the package for JSONPath is not installed.
    """
    if not text.startswith("$"):
        return JsonPointer(pointer_segments(text) if text else ())
    try:
        import jsonpath_rfc9535
    except ImportError:
        raise ConfigurationError("JSONPath needs a package: pip install 'bento-governance[privacy]'") from None
    try:
        return JsonPath(jsonpath_rfc9535.compile(text))
    except jsonpath_rfc9535.JSONPathError as error:
        raise ConfigurationError(f"{text[:80]} is not a JSONPath (RFC 9535): {error}") from None


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
