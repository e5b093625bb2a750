"""Tensors: conversion between the protocol's JSON or bytes and numpy, checked before memory is allocated."""

from __future__ import annotations

import struct
from math import prod
from typing import Any

import ml_dtypes
import msgspec
import numpy as np

from governance.errors import BadRequestError
from governance.oip.elements import elements_of, json_of
from governance.oip.messages import InputTensor

Array = np.ndarray[Any, Any]

# BYTES tensors contain text, since ONNX strings are UTF-8. numpy has no BF16: such tensors are float32 arrays here, and
# only their bytes are BF16.
NUMPY_TYPE_OF: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<f4"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}

_BF16 = np.dtype(ml_dtypes.bfloat16)


def array_from_binary(tensor: InputTensor, raw: memoryview) -> Array:
    """Return the tensor over these bytes: without a copy, except for BOOL, BYTES and BF16.

    Raises:
        BadRequestError: if their number is not what the shape says.
    """
    if tensor.datatype == "BYTES":
        return _object_array(_strings_from_binary(tensor, raw), tensor)
    dtype = _BF16 if tensor.datatype == "BF16" else NUMPY_TYPE_OF[tensor.datatype]
    expected = prod(tensor.shape) * dtype.itemsize
    if len(raw) != expected:
        raise BadRequestError(f"input '{tensor.name}': expected {expected} bytes, received {len(raw)}")
    if tensor.datatype == "BOOL":
        # A byte other than 0 and 1 is not a boolean, and numpy's comparisons with it are undefined.
        flags: Array = np.frombuffer(raw, np.uint8) != 0
        return flags.reshape(tensor.shape)
    array: Array = np.frombuffer(raw, dtype).reshape(tensor.shape)
    return array.astype(np.float32) if dtype is _BF16 else array


def array_from_json(tensor: InputTensor, number: int = 0) -> Array:
    """Return the tensor of a JSON list, flat or nested by its shape.

    Args:
        tensor: The input.
        number: Its place in the request's `inputs`.

    Raises:
        BadRequestError: if the number or the type of the elements is not what shape and datatype say.
    """
    if tensor.data is msgspec.UNSET:
        raise BadRequestError(f"input '{tensor.name}' has neither data nor a binary_data_size")
    dtype = NUMPY_TYPE_OF[tensor.datatype]
    try:
        values = elements_of(bytes(tensor.data), tensor.shape, dtype.kind)
    except BadRequestError as error:
        raise BadRequestError(f"inputs[{number}].{error}, in input '{tensor.name}' ({tensor.datatype})") from None
    expected = prod(tensor.shape)
    if len(values) != expected:
        raise BadRequestError(f"input '{tensor.name}': expected {expected} elements, received {len(values)}")
    if dtype.kind == "O":
        return _object_array(values, tensor)
    try:
        with np.errstate(over="raise"):
            array = np.array(values, dtype).reshape(tensor.shape)
            return _rounded(array) if tensor.datatype == "BF16" else array
    except (OverflowError, FloatingPointError):
        raise BadRequestError(f"input '{tensor.name}': a value is out of the range of {tensor.datatype}") from None


def _rounded(array: Array) -> Array:
    """Return float32 numbers rounded to BF16.

    Raises:
        OverflowError: if a finite number is rounded to an infinity.
    """
    with np.errstate(over="ignore"):
        rounded: Array = array.astype(_BF16).astype(np.float32)
    if (np.isinf(rounded) & np.isfinite(array)).any():
        raise OverflowError
    return rounded


def binary_from_array(array: Array, datatype: str = "") -> bytes | memoryview:
    """Return a tensor's bytes: little-endian, row by row; BYTES with 4 bytes of length before each element.

    Args:
        array: The tensor.
        datatype: Its datatype, if that is not the array's own: `BF16` for float32.
    """
    if datatype == "BF16":
        array = array.astype(_BF16)
    if array.dtype.kind in "OSU":
        texts = [_text_bytes(value) for value in array.ravel().tolist()]
        return b"".join(piece for text in texts for piece in (struct.pack("<I", len(text)), text))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def json_from_array(array: Array) -> list[Any] | msgspec.Raw:
    """Return a tensor's elements as a flat list for JSON; NaN and infinities are written as words."""
    if array.dtype.kind in "OSU":
        return [_text_bytes(value).decode("utf-8", "replace") for value in array.ravel().tolist()]
    return json_of(array)


def _strings_from_binary(tensor: InputTensor, raw: memoryview) -> list[str]:
    expected, offset = prod(tensor.shape), 0
    strings: list[str] = []
    while offset < len(raw):
        if len(strings) == expected or offset + 4 > len(raw):
            break
        (length,) = struct.unpack_from("<I", raw, offset)
        end = offset + 4 + length
        if end > len(raw):
            break
        try:
            strings.append(str(raw[offset + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequestError(f"input '{tensor.name}': an element is not UTF-8") from None
        offset = end
    if offset != len(raw) or len(strings) != expected:
        raise BadRequestError(f"input '{tensor.name}': expected {expected} elements, each with its length before it")
    return strings


def _object_array(values: list[str], tensor: InputTensor) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(tensor.shape)


def _text_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
