"""Cells as texts: what can be searched in a value, and at which path in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent

MAX_DEPTH = 500

# Returns the name of a member as it is shown in a path.
ShowName = Callable[[str], str]


def text_of(value: Any) -> str | None:  # noqa: PLR0911 — one line for each type
    """Return a cell as a text that can be searched, or None if it has none.

    `date(2024, 2, 27)` becomes `2024-02-27`, and 4155552671.0 becomes `4155552671`: a column of phone numbers with gaps
    is often read as floats.
    """
    if isinstance(value, str):
        return value
    if value is None or value is Absent or isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
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


def leaves(holder: Any, key: Any, path: str, show: ShowName) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, container and key of each value in or below a place; `[]` in a path means the elements of a list.

    The column `note` with the value `{"lines": ["a", "b"]}` has two leaves, both with the path `note.lines[]`.

    Args:
        holder: The container (object or list) of the value.
        key: Its name or index there.
        path: The path of this place.
        show: Returns each member's name as it is shown in the path.

    Raises:
        BadRequestError: If a value is nested deeper than `MAX_DEPTH`.
    """
    pending: list[tuple[str, Any, Any, int]] = [(path, holder, key, 0)]
    while pending:
        path, container, key, depth = pending.pop()
        value = container[key]
        if depth > MAX_DEPTH:
            raise BadRequestError(f"a value is nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            pending.extend((f"{path}.{show(name)}", value, name, depth + 1) for name in reversed(value))
        elif isinstance(value, list):
            pending.extend((f"{path}[]", value, place, depth + 1) for place in reversed(range(len(value))))
        else:
            yield path, container, key


def places_of(name: str, values: list[Any], show: ShowName) -> dict[str, dict[str, list[int]]]:
    """Return for each path in a column its texts, each with the indexes of its rows.

    The column `note` with the values `["a", {"b": "c"}, "a"]` gives `{"note": {"a": [0, 2]}, "note.b": {"c": [1]}}`.

    Args:
        name: Name of the column.
        values: Its values.
        show: Returns the name of a member as it is shown in a path.

    Raises:
        BadRequestError: If a value is nested too deeply.
    """
    found: dict[str, dict[str, list[int]]] = {name: {}}
    for row, value in enumerate(values):
        if isinstance(value, dict | list):
            for path, container, key in leaves(values, row, name, show):
                _add_place(found.setdefault(path, {}), container[key], row)
        else:
            _add_place(found[name], value, row)
    return found


def _add_place(places: dict[str, list[int]], value: Any, row: int) -> None:
    text = text_of(value)
    if not text:
        return
    rows = places.get(text)
    if rows is None:
        places[text] = [row]
    else:
        rows.append(row)
