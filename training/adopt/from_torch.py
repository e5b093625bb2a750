"""PyTorch: modules, by the exporter of torch.export or by the older one of TorchScript."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from training.adopt.model import Array, Converted, Tensors, needed
from training.config import TrainingError

OPSET = 18


def convert(model: Any, examples: Tensors, file: Path) -> Converted:
    """Write a module; its forward takes the examples in their order, and its first axes are the batch."""
    torch = needed("torch")
    model = model.eval()
    # The exporter takes a batch of 1 for a fixed size.
    tensors = tuple(torch.from_numpy(np.ascontiguousarray(array[:2])) for array in examples.values())
    try:
        _by_torch_export(torch, model, tensors, list(examples), file)
    except Exception as first:
        try:
            _by_torchscript(torch, model, tensors, list(examples), file)
        except Exception as second:
            raise TrainingError(
                f"neither exporter of torch converts {type(model).__name__}: {_line(first)}; {_line(second)}"
            ) from None

    def expected(given: Tensors) -> list[Array]:
        with torch.no_grad():
            answer = model(*(torch.from_numpy(np.ascontiguousarray(array)) for array in given.values()))
        answers = answer if isinstance(answer, tuple | list) else (answer,)
        return [one.numpy() for one in answers]

    return Converted(f"torch {torch.__version__}", expected)


def _by_torch_export(torch: Any, model: Any, tensors: tuple[Any, ...], names: list[str], file: Path) -> None:
    needed("onnxscript")
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        # It warns about itself: of opsets, of its own deprecated parts.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, tensors, file, input_names=names, opset_version=OPSET, dynamo=True, external_data=False,
            dynamic_shapes=tuple({0: batch} for _ in tensors), verbose=False,
        )  # fmt: skip


def _by_torchscript(torch: Any, model: Any, tensors: tuple[Any, ...], names: list[str], file: Path) -> None:
    with torch.no_grad():
        answer = model(*tensors)
    outputs = [f"output_{number}" for number in range(len(answer) if isinstance(answer, tuple | list) else 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, tensors, file, input_names=names, output_names=outputs, opset_version=17, dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
        )  # fmt: skip


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
