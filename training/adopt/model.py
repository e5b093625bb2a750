"""What a converter returns, and the errors that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingError

Array = NDArray[Any]
Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Converted:
    """A model that was written as ONNX.

    Attributes:
        framework: name and version of the framework that trained it.
        expected: returns the framework's own outputs for the examples, in the order of the graph's; None if there is no
            framework to compare with.
        classes: names of the classes, in the order of the last axis of the scores; empty if the model has none.
    """

    framework: str
    expected: Callable[[Tensors], list[Array]] | None
    classes: tuple[str, ...] = ()


def needed(module: str, package: str = "") -> Any:
    """Import a package that converts models.

    Raises:
        TrainingError: saying what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = package or module.partition(".")[0]
        raise TrainingError(f"this model needs the package {name}: pip install {name} ({error})") from None


def single(examples: Tensors) -> Array:
    """Return the only input, as float32: what tabular models take.

    Raises:
        TrainingError: if there are several, or it has not two axes.
    """
    if len(examples) != 1:
        raise TrainingError(f"this model takes one array, and the examples have {len(examples)}")
    (array,) = examples.values()
    if array.ndim != 2:
        raise TrainingError(f"this model takes examples of two axes (items, features), and these have {array.ndim}")
    converted: Array = array.astype(np.float32)
    return converted


def names_of(classes: Any) -> tuple[str, ...]:
    """Return the names of classes, as texts."""
    return tuple(str(name) for name in np.asarray(classes).tolist())
