"""Removal of ZipMap, with which scikit-learn's exports return a list of dictionaries instead of a tensor.

The Open Inference Protocol has tensors only. The node's input is the tensor of probabilities, so the output takes it
under the same name, and the labels become the card's classes. Source: ONNX operator ai.onnx.ml.ZipMap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from governance.artifacts.format.sources import CARD_FILE, GRAPH_FILE, SourceFile, bytes_source

_OPSET = 13


def without_zipmap(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Return the files with `model.onnx` and `card.json` changed if the graph ends in ZipMap; others stay unchanged.

    Example:
        An output `sequence(map(string, float))` of a ZipMap with the labels a and b becomes a tensor of shape [-1, 2],
        and a card without classes gets `"classes": ["a", "b"]`.
    """
    by_path = {file.path: file for file in files}
    graph = by_path.get(GRAPH_FILE)
    content = graph.content() if graph is not None else b""
    if b"ZipMap" not in content:
        return tuple(by_path.values())
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError):
        return tuple(by_path.values())
    labels = [_replace(node, model) for node in model.graph.node if _is_last_zipmap(node, model)]
    if labels:
        by_path[GRAPH_FILE] = bytes_source(GRAPH_FILE, model.SerializeToString(deterministic=True))
        if all(names == labels[0] for names in labels):
            by_path[CARD_FILE] = _with_classes(by_path.get(CARD_FILE), labels[0])
    return tuple(by_path[path] for path in sorted(by_path))


def _is_last_zipmap(node: Any, model: Any) -> bool:
    outputs = {value.name for value in model.graph.output}
    return node.op_type == "ZipMap" and node.domain == "ai.onnx.ml" and set(node.output) <= outputs


def _replace(node: Any, model: Any) -> list[str]:
    """Turn a node into an Identity, and its output into a tensor of shape [batch, labels]; return the labels."""
    labels = [
        label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
        for attribute in node.attribute
        for label in (*attribute.strings, *attribute.ints)
    ]
    output = next(value for value in model.graph.output if value.name == node.output[0])
    output.type.Clear()
    output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    output.type.tensor_type.shape.dim.add().CopyFrom(_first_free_size(model.graph))
    output.type.tensor_type.shape.dim.add(dim_value=len(labels))
    node.op_type, node.domain = "Identity", ""
    node.ClearField("attribute")
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.add(domain="", version=_OPSET)
    return labels


def _first_free_size(graph: Any) -> Any:
    sizes = (dim for value in graph.input for dim in value.type.tensor_type.shape.dim[:1])
    return next((dim for dim in sizes if not dim.HasField("dim_value")), onnx.TensorShapeProto.Dimension())


def _with_classes(file: SourceFile | None, labels: Sequence[str]) -> SourceFile:
    """Return a card with the labels as classes; a card that has classes, or cannot be read, stays unchanged."""
    try:
        card: Any = json.loads(file.content()) if file is not None else {}
    except (ValueError, RecursionError):
        card = None
    if file is not None and (not isinstance(card, dict) or card.get("classes")):
        return file
    return bytes_source(CARD_FILE, (json.dumps({**card, "classes": list(labels)}, indent=2) + "\n").encode())
