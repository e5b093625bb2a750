"""The bytes with which a match of an expression can begin: where none of them is, no match needs to be tried."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_ALL = frozenset(range(256))
_DIGITS, _BLANKS = frozenset(b"0123456789"), frozenset(b" \t\n\r\f\v")


def first_bytes(pattern: re.Pattern[bytes]) -> frozenset[int]:
    """Return the bytes with which a match can begin; all bytes if the expression has parts that are not known here.

    Example:
        >>> sorted(first_bytes(re.compile(rb"(?<![0-9])(?:[ab]|c?d)")))
        [97, 98, 99, 100]

    Args:
        pattern: a compiled expression.
    """
    try:
        from re import _parser as parser  # type: ignore[attr-defined]
    except ImportError:
        return _ALL
    found, may_be_empty = _first(parser.parse(pattern.pattern, pattern.flags), bool(pattern.flags & re.IGNORECASE))
    return _ALL if may_be_empty else found


def _first(parsed: Iterable[Any], caseless: bool) -> tuple[frozenset[int], bool]:
    """Return the first bytes of a sequence, and whether it may match nothing."""
    found: frozenset[int] = frozenset()
    for kind, value in parsed:
        some, may_be_empty = _first_of(str(kind), value, caseless)
        found |= some
        if not may_be_empty:
            return found, False
    return found, True


def _first_of(kind: str, value: Any, caseless: bool) -> tuple[frozenset[int], bool]:  # noqa: PLR0911 — by kind
    if kind == "LITERAL":
        return _cases({value}, caseless), False
    if kind == "IN":
        return _of_class(value, caseless), False
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, _, parts = value
        some, may_be_empty = _first(parts, caseless)
        return some, may_be_empty or not least
    if kind == "SUBPATTERN":
        _, added, _, parts = value
        return _first(parts, caseless or bool(added & re.IGNORECASE))
    if kind == "BRANCH":
        branches = [_first(parts, caseless) for parts in value[1]]
        return frozenset().union(*(some for some, _ in branches)), any(may_be_empty for _, may_be_empty in branches)
    if kind in ("AT", "ASSERT", "ASSERT_NOT"):
        return frozenset(), True
    return _ALL, False


def _of_class(items: Iterable[Any], caseless: bool) -> frozenset[int]:
    found: set[int] = set()
    negated = False
    for kind, value in items:
        name = str(kind)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found.add(value)
        elif name == "RANGE":
            found.update(range(value[0], value[1] + 1))
        elif str(value) in ("CATEGORY_DIGIT", "CATEGORY_SPACE"):
            found |= _DIGITS if str(value) == "CATEGORY_DIGIT" else _BLANKS
        else:
            return _ALL
    every = _cases(found, caseless)
    return _ALL - every if negated else every


def _cases(codes: Iterable[int], caseless: bool) -> frozenset[int]:
    """Return bytes with their other case."""
    known = frozenset(codes)
    return known | {ord(chr(code).swapcase()) for code in known if code < 128} if caseless else known
