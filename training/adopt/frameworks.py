"""Which framework a model is of, by the modules of its classes: none is imported to find out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from training.adopt.model import Converted, Tensors
from training.config import TrainingError

Converter = Callable[[Any, Tensors, Path], Converted]

# The first match counts: models of XGBoost and LightGBM are scikit-learn's estimators too, and Keras' may be torch's.
CONVERTERS: Mapping[str, str] = MappingProxyType(
    {
        "xgboost": "training.adopt.from_boosting:convert_xgboost",
        "lightgbm": "training.adopt.from_boosting:convert_lightgbm",
        "keras": "training.adopt.from_keras:convert",
        "sklearn": "training.adopt.from_sklearn:convert",
        "torch": "training.adopt.from_torch:convert",
    }
)


def converter_of(model: object) -> Converter:
    """Return the function that converts a model.

    Raises:
        TrainingError: if it is of none of the known frameworks.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    for package, place in CONVERTERS.items():
        if package in packages:
            module, _, name = place.partition(":")
            converter: Converter = getattr(import_module(module), name)
            return converter
    raise TrainingError(
        f"{type(model).__module__}.{type(model).__name__} is no model of {', '.join(CONVERTERS)}: convert it to ONNX, "
        "and adopt the .onnx file"
    )
