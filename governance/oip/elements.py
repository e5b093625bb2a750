"""Elements of a tensor in JSON: a list, flat or nested by its shape, whose numbers may be NaN or infinite.

JSON has no NaN and no infinities (RFC 8259). As in Triton, the words NaN, Infinity and -Infinity are taken and written;
as in MLServer, null is taken as NaN. Clients that write strict JSON may send the words as strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from governance.errors import BadRequestError
from governance.oip.explain import fault_of_data

Array = np.ndarray[Any, Any]

_WORDS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf, None: np.nan}
# A string, or one of the words outside of strings.
_STRING_OR_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_any_value = msgspec.json.Decoder(Any)
_list_type_of: dict[str, Any] = {"b": list[bool], "i": list[int], "u": list[int], "f": list[float], "O": list[str]}
_flat_list = {kind: msgspec.json.Decoder(list_type) for kind, list_type in _list_type_of.items()}


def quoted_words(head: bytes | memoryview) -> bytes:
    """Return a JSON document in which the words NaN, Infinity and -Infinity outside of strings are strings.

    Example:
        `{"data": [NaN, "a NaN"]}` becomes `{"data": ["NaN", "a NaN"]}`.
    """
    return _STRING_OR_WORD.sub(lambda found: found[0] if found[0][:1] == b'"' else b'"' + found[0] + b'"', bytes(head))


def elements_of(data: bytes, shape: Sequence[int], kind: str) -> list[Any]:
    """Return the elements of a tensor, row by row.

    Args:
        data: The JSON value `data` of the tensor.
        shape: The tensor's shape.
        kind: The kind of its numpy type: `b`, `i`, `u`, `f` or `O`.

    Raises:
        BadRequestError: with the place, if it is neither flat nor nested by the shape, or an element has a wrong type.
    """
    try:
        values: list[Any] = _flat_list[kind].decode(data)
        return values
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        document: Any = _any_value.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        reason = fault_of_data(quoted_words(data), kind)
        raise BadRequestError(reason or "data is not a list, or is nested too deeply") from None
    if not shape and not isinstance(document, list):
        document = [document]
    flat = _flattened(document, shape)
    if kind == "f":
        flat = [
            _WORDS[value] if value is None or (isinstance(value, str) and value in _WORDS) else value for value in flat
        ]
    try:
        converted: list[Any] = msgspec.convert(flat, _list_type_of[kind])
    except msgspec.ValidationError as error:
        raise BadRequestError(fault_of_data(quoted_words(data), kind) or f"data: {error}") from None
    return converted


def json_of(array: Array) -> list[Any] | msgspec.Raw:
    """Return the elements of numbers for JSON, row by row; NaN and infinities are written as words, as Triton does."""
    values: list[Any] = array.ravel().tolist()
    if array.dtype.kind != "f" or bool(np.isfinite(array).all()):
        return values
    return msgspec.Raw(json.dumps(values, separators=(",", ":")).encode())


def _flattened(document: Any, shape: Sequence[int]) -> list[Any]:
    """Return the elements of nested lists; a list without lists in it is returned as it is."""
    if not isinstance(document, list):
        raise BadRequestError(fault_of_data(msgspec.json.encode(document), "f") or "data is not a list")
    if not any(isinstance(item, list) for item in document):
        return document
    level: list[Any] = [document]
    for depth, size in enumerate(shape):
        for number, item in enumerate(level):
            if not isinstance(item, list) or len(item) != size:
                found = f"{len(item)} elements" if isinstance(item, list) else "no list"
                raise BadRequestError(
                    f"{_place(number, shape[:depth])} is expected to have {size} elements, and is {found}"
                )
        level = list(chain.from_iterable(level))
    deeper = next((number for number, item in enumerate(level) if isinstance(item, list)), None)
    if deeper is not None:
        raise BadRequestError(f"{_place(deeper, shape)} is a list, so data is nested deeper than its shape")
    return level


def _place(number: int, sizes: Sequence[int]) -> str:
    """Return where the list with this number is: `data[1][0]` is number 2 of the lists in sizes `[2, 2]`."""
    indices: list[int] = []
    for size in reversed(sizes):
        number, index = divmod(number, size)
        indices.append(index)
    return "data" + "".join(f"[{index}]" for index in reversed(indices))
