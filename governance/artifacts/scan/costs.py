"""Costs of an ONNX graph: memory that it takes without holding it, nodes that it expands to, and runs of its loops.

A file of some hundred bytes can create a tensor of a terabyte (ConstantOfShape), expand to billions of nodes (functions
that call each other), or loop forever. All sizes are computed with Python's integers, which do not overflow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import prod
from typing import Any

import onnx
from onnx import numpy_helper

from governance.artifacts.format.packing import is_external
from governance.artifacts.scan.graph import bodies, item_bytes, subgraphs
from governance.artifacts.scan.limits import ScanLimits

_SMALL_ELEMENTS = 64
_UNKNOWN_BYTES = 16


class GraphCosts:
    """The costs of one parsed model.

    Args:
        model: The parsed ModelProto.
        limits: The limits.
    """

    def __init__(self, model: Any, limits: ScanLimits) -> None:
        self._model, self._limits = model, limits
        self._functions = {(item.domain, item.name): item for item in model.functions}
        self._constants: dict[str, list[int]] = {}

    def findings(self) -> Iterator[tuple[str, str]]:
        """Yield the place (node, function or "") and the reason of each cost above its limit."""
        every = list(bodies(self._model))
        for body in every:
            self._collect_constants(body)
        for body in every:
            for node in body.node:
                yield from self._created_bytes(node)
        yield from self._expansion()
        for body in (self._model.graph, *self._model.functions):
            yield from self._trips(body, 1)

    def value_findings(self, value: Any) -> Iterator[tuple[str, str]]:
        """Yield a finding if a value takes too many bytes; free dimensions count as 1.

        Args:
            value: A ValueInfoProto.
        """
        if not value.type.HasField("tensor_type"):
            return
        tensor = value.type.tensor_type
        dimensions = [d.dim_value for d in tensor.shape.dim if d.HasField("dim_value")]
        size = prod(max(d, 1) for d in dimensions) * item_bytes(tensor.elem_type)
        limit = self._limits.max_value_bytes
        if any(d < 0 for d in dimensions) or size > limit:
            yield f"value '{value.name[:80]}'", f"it takes {size} bytes; the limit is {limit}"

    def _collect_constants(self, body: Any) -> None:
        """Collect small integer constants: shapes, counts and repeats, as far as they are known without running."""
        for tensor in getattr(body, "initializer", ()):
            self._collect(tensor.name, _integers(tensor))
        for node in body.node:
            if node.op_type == "Constant" and node.output:
                for attribute in node.attribute:
                    self._collect(node.output[0], _constant(attribute))

    def _collect(self, name: str, values: list[int] | None) -> None:
        """Store a constant; of two with the same name (in different bodies), the larger one counts."""
        if values is not None:
            before = self._constants.get(name)
            if before is None or abs(prod(values)) > abs(prod(before)):
                self._constants[name] = values

    def _created_bytes(self, node: Any) -> Iterator[tuple[str, str]]:
        size, limit = self._constant_bytes(node), self._limits.max_constant_bytes
        if size is not None and size > limit:
            place = f"node '{node.name[:80]}' ({node.op_type[:80]})"
            yield place, f"it creates a tensor of {size} bytes; the limit is {limit}"

    def _constant_bytes(self, node: Any) -> int | None:
        """Return how many bytes a node creates whatever its input is, as far as constants determine it, or None.

        Sizes that depend on the element type of an unknown input are counted in elements, which is a lower bound.
        """
        attributes = {attribute.name: attribute for attribute in node.attribute}
        known = [self._constants.get(name) for name in node.input]
        size: int | None = None
        match node.op_type, *known:
            case "ConstantOfShape", [*shape]:
                fill = attributes["value"].t.data_type if "value" in attributes else onnx.TensorProto.FLOAT
                size = prod(shape) * item_bytes(fill)
            case ("Expand", _, [*shape]) | ("Tile", _, [*shape]) | ("Resize", _, _, _, [*shape]):
                size = prod(shape)
            case "OneHot", _, [depth, *_], *_:
                size = depth
            case "Pad", _, [*pads], *_:
                size = max(pads, default=0)
            case "Range", [start], [limit], [delta] if delta:
                size = max(0, -(-(limit - start) // delta)) * 8
            case "RandomNormal" | "RandomUniform", *_ if "shape" in attributes:
                size = prod(attributes["shape"].ints) * _UNKNOWN_BYTES
            case "Multinomial", *_ if "sample_size" in attributes:
                size = attributes["sample_size"].i * 8
            case "HannWindow" | "HammingWindow" | "BlackmanWindow", [length, *_]:
                size = length * 8
            case "ConvTranspose", *_ if "output_shape" in attributes:
                size = prod(attributes["output_shape"].ints)
            case "Pad", *_ if "pads" in attributes:
                size = max(attributes["pads"].ints, default=0)
        return size

    def _expansion(self) -> Iterator[tuple[str, str]]:
        """Count the nodes after all local functions are expanded, without expanding them.

        Functions are counted depth first with a stack of our own: deep call chains must not use Python's stack.
        """
        sizes: dict[tuple[str, str], int] = {}
        on_path: dict[tuple[str, str], bool] = {}

        def callees(nodes: Any) -> Iterator[tuple[str, str]]:
            pending = deque(nodes)
            while pending:
                node = pending.popleft()
                yield (node.domain, node.op_type)
                for subgraph in subgraphs(node):
                    pending.extend(subgraph.node)

        def size_of(nodes: Any) -> int:
            return sum(1 + sizes.get(name, 0) for name in callees(nodes))

        stack = list(self._functions)
        while stack:
            name = stack[-1]
            if name in sizes:
                stack.pop()
                continue
            called = [callee for callee in callees(self._functions[name].node) if callee in self._functions]
            uncounted = [callee for callee in called if callee not in sizes]
            if any(on_path.get(callee) for callee in uncounted) or name in uncounted:
                yield f"function '{name[1][:80]}'", "it calls itself"
                return
            if uncounted:
                on_path[name] = True
                stack.extend(uncounted)
                continue
            sizes[name] = size_of(self._functions[name].node)
            on_path[name] = False
            stack.pop()
        total = size_of(self._model.graph.node)
        if total > self._limits.max_nodes:
            yield "", f"it expands to {total} nodes; the limit is {self._limits.max_nodes}"

    def _trips(self, body: Any, outer: int) -> Iterator[tuple[str, str]]:
        """Multiply the trip counts of nested loops; a loop without a trip count is refused."""
        for node in body.node:
            inner = outer
            if node.op_type == "Loop":
                place = f"node '{node.name[:80]}' (Loop)"
                count = node.input[0] if node.input else ""
                trips = self._constants.get(count)
                if not count:
                    yield place, "it has no trip count, so nothing bounds it"
                    continue
                inner = outer * max(trips[0], 1) if trips else outer
                if inner > self._limits.max_trips:
                    yield place, f"it runs {inner} times; the limit is {self._limits.max_trips}"
                    continue
            for subgraph in subgraphs(node):
                yield from self._trips(subgraph, inner)


def _constant(attribute: Any) -> list[int] | None:
    match attribute.name:
        case "value":
            return _integers(attribute.t)
        case "value_ints":
            return list(attribute.ints)[:_SMALL_ELEMENTS]
        case "value_int":
            return [attribute.i]
    return None


def _integers(tensor: Any) -> list[int] | None:
    """Return the values of a small integer tensor, or None for any other."""
    small = (
        tensor.data_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32) and prod(tensor.dims) <= _SMALL_ELEMENTS
    )
    if not small or is_external(tensor) or any(dimension < 0 for dimension in tensor.dims):
        return None
    try:
        return [int(item) for item in numpy_helper.to_array(tensor).ravel()]
    except (ValueError, TypeError):
        return None
