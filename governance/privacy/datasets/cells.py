"""Cells as texts: what of a value can be searched, and where it is within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent

MAX_DEPTH = 500

Named = Callable[[str], str]


def text_of(value: Any) -> str | None:  # noqa: PLR0911 — one line for each type
    """Return a cell as a text that can be searched, or None if there is nothing in it that could be found."""
    if isinstance(value, str):
        return value
    if value is None or value is Absent or isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        # A column of phone numbers with a gap in it has become one of floats somewhere.
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None


def leaves(holder: list[Any], key: Any, path: str, named: Named) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, container and key of each value at or below a place; of lists the path tells `[]`.

    Args:
        named: is asked for each member's name what it is called in the path.

    Raises:
        BadRequestError: if it is nested too deeply.
    """
    pending: list[tuple[str, Any, Any, int]] = [(path, holder, key, 0)]
    while pending:
        path, container, key, depth = pending.pop()
        value = container[key]
        if depth > MAX_DEPTH:
            raise BadRequestError(f"a value is nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            pending.extend((f"{path}.{named(name)}", value, name, depth + 1) for name in reversed(value))
        elif isinstance(value, list):
            pending.extend((f"{path}[]", value, place, depth + 1) for place in reversed(range(len(value))))
        else:
            yield path, container, key
