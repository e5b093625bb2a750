"""Cells as texts: what can be searched in a value, and at which path in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent

MAX_DEPTH = 500
# The names of the two parts of an entry of a Parquet map, which pyarrow reads as a tuple.
_ENTRY = ("key", "value")

# Returns the name of a member as it is shown in a path.
ShowName = Callable[[str], str]
# Takes the path and the value of a leaf; returns the new value.
ChangeLeaf = Callable[[str, Any], Any]


def text_of(value: Any) -> str | None:  # noqa: PLR0911 — one line for each type
    """Return a cell as a text that can be searched, or None if it is empty, a flag, or a number with a fraction.

    Numbers with a fraction are measurements, whose digits look like telephone numbers by chance.

    `date(2024, 2, 27)` becomes `2024-02-27`, and 4155552671.0 becomes `4155552671`: a column of phone numbers with gaps
    is often read as floats. A time stamp is written with a blank, so that its date is searched as one.

    Raises:
        ValueError: If values of this type cannot be searched.
    """
    if isinstance(value, str):
        return value
    if value is None or value is Absent or isinstance(value, bool):
        return None
    if isinstance(value, float | Decimal):
        return f"{value:.0f}" if math.isfinite(value) and value == int(value) else None
    if isinstance(value, int | timedelta | UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    raise ValueError(f"values of type {type(value).__name__} cannot be searched")


def leaves(value: Any, path: str, show: ShowName) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each leaf in or below a value; `[]` in a path means the elements of a list.

    The column `note` with the value `{"lines": ["a", "b"]}` has two leaves, both with the path `note.lines[]`. The
    entries of a map, which are tuples, have the leaves `note[].key` and `note[].value`.

    Args:
        value: The value: a leaf itself, or an object, list or tuple.
        path: The path of this place.
        show: Returns each member's name as it is shown in the path.

    Raises:
        BadRequestError: If a value is nested deeper than `MAX_DEPTH`.
    """
    pending: list[tuple[str, Any, int]] = [(path, value, 0)]
    while pending:
        path, value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise BadRequestError(f"a value is nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            pending.extend((f"{path}.{show(name)}", value[name], depth + 1) for name in reversed(value))
        elif isinstance(value, list):
            pending.extend((f"{path}[]", part, depth + 1) for part in reversed(value))
        elif isinstance(value, tuple):
            parts = list(zip(_part_names(value), value, strict=True))
            pending.extend((f"{path}.{name}", part, depth + 1) for name, part in reversed(parts))
        else:
            yield path, value


def with_changed_leaves(value: Any, path: str, change: ChangeLeaf) -> Any:
    """Return a copy of a value in which each leaf is changed; `leaves` says what a leaf is.

    Args:
        value: Nested at most `MAX_DEPTH` deep.
        path: The path of this place.
        change: Returns the new value of a leaf.
    """
    # Loops instead of comprehensions: those would need a second frame for each level of nesting.
    if isinstance(value, dict):
        members = {}
        for name, part in value.items():
            members[name] = with_changed_leaves(part, f"{path}.{name}", change)
        return members
    if isinstance(value, list):
        elements = []
        for part in value:
            elements.append(with_changed_leaves(part, f"{path}[]", change))
        return elements
    if isinstance(value, tuple):
        parts = []
        for name, part in zip(_part_names(value), value, strict=True):
            parts.append(with_changed_leaves(part, f"{path}.{name}", change))
        return tuple(parts)
    return change(path, value)


def _part_names(value: tuple[Any, ...]) -> Sequence[str]:
    return _ENTRY if len(value) == len(_ENTRY) else [str(place) for place in range(len(value))]


def places_of(name: str, values: list[Any], numbers: Sequence[int], show: ShowName) -> dict[str, dict[str, list[int]]]:
    """Return for each path in a column its texts, each with the indexes of its rows.

    The column `note` with the values `["a", {"b": "c"}, "a"]` gives `{"note": {"a": [0, 2]}, "note.b": {"c": [1]}}`.

    Args:
        name: Name of the column.
        values: Its values.
        numbers: The number of each row in the file, for messages.
        show: Returns the name of a member as it is shown in a path.

    Raises:
        BadRequestError: If a value is nested too deeply, or is of a type that cannot be searched.
    """
    found: dict[str, dict[str, list[int]]] = {name: {}}
    for row, value in enumerate(values):
        try:
            if isinstance(value, dict | list | tuple):
                for path, leaf in leaves(value, name, show):
                    _add_place(found.setdefault(path, {}), leaf, row)
            else:
                _add_place(found[name], value, row)
        except ValueError:
            raise BadRequestError(
                f"row {numbers[row]}, column '{name[:80]}' has a value that cannot be searched (binary, or of a type "
                "without text): leave the column out of the scan, or give it an operator such as drop, or keep"
            ) from None
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
