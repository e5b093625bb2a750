"""Answers in limited detail: labels only, the likeliest classes, or rounded scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from governance.access.policies.obligations import OutputDetail
from governance.errors import ForbiddenError

OutputTensors = Mapping[str, np.ndarray[Any, Any]]
"""Output tensors of a model, by name."""


def restrict(outputs: OutputTensors, detail: OutputDetail, classes: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the outputs of a model in at most the permitted detail; names, shapes and types stay the same.

    `label` sets the likeliest class to 1 and the others to 0. `top-k` keeps the scores of the likeliest classes and
    sets the others to 0 (to the lowest number of the type if there are negative scores). `rounded` rounds to D
    decimals. Outputs of integers, booleans and texts are labels already and stay unchanged.

    Args:
        outputs: Tensors by name, with scores of classes along the last axis: shape (..., classes).
        detail: The permitted detail.
        classes: Number of classes in the model's card; 0 if it names none.

    Raises:
        ForbiddenError: if `label` or `top-k` applies to an output that is not scores of classes.
    """
    return {name: _restricted(name, array, detail, classes) for name, array in outputs.items()}


def _restricted(name: str, array: np.ndarray[Any, Any], detail: OutputDetail, classes: int) -> np.ndarray[Any, Any]:
    if not np.issubdtype(array.dtype, np.floating):
        return array
    if detail.kind == "rounded":
        return np.round(array, detail.number)
    width = array.shape[-1] if array.ndim >= 2 else 0
    if width < 2 or (classes and width != classes):
        raise ForbiddenError(f"the policy permits only labels, and the output '{name[:80]}' is not scores of classes")
    likeliest = np.argsort(-array, axis=-1, kind="stable")[..., : 1 if detail.kind == "label" else detail.number]
    if detail.kind == "label":
        kept = np.zeros_like(array)
        np.put_along_axis(kept, likeliest, 1, axis=-1)
        return kept
    lowest = 0 if not (array < 0).any() else np.finfo(array.dtype).min
    kept = np.full_like(array, lowest)
    np.put_along_axis(kept, likeliest, np.take_along_axis(array, likeliest, axis=-1), axis=-1)
    return kept
