"""Keras 3: models on any of its backends, by Keras' own exporter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from training.adopt.model import Array, Converted, Tensors, needed


def convert(model: Any, examples: Tensors, file: Path) -> Converted:
    """Write a built model; the batch stays free."""
    keras = needed("keras")
    first = [array[:1] for array in examples.values()]
    model(first[0] if len(first) == 1 else first)
    with warnings.catch_warnings():
        # Exporters of the backends warn about themselves.
        warnings.simplefilter("ignore")
        model.export(file, format="onnx", verbose=False)

    def expected(tensors: Tensors) -> list[Array]:
        arrays = list(tensors.values())
        answer = model.predict(arrays[0] if len(arrays) == 1 else arrays, verbose=0)
        return [np.asarray(one) for one in (answer if isinstance(answer, list | tuple) else [answer])]

    return Converted(f"keras {keras.__version__} on {keras.backend.backend()}", expected)
