"""Helpers that read nodes of an ONNX graph, for the modules that rewrite the tagger's graph to make it faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by their names."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """Return for each value that a node computes that node, by the name of the value."""
    return {output: node for node in graph.node for output in node.output}


def ancestors(graph: onnx.GraphProto, value: str) -> list[onnx.NodeProto]:
    """Return the nodes that compute a value, directly or not, in their order in the graph."""
    names, found = {value}, []
    # A node comes after those that compute its inputs, so one pass from the end is enough.
    for node in reversed(graph.node):
        if names & set(node.output):
            names |= set(node.input)
            found.append(node)
    return found[::-1]


def add_constant(graph: onnx.GraphProto, name: str, value: Any) -> str:
    """Add a constant to a graph, and return its name.

    Args:
        graph: is changed.
        name: unique in the graph.
        value: an array, or a list of integers.
    """
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def makes_zeros(node: onnx.NodeProto) -> bool:
    """Return whether a node computes nothing but zeros, of any shape."""
    value = attributes(node).get("value")
    return node.op_type == "ConstantOfShape" and (value is None or not numpy_helper.to_array(value).any())
