"""Walking a parsed ONNX model: graphs, functions and subgraphs, and the size of elements."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import onnx

ITEM_BITS: dict[int, int] = {
    onnx.TensorProto.FLOAT: 32, onnx.TensorProto.UINT8: 8, onnx.TensorProto.INT8: 8, onnx.TensorProto.UINT16: 16,
    onnx.TensorProto.INT16: 16, onnx.TensorProto.INT32: 32, onnx.TensorProto.INT64: 64, onnx.TensorProto.BOOL: 8,
    onnx.TensorProto.FLOAT16: 16, onnx.TensorProto.DOUBLE: 64, onnx.TensorProto.UINT32: 32,
    onnx.TensorProto.UINT64: 64, onnx.TensorProto.BFLOAT16: 16, onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.FLOAT8E4M3FN: 8, onnx.TensorProto.FLOAT8E5M2: 8,
}  # fmt: skip
"""Bits of one element, by data type."""


def bodies(model: Any) -> Iterator[Any]:
    """Yield the graph of a model, its functions, and every subgraph in them."""
    pending = deque([model.graph, *model.functions])
    while pending:
        body = pending.popleft()
        pending.extend(subgraph for node in body.node for subgraph in subgraphs(node))
        yield body


def subgraphs(node: Any) -> Iterator[Any]:
    """Yield the graphs in the attributes of a node (the branches of an If, the body of a Loop)."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def item_bytes(data_type: int) -> int:
    """Return the bytes of one element, at least 1; 8 for an unknown type."""
    return ITEM_BITS.get(data_type, 64) // 8 or 1
