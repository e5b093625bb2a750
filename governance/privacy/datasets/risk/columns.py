"""Columns of a table as arrays: each distinct value once, and for each row its index; a few bytes a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent, RowBatch

Codes = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class EncodedColumn:
    """A column of a table.

    The cells `F, M, F` have the values `["F", "M"]` and the codes `[0, 1, 0]`.

    Attributes:
        name: Its name.
        values: Its distinct values; None is one of them if there are empty cells.
        codes: For each row the index of its value; shape [rows].
    """

    name: str
    values: list[Any]
    codes: Codes


def encode(batches: Iterable[RowBatch], names: Sequence[str]) -> dict[str, EncodedColumn]:
    """Read columns of all rows.

    Args:
        batches: The rows.
        names: The columns to read.

    Raises:
        BadRequestError: If a row has no such column, or a value is an object or a list.
    """
    indexes: dict[str, dict[Any, int]] = {name: {} for name in names}
    codes: dict[str, list[Any]] = {name: [] for name in names}
    for batch in batches:
        for name, known in indexes.items():
            try:
                found = [known.setdefault(value, len(known)) for value in without_gaps(batch.values(name))]
            except TypeError:
                raise BadRequestError(f"column '{name[:80]}' has objects or lists, which cannot be compared") from None
            if Absent in known:
                raise BadRequestError(
                    f"rows {batch.first} to {batch.first + batch.rows - 1}: a row has no column '{name[:80]}'"
                )
            codes[name].append(np.array(found, np.int32))
    return {
        name: EncodedColumn(name, list(known), np.concatenate([np.zeros(0, np.int32), *codes[name]]).astype(np.int64))
        for name, known in indexes.items()
    }


def without_gaps(values: Sequence[Any]) -> list[Any]:
    """Return a column with None for each empty text and NaN: a NaN is not even equal to itself."""
    return [None if value != value or value == "" else value for value in values]  # noqa: PLR0124


def number_of(value: Any) -> float | None:
    """Return a value as a finite number, or None; `"42"` is 42.0, since all cells of CSV are texts."""
    try:
        number = None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) else None
