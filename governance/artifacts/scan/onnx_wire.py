"""Counting of the protobuf messages in an ONNX file by its wire format, before a parser builds objects.

Parsed messages can take a hundred times the bytes of their file, and deep nesting overflows a parser's stack; this walk
needs neither memory nor stack. Sources: protobuf.dev/programming-guides/encoding, onnx/onnx.proto (field numbers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from governance.errors import ManifestMismatchError

# For each kind of message: field number -> kind of the message in that field. Other fields are skipped.
_FIELDS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 8: "opset", 14: "entry", 20: "training", 25: "function"},
        "graph": {
            1: "node",
            5: "tensor",
            11: "value",
            12: "value",
            13: "value",
            14: "entry",
            15: "sparse",
            16: "entry",
        },
        "node": {5: "attribute", 9: "entry"},
        "attribute": {
            5: "tensor",
            6: "graph",
            10: "tensor",
            11: "graph",
            14: "type",
            15: "type",
            22: "sparse",
            23: "sparse",
        },
        "tensor": {13: "entry"},
        "sparse": {1: "tensor", 2: "tensor"},
        "function": {7: "node", 9: "opset", 11: "attribute", 12: "value", 14: "entry"},
        "training": {1: "graph", 2: "graph", 3: "entry", 4: "entry"},
        "value": {2: "type", 4: "entry"},
        "type": {4: "type", 5: "type", 9: "type"},
    }
)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def count_messages(content: memoryview, *, max_messages: int, max_depth: int) -> Counter[str]:
    """Return the number of messages of each kind in a ModelProto.

    Args:
        content: Bytes of the file.
        max_messages: Greatest number of all messages.
        max_depth: Greatest nesting of graphs and types.

    Raises:
        ManifestMismatchError: if it is malformed or exceeds a limit.
    """
    counts: Counter[str] = Counter()
    pending = [("model", 0, len(content), 0)]
    while pending:
        kind, position, end, depth = pending.pop()
        fields = _FIELDS.get(kind, {})
        while position < end:
            key, position = _varint(content, position, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                _, position = _varint(content, position, end)
            elif wire == _BYTES:
                length, position = _varint(content, position, end)
                if length > end - position:
                    raise ManifestMismatchError("it is not an ONNX model: a field is longer than its message")
                inner = fields.get(number)
                if inner is not None:
                    counts[inner] += 1
                    deeper = depth + (inner in ("graph", "type"))
                    if deeper > max_depth:
                        raise ManifestMismatchError(f"its graphs or types are nested more than {max_depth} deep")
                    if counts.total() > max_messages:
                        raise ManifestMismatchError(f"it has more than {max_messages} nodes, tensors and attributes")
                    pending.append((inner, position, position + length, deeper))
                position += length
            elif wire in (_FIXED32, _FIXED64):
                position += 4 if wire == _FIXED32 else 8
            else:
                raise ManifestMismatchError("it is not an ONNX model: a field has an unknown wire type")
        if position != end:
            raise ManifestMismatchError("it is not an ONNX model: it is truncated")
    return counts


def _varint(content: memoryview, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= end or shift >= 7 * _MAX_VARINT_BYTES:
            raise ManifestMismatchError("it is not an ONNX model: a number is truncated or too long")
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
