"""Tensors of the Open Inference Protocol: texts and declared columns are changed, in JSON and in the binary tail.

Sources: https://github.com/kserve/open-inference-protocol, and Triton's binary tensor data extension: the values follow
the JSON part; each element of a BYTES tensor has its length before it (four bytes); numbers are little-endian, in
row-major order.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import FIELD, Operator
from governance.privacy.change.text import AnonymizeTexts

Array = np.ndarray[Any, Any]

BINARY_SIZE = "binary_data_size"
BYTES = "BYTES"
_NUMBERS = {
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4",
    "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorColumn:
    """One declared column of a tensor.

    Attributes:
        tensor: Name of the tensor.
        number: Index on the last axis; None for the whole tensor.
        operator: What happens to each value.
        data_class: Data class for the policies, or None.
        entity: What the values are, such as `AGE`.
    """

    tensor: str
    number: int | None
    operator: Operator
    data_class: str | None = None
    entity: str = FIELD


def change_columns(array: Array, columns: Sequence[TensorColumn], context: Context) -> Array:
    """Return a tensor with its declared columns changed. Training and serving both call this function.

    Args:
        array: Shape [..., columns]; numbers, or strings as objects.
        columns: The columns to change, each with its operator.
        context: Key, scope and subject of the operators.

    Raises:
        ConfigurationError: If an operator cannot be used on such values.
        BadRequestError: If the tensor has no such column, or a value is not finite.
    """
    changed = array.copy()
    for column in columns:
        if column.number is None:
            changed[...] = _changed(changed, column, context)
        elif not changed.ndim or column.number >= changed.shape[-1]:
            raise BadRequestError(f"the tensor '{column.tensor}' has fewer columns than are declared")
        else:
            changed[..., column.number] = _changed(changed[..., column.number], column, context)
    return changed


def _changed(values: Array, column: TensorColumn, context: Context) -> Array:
    if values.dtype.kind == "O":
        made = np.empty(values.shape, object)
        made.reshape(-1)[:] = [
            column.operator.change_text(str(value), column.entity, context) for value in values.ravel().tolist()
        ]
        return made
    return _changed_numbers(values, column, context)


def _changed_numbers(values: Array, column: TensorColumn, context: Context) -> Array:
    """Change numbers so that they keep their type; operators that erase a value leave 0.

    Raises:
        ConfigurationError: If the operator makes text of numbers.
        BadRequestError: If a value is not finite.
    """
    operator = column.operator
    if operator.keeps:
        return values
    if operator.definition.erases:
        return np.zeros_like(values)
    if operator.definition.change_number is None:
        raise ConfigurationError(f"the operator '{operator.name}' is for text, but '{column.tensor}' holds numbers")
    made = [operator.change_number(value, column.entity, context) for value in _finite(values, column)]
    array = np.array(made, np.float64)
    if values.dtype.kind in "iu":
        limits = np.iinfo(values.dtype)
        array = np.clip(np.rint(array), float(limits.min), float(limits.max))
    return array.astype(values.dtype).reshape(values.shape)


def _finite(values: Array, column: TensorColumn) -> list[float]:
    numbers = values.astype(np.float64).ravel()
    if not np.isfinite(numbers).all():
        raise BadRequestError(f"the declared column of '{column.tensor}' has a value that is not finite")
    listed: list[float] = numbers.tolist()
    return listed


def change_tensors(
    document: Mapping[str, Any],
    tail: memoryview,
    columns: Sequence[TensorColumn],
    context: Context,
    anonymize: AnonymizeTexts | None,
) -> tuple[bytes, Counter[str], Counter[str]]:
    """Change the tensors of an inference request or answer.

    Args:
        document: The parsed JSON part. Tensors with JSON values are changed in place, and so are the sizes of binary
            ones.
        tail: The binary values after the JSON part.
        columns: The declared columns of all tensors.
        context: Key, scope and subject of the operators.
        anonymize: Changes the elements of BYTES tensors in the tail that have no declared column; None keeps them.
            BYTES tensors in JSON are not changed here: their elements are strings of the document (`leaves`).

    Returns:
        The new tail, changed columns by operator, and changed findings by entity.

    Raises:
        BadRequestError: If the tensors do not fit their shapes, their types or the tail.
        ConfigurationError: If an operator cannot be used on such values.
    """
    pieces: list[bytes | memoryview] = []
    operators, entities = Counter[str](), Counter[str]()
    offset = 0
    for tensor in _tensors(document):
        size = _binary_size(tensor)
        wanted = [column for column in columns if column.tensor == tensor.get("name")]
        raw: bytes | memoryview = tail[offset : offset + (size or 0)]
        offset += size or 0
        if len(raw) != (size or 0):
            raise BadRequestError("the binary values end before those of the last tensor")
        if wanted:
            changed = change_columns(_array(tensor, None if size is None else memoryview(raw)), wanted, context)
            operators.update(column.operator.name for column in wanted)
            raw = _put(tensor, changed, size is not None) or raw
        elif size is not None and anonymize is not None and tensor.get("datatype") == BYTES:
            raw, found = _anonymized(memoryview(raw), anonymize)
            entities.update(found)
            tensor["parameters"][BINARY_SIZE] = len(raw)
        pieces.append(raw)
    if offset != len(tail):
        raise BadRequestError(f"the body has {len(tail) - offset} bytes that belong to no tensor")
    return b"".join(pieces), operators, entities


def _anonymized(raw: memoryview, anonymize: AnonymizeTexts) -> tuple[bytes, Counter[str]]:
    changed = anonymize(_texts(raw))
    entities = Counter[str]()
    for item in changed:
        entities.update(item.counts)
    return _lengths_and_bytes([item.text for item in changed]), entities


def _tensors(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = document.get("inputs", document.get("outputs", [])) if isinstance(document, dict) else []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadRequestError("the inputs are not a list of tensors")
    return listed


def _binary_size(tensor: Mapping[str, Any]) -> int | None:
    parameters = tensor.get("parameters", {})
    size = parameters.get(BINARY_SIZE) if isinstance(parameters, dict) else None
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0 or "data" in tensor):
        raise BadRequestError(f"a tensor's {BINARY_SIZE} is not a number of bytes, or the tensor has data too")
    return size


def _array(tensor: Mapping[str, Any], raw: memoryview | None) -> Array:
    """Return a tensor's values in its shape.

    Raises:
        BadRequestError: If its values do not fit its shape and type.
    """
    name, datatype, shape = str(tensor.get("name"))[:40], str(tensor.get("datatype")), tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise BadRequestError(f"the tensor '{name}' has no shape")
    if datatype != BYTES and datatype not in _NUMBERS:
        raise BadRequestError(f"the tensor '{name}' has a datatype whose columns cannot be changed")
    try:
        if raw is None:
            return _from_json(tensor.get("data"), datatype, shape)
        if datatype != BYTES:
            return np.frombuffer(raw, _NUMBERS[datatype]).reshape(shape)
        # With the None, numpy makes an array of objects even of texts; without it, of fixed-size strings.
        values = np.array([*_texts(raw), None], object)[:-1]
        return values.reshape(shape)
    except (ValueError, TypeError, OverflowError):
        raise BadRequestError(f"the values of the tensor '{name}' do not fit its shape and type") from None


def _from_json(data: Any, datatype: str, shape: list[int]) -> Array:
    flat: list[Any] = []
    pending = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        else:
            flat.append(value)
    kinds: tuple[type, ...] = (str,) if datatype == BYTES else (int,) if "INT" in datatype else (int, float)
    if len(flat) != prod(shape) or not all(isinstance(value, kinds) and not isinstance(value, bool) for value in flat):
        raise ValueError
    if datatype == BYTES:
        return np.array([*flat, None], object)[:-1].reshape(shape)
    with np.errstate(over="raise"):
        return np.array(flat, _NUMBERS[datatype]).reshape(shape)


def _put(tensor: dict[str, Any], array: Array, binary: bool) -> bytes | None:
    """Write changed values to the JSON part, or return them as bytes for the tail and write their size."""
    values = array.ravel()
    if not binary:
        tensor["data"] = values.tolist()
        return None
    raw = _lengths_and_bytes(values.tolist()) if array.dtype.kind == "O" else values.tobytes()
    tensor["parameters"][BINARY_SIZE] = len(raw)
    return raw


def _texts(raw: memoryview) -> list[str]:
    """Return the elements of a BYTES tensor.

    Raises:
        BadRequestError: If an element is not UTF-8, or a length goes beyond the tensor.
    """
    texts: list[str] = []
    offset = 0
    while offset < len(raw):
        end = offset + 4 + (struct.unpack_from("<I", raw, offset)[0] if offset + 4 <= len(raw) else len(raw))
        if end > len(raw):
            raise BadRequestError("the lengths in a BYTES tensor go beyond its end")
        try:
            texts.append(str(raw[offset + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequestError("an element of a BYTES tensor is not UTF-8, so it cannot be searched") from None
        offset = end
    return texts


def _lengths_and_bytes(texts: Sequence[str]) -> bytes:
    encoded = [text.encode("utf-8", "replace") for text in texts]
    return b"".join(piece for text in encoded for piece in (struct.pack("<I", len(text)), text))
