"""Runs with BF16 tensors, which numpy does not have: they are float32 everywhere else, and converted here.

Each BF16 number is a float32 number, so outputs are exact; inputs are rounded to the nearest, ties to even.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from governance.runtime.signature import TensorSpec

Array = np.ndarray[Any, Any]

# The number of the type in ONNX (TensorProto.BFLOAT16).
_ONNX_TYPE = 16


def run_with_bfloat16(session: Any, inputs: Mapping[str, Array], specs: Sequence[TensorSpec], names: list[str]) -> Any:
    """Run a session of which an input or an output is BF16.

    Args:
        session: An `InferenceSession`.
        inputs: A tensor for each input; float32 for BF16.
        specs: The inputs.
        names: The outputs to return.

    Returns:
        The outputs in the order of `names`; float32 for BF16.
    """
    binding = session.io_binding()
    kept = [_value(inputs[spec.name], spec) for spec in specs]
    for spec, value in zip(specs, kept, strict=True):
        binding.bind_ortvalue_input(spec.name, value)
    for name in names:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    return [_array(value) for value in binding.get_outputs()]


def _value(array: Array, spec: TensorSpec) -> Any:
    from onnxruntime import OrtValue

    if spec.datatype != "BF16":
        return OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    bits = array.astype(ml_dtypes.bfloat16).view(np.uint16)
    return OrtValue.ortvalue_from_numpy_with_onnx_type(np.ascontiguousarray(bits).reshape(array.shape), _ONNX_TYPE)


def _array(value: Any) -> Array | None:
    if not value.has_value():
        return None
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    shape = value.shape()
    raw = ctypes.string_at(value.data_ptr(), prod(shape) * 2) if prod(shape) else b""
    return np.frombuffer(raw, ml_dtypes.bfloat16).reshape(shape).astype(np.float32)
