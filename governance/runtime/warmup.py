"""The first run of a model, with zeros: it makes ONNX Runtime allocate, and shows whether the device can run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from governance.errors import ManifestMismatchError
from governance.runtime.bfloat16 import run_with_bfloat16
from governance.runtime.signature import TensorSpec, signature_of

MAX_EXAMPLE_BYTES = 2**30
_NUMPY_NAMES = {
    "BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "BF16": np.float32, "FP32": np.float32,
    "FP64": np.float64,
}  # fmt: skip


def example_inputs(inputs: Sequence[TensorSpec], card: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return a tensor of zeros (empty texts) for each input, with the card's `example_shape` or 1 for free sizes.

    Raises:
        ManifestMismatchError: if an `example_shape` of the card does not fit the input.
    """
    declared = {
        item.get("name"): item.get("example_shape") for item in card.get("inputs") or () if isinstance(item, Mapping)
    }
    return {spec.name: _zeros(spec, declared.get(spec.name)) for spec in inputs}


def run_example(session: Any, graph: bytes, card: Mapping[str, Any]) -> None:
    """Run a session once with the example of its inputs.

    Args:
        session: an `InferenceSession`.
        graph: its serialized ModelProto.
        card: the model's card.

    Raises:
        Exception: what ONNX Runtime raises if it refuses the tensors.
    """
    signature = signature_of(session, graph, card)
    inputs, names = example_inputs(signature.inputs, card), [output.name for output in signature.outputs]
    if any(spec.datatype == "BF16" for spec in (*signature.inputs, *signature.outputs)):
        run_with_bfloat16(session, inputs, signature.inputs, names)
    else:
        session.run(names, inputs)


def guessed(inputs: Sequence[TensorSpec], card: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs with free sizes for which the card has no `example_shape`."""
    declared = {item["name"] for item in card.get("inputs") or () if item.get("example_shape") is not None}
    return [spec.name for spec in inputs if (-1 in spec.shape or not spec.is_ranked) and spec.name not in declared]


def _zeros(spec: TensorSpec, example: Any) -> np.ndarray[Any, Any]:
    shape = _verified(spec, example) if example is not None else [1 if size == -1 else size for size in spec.shape]
    made = np.zeros(shape, numpy_type(spec.datatype))
    if spec.datatype == "BYTES":
        made.fill("")
    return made


def _verified(spec: TensorSpec, example: Any) -> list[int]:
    fits = (
        isinstance(example, list)
        and all(type(size) is int and size >= 0 for size in example)
        and (not spec.is_ranked or len(example) == len(spec.shape))
        and all(size in (-1, given) for size, given in zip(spec.shape, example, strict=False))
    )
    if not fits:
        raise ManifestMismatchError(
            f"card.json: 'example_shape' of '{spec.name}' must be a list of sizes that fits {list(spec.shape)}"
        )
    sizes: list[int] = example
    if prod(sizes) * 8 > MAX_EXAMPLE_BYTES:
        raise ManifestMismatchError(f"card.json: 'example_shape' of the input '{spec.name}' is too large to try")
    return sizes


def numpy_type(datatype: str) -> Any:
    """Return the numpy type of a datatype of the protocol; BF16, which numpy does not have, is held in float32."""
    return _NUMPY_NAMES.get(datatype) or np.dtype(datatype.lower())
