"""Rows of a batch: a trial that they do not influence each other, before requests of several callers share a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from governance.errors import BadRequestError, ConfigurationError
from governance.runtime.signature import TensorSpec
from governance.runtime.warmup import example_inputs

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], tuple[dict[str, Array], float]]

# Kernels for batches of another size round differently; a scale that is shared over the batch changes much more.
RELATIVE, ABSOLUTE = 1e-3, 1e-4
# The neighbours' numbers are this much larger, so that any number that is made from the whole batch shows it.
LARGE = 1000.0
ROWS = 3


def verify_rows(run: Run, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], card: Mapping[str, Any]) -> None:
    """Refuse a model whose rows influence each other, or that has no batch.

    A row is run alone, and then between others whose numbers are much larger.

    Args:
        run: runs one batch, and returns the outputs by name.
        inputs: the model's inputs.
        outputs: the model's outputs.
        card: the model's card, which may name example shapes.

    Raises:
        ConfigurationError: if requests must not be batched.
    """
    if not inputs or not all(spec.is_batch for spec in inputs) or any(spec.shape[:1] != (-1,) for spec in outputs):
        raise ConfigurationError("batching: every input and output needs the batch as its first axis")
    example = example_inputs(inputs, card)
    own = {name: _random(array[:1], 1.0) for name, array in example.items()}
    other = {name: _random(array[:1], LARGE) for name, array in example.items()}
    around = {name: np.concatenate([other[name], own[name], other[name]]) for name in own}
    try:
        alone, together = run(own)[0], run(around)[0]
    except BadRequestError:
        raise ConfigurationError(
            'batching: the model could not be tried; give sizes that it takes as "example_shape" in card.json'
        ) from None
    for name, array in alone.items():
        if together[name].shape[:1] != (ROWS,) or not _equal(array[0], together[name][1]):
            raise ConfigurationError(
                f"batching: a row of the output '{name}' depends on the other rows of its batch, so requests of "
                "several callers cannot share one: set batching = false"
            )


def _random(zeros: Array, scale: float) -> Array:
    """Return numbers between 0 and `scale`; 0 or 1 for integers, which may be indices, and for booleans."""
    generator = np.random.default_rng(int(scale))
    numbers: Array
    if zeros.dtype.kind == "f":
        numbers = np.asarray(generator.random(zeros.shape)) * scale
        return numbers.astype(zeros.dtype)
    if zeros.dtype.kind in "iub":
        numbers = np.asarray(generator.integers(0, 2, zeros.shape))
        return numbers.astype(zeros.dtype)
    texts = np.empty(zeros.shape, object)
    texts.fill("" if scale == 1.0 else "text")
    return texts


def _equal(first: Array, second: Array) -> bool:
    if first.dtype.kind != "f":
        return bool(np.array_equal(first, second))
    return bool(np.allclose(first, second, RELATIVE, ABSOLUTE * max(1.0, float(np.abs(first).max(initial=0))), True))
