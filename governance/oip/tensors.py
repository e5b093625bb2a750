"""Tensors: conversion between the protocol's JSON or bytes and numpy, checked before memory is allocated."""

from __future__ import annotations

import struct
from math import prod
from typing import Any

import msgspec
import numpy as np

from governance.errors import BadRequestError
from governance.oip.messages import MAX_RANK, InputTensor

Array = np.ndarray[Any, Any]

# BYTES tensors contain text, since ONNX strings are UTF-8; BF16 has no numpy type and is not supported.
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
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}

_any_list = msgspec.json.Decoder(list[Any])
_list_type_of: dict[str, Any] = {"b": list[bool], "i": list[int], "u": list[int], "f": list[float], "O": list[str]}
_flat_list = {kind: msgspec.json.Decoder(list_type) for kind, list_type in _list_type_of.items()}


def verify_shape(tensor: InputTensor, datatype: str, shape: tuple[int, ...], max_batch: int) -> None:
    """Refuse a tensor whose type or shape is not the model's.

    Args:
        tensor: the request's input.
        datatype: the model's datatype.
        shape: the model's shape, -1 for variable dimensions; a -1 in front is the batch.
        max_batch: the largest batch that the settings allow.

    Raises:
        BadRequestError: with the expected and the received value.
    """
    if tensor.datatype != datatype:
        raise BadRequestError(f"input '{tensor.name}': expected datatype {datatype}, received {tensor.datatype[:16]}")
    received = tensor.shape
    fits = len(received) == len(shape) <= MAX_RANK and all(
        size == wanted or (wanted == -1 and 1 <= size < 2**40) for size, wanted in zip(received, shape, strict=True)
    )
    if not fits:
        shown = str(received[:MAX_RANK])[:120]
        raise BadRequestError(f"input '{tensor.name}': expected shape {list(shape)}, received {shown}")
    if shape and shape[0] == -1 and received[0] > max_batch:
        raise BadRequestError(f"input '{tensor.name}': a batch of {received[0]} is over the limit of {max_batch}")


def array_from_binary(tensor: InputTensor, raw: memoryview) -> Array:
    """Return the tensor over these bytes: without a copy, except for BYTES.

    Raises:
        BadRequestError: if their number is not what the shape says.
    """
    if tensor.datatype == "BYTES":
        return _object_array(_strings_from_binary(tensor, raw), tensor)
    dtype = NUMPY_TYPE_OF[tensor.datatype]
    expected = prod(tensor.shape) * dtype.itemsize
    if len(raw) != expected:
        raise BadRequestError(f"input '{tensor.name}': expected {expected} bytes, received {len(raw)}")
    if tensor.datatype == "BOOL":
        # A byte other than 0 and 1 is not a boolean, and numpy's comparisons with it are undefined.
        flags: Array = np.frombuffer(raw, np.uint8) != 0
        return flags.reshape(tensor.shape)
    return np.frombuffer(raw, dtype).reshape(tensor.shape)


def array_from_json(tensor: InputTensor) -> Array:
    """Return the tensor of a JSON list, flat or nested by its shape.

    Raises:
        BadRequestError: if the number or the type of the elements is not what shape and datatype say.
    """
    if tensor.data is msgspec.UNSET:
        raise BadRequestError(f"input '{tensor.name}' has neither data nor a binary_data_size")
    dtype = NUMPY_TYPE_OF[tensor.datatype]
    values = _elements(tensor, dtype)
    expected = prod(tensor.shape)
    if len(values) != expected:
        raise BadRequestError(f"input '{tensor.name}': expected {expected} elements, received {len(values)}")
    if dtype.kind == "O":
        return _object_array(values, tensor)
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype).reshape(tensor.shape)
    except (OverflowError, FloatingPointError):
        raise BadRequestError(f"input '{tensor.name}': a value is out of the range of {tensor.datatype}") from None


def binary_from_array(array: Array) -> bytes | memoryview:
    """Return a tensor's bytes: little-endian, row by row; BYTES with 4 bytes of length before each element."""
    if array.dtype.kind in "OSU":
        texts = [_text_bytes(value) for value in array.ravel().tolist()]
        return b"".join(piece for text in texts for piece in (struct.pack("<I", len(text)), text))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def json_from_array(array: Array) -> list[Any]:
    """Return a tensor's elements as a flat list for JSON; NaN and infinities become null there."""
    values: list[Any] = array.ravel().tolist()
    if array.dtype.kind in "OSU":
        return [_text_bytes(value).decode("utf-8", "replace") for value in values]
    return values


def _elements(tensor: InputTensor, dtype: np.dtype[Any]) -> list[Any]:
    raw = bytes(tensor.data)  # type: ignore[arg-type]
    try:
        values: list[Any] = _flat_list[dtype.kind].decode(raw)
        return values
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        flat: list[Any] = []
        _flatten(_any_list.decode(raw), len(tensor.shape), flat)
        converted: list[Any] = msgspec.convert(flat, _list_type_of[dtype.kind])
        return converted
    except (msgspec.MsgspecError, RecursionError, BadRequestError, UnicodeDecodeError):
        message = f"input '{tensor.name}': data must be a list of {tensor.datatype} elements, flat or nested by shape"
        raise BadRequestError(message) from None


def _flatten(values: list[Any], depth: int, flat: list[Any]) -> None:
    for value in values:
        if isinstance(value, list):
            if depth <= 1:
                raise BadRequestError("nested deeper than its shape")
            _flatten(value, depth - 1, flat)
        else:
            flat.append(value)


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
