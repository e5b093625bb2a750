"""Classification: the classes with the highest scores as texts (Triton's classification extension).

Source: triton-inference-server/server, docs/protocol/extension_classification.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from governance.errors import BadRequestError

Array = np.ndarray[Any, Any]


def classified(scores: Array, count: int, classes: Sequence[str]) -> Array:
    """Return the classes with the highest scores, `score:index:label` each, or `score:index` without a label.

    Args:
        scores: Numbers or booleans, shape (..., classes). NaN counts as the lowest; of equal scores the first is first.
        count: How many classes.
        classes: The labels, by index.

    Returns:
        Texts of shape (..., least of count and classes).

    Raises:
        BadRequestError: if the scores are texts.

    Example:
        `[0, 5, 3]` with the labels a, b, c and a count of 2 returns `["5:1:b", "3:2:c"]`.
    """
    if scores.dtype.kind not in "biuf":
        raise BadRequestError("classification needs an output of numbers, and this one holds texts")
    outer = scores.shape[:-1]
    rows = scores.reshape(int(np.prod(outer)), scores.shape[-1] if scores.ndim else 1)
    count = min(count, rows.shape[1])
    texts = np.empty((rows.shape[0], count), dtype=object)
    for number, row in enumerate(rows):
        for place, index in enumerate(_ranking(row)[:count]):
            label = f":{classes[index]}" if index < len(classes) else ""
            texts[number, place] = f"{_number(row[index])}:{index}{label}"
    return texts.reshape(*outer, count)


def _ranking(row: Array) -> Array:
    """Return the indices of a row from the highest value to the lowest, NaN last; equal values keep their order."""
    # Negated values would be wrong for unsigned and least integers, so an ascending order of the reversed row is used.
    descending: Array = (len(row) - 1 - np.argsort(row[::-1], kind="stable"))[::-1]
    if row.dtype.kind != "f":
        return descending
    missing = np.isnan(row[descending])
    return np.concatenate([descending[~missing], descending[missing]])


def _number(value: Any) -> str:
    """Return a score as C++'s `std::to_string` writes it, which Triton uses."""
    return f"{value:f}" if isinstance(value, np.floating) else str(int(value))
