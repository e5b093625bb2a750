"""What an ONNX graph may hold: the rules of admission, as findings with node and reason.

A signature says who made a model, not that it is harmless. These rules read the graph alone, and name what can reach
outside the file, hang checker or runtime, or take memory that the file does not hold. All sizes are reckoned in
Python's integers. They run in the child process of `scan.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from posixpath import dirname, join
from typing import Any

import onnx
from onnx import numpy_helper

from governance.artifacts.format.packing import external_fields, is_external
from governance.canonical import safe_relative_path
from governance.errors import BadRequestError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_SMALL_ELEMENTS = 64
_UNKNOWN_BYTES = 16

_ITEM_BITS: dict[int, int] = {
    onnx.TensorProto.FLOAT: 32, onnx.TensorProto.UINT8: 8, onnx.TensorProto.INT8: 8, onnx.TensorProto.UINT16: 16,
    onnx.TensorProto.INT16: 16, onnx.TensorProto.INT32: 32, onnx.TensorProto.INT64: 64, onnx.TensorProto.BOOL: 8,
    onnx.TensorProto.FLOAT16: 16, onnx.TensorProto.DOUBLE: 64, onnx.TensorProto.UINT32: 32,
    onnx.TensorProto.UINT64: 64, onnx.TensorProto.BFLOAT16: 16, onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.FLOAT8E4M3FN: 8, onnx.TensorProto.FLOAT8E5M2: 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much a model may ask for. `domains`: operator domains admitted beside ONNX's own."""

    domains: frozenset[str] = frozenset()
    max_nodes: int = 100_000
    max_messages: int = 2_000_000
    max_depth: int = 16
    max_constant_bytes: int = 256 * 2**20
    max_value_bytes: int = 2**30
    max_trips: int = 1_000_000
    seconds: int = 60
    memory_bytes: int = 2**31


DEFAULT_SCAN_LIMITS = ScanLimits()


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """Why a model is not admitted: the file, the node or tensor, and the reason."""

    path: str
    node: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.node, self.reason) if part)


class ScanRules:
    """The rules over one parsed model.

    Args:
        path: the model's path in the artifact; external data is looked up from its folder.
        sizes: the size of every file of the artifact, by path.
    """

    def __init__(self, path: str, model: Any, sizes: Mapping[str, int], limits: ScanLimits) -> None:
        self._path, self._model, self._sizes, self._limits = path, model, sizes, limits
        self._functions = {(item.domain, item.name): item for item in model.functions}
        self._constants: dict[str, list[int]] = {}

    def findings(self) -> Iterator[ScanFinding]:
        """Yield every finding; only when there is none may checker and runtime see the model."""
        for node, reason in self._all():
            yield ScanFinding(self._path, node, reason)

    def _all(self) -> Iterator[tuple[str, str]]:
        model = self._model
        if model.training_info:
            yield "", "it carries training information, which serving does not need"
        if any(entry.key.lower() == "ort_config" for entry in model.metadata_props):
            yield "", "its metadata configures the runtime (ort_config)"
        for opset in model.opset_import:
            if not self._admitted(opset.domain, ""):
                yield "the opset list", f"the operator domain '{opset.domain[:80]}' is not admitted"
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            yield from self._value(value)
        bodies = list(self._bodies())
        for body in bodies:
            yield from self._data(body)
        for body in bodies:
            for node in body.node:
                yield from self._node(node)
        yield from self._expansion()
        for body in (model.graph, *model.functions):
            yield from self._trips(body, 1)

    def _bodies(self) -> Iterator[Any]:
        """Yield the graph, the functions, and every graph inside them."""
        pending = deque([self._model.graph, *self._model.functions])
        while pending:
            body = pending.popleft()
            pending.extend(subgraph for node in body.node for subgraph in _subgraphs(node))
            yield body

    def _data(self, body: Any) -> Iterator[tuple[str, str]]:
        for tensor in getattr(body, "initializer", ()):
            found = list(self._tensor(tensor, f"initializer '{tensor.name[:80]}'"))
            yield from found
            if not found:
                self._remember(tensor.name, _integers(tensor))
        for sparse in getattr(body, "sparse_initializer", ()):
            yield from self._sparse(sparse, "a sparse initializer")
        for node in body.node:
            if node.op_type == "Constant" and node.output:
                for attribute in node.attribute:
                    self._remember(node.output[0], _constant(attribute))

    def _remember(self, name: str, values: list[int] | None) -> None:
        """Keep small integer constants: shapes, counts, repeats. Where two share a name, the larger one counts."""
        if values is not None:
            before = self._constants.get(name)
            if before is None or abs(prod(values)) > abs(prod(before)):
                self._constants[name] = values

    def _node(self, node: Any) -> Iterator[tuple[str, str]]:
        place = f"node '{node.name[:80]}' ({node.op_type[:80]})"
        if not self._admitted(node.domain, node.op_type):
            yield place, f"the operator domain '{node.domain[:80]}' is not admitted"
        if node.op_type == "EPContext":
            yield place, "it holds a compiled blob that nobody can check"
        for attribute in node.attribute:
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                yield from self._tensor(tensor, place)
            for sparse in (
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
                *attribute.sparse_tensors,
            ):
                yield from self._sparse(sparse, place)
        size = self._constant_bytes(node)
        if size is not None and size > self._limits.max_constant_bytes:
            yield (
                place,
                f"it makes a tensor of {size} bytes out of nothing, and {self._limits.max_constant_bytes} may be",
            )

    def _admitted(self, domain: str, operator: str) -> bool:
        known = domain in DOMAINS or domain in self._limits.domains
        own = any(domain == name[0] and operator in ("", name[1]) for name in self._functions)
        return known or own

    def _tensor(self, tensor: Any, place: str) -> Iterator[tuple[str, str]]:
        """The data must be as long as the shape says, in the graph or in a file of the artifact."""
        if any(dimension < 0 for dimension in tensor.dims):
            yield place, "it has a negative dimension"
            return
        elements, bits = prod(tensor.dims), _ITEM_BITS.get(tensor.data_type)
        if is_external(tensor) or tensor.external_data:
            yield from self._external(tensor, place, elements, bits)
        elif tensor.HasField("raw_data"):
            if bits is None or len(tensor.raw_data) != (elements * bits + 7) // 8:
                yield place, f"it holds {len(tensor.raw_data)} bytes, and its shape says otherwise"
        elif elements > self._typed_elements(tensor):
            yield place, f"its shape has {elements} elements, and it holds {self._typed_elements(tensor)}"

    @staticmethod
    def _typed_elements(tensor: Any) -> int:
        fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
        # Two packed 4-bit numbers lie in one int32.
        return 2 * max(len(getattr(tensor, field)) for field in fields)

    def _external(self, tensor: Any, place: str, elements: int, bits: int | None) -> Iterator[tuple[str, str]]:
        fields = external_fields(tensor)
        location = fields.get("location", "")
        try:
            name = safe_relative_path(join(dirname(self._path), safe_relative_path(location)))
        except BadRequestError:
            yield place, f"it keeps its data in '{location[:80]}', outside the artifact"
            return
        if name not in self._sizes:
            yield place, f"it keeps its data in '{location[:80]}', which is not in the artifact"
            return
        try:
            offset, length = int(fields.get("offset", "0")), int(fields["length"])
        except (KeyError, ValueError):
            yield place, "it does not say where its data begins and how long it is"
            return
        if offset < 0 or length < 0 or offset + length > self._sizes[name]:
            yield place, f"its data reaches beyond the end of '{location[:80]}'"
        if bits is None or length != (elements * bits + 7) // 8:
            yield place, f"its data has {length} bytes, and its shape says otherwise"

    def _sparse(self, sparse: Any, place: str) -> Iterator[tuple[str, str]]:
        yield from self._tensor(sparse.values, place)
        yield from self._tensor(sparse.indices, place)
        size = prod(sparse.dims) * (_ITEM_BITS.get(sparse.values.data_type, 64) // 8 or 1)
        if any(dimension < 0 for dimension in sparse.dims) or size > self._limits.max_constant_bytes:
            yield place, f"it is sparse, and would take {size} bytes when it is spread out"

    def _value(self, value: Any) -> Iterator[tuple[str, str]]:
        """Fixed dimensions count as they are, free ones as 1."""
        if not value.type.HasField("tensor_type"):
            return
        tensor = value.type.tensor_type
        dimensions = [d.dim_value for d in tensor.shape.dim if d.HasField("dim_value")]
        size = prod(max(d, 1) for d in dimensions) * (_ITEM_BITS.get(tensor.elem_type, 64) // 8 or 1)
        if any(d < 0 for d in dimensions) or size > self._limits.max_value_bytes:
            yield f"value '{value.name[:80]}'", f"it takes {size} bytes, and {self._limits.max_value_bytes} may be"

    def inferred_findings(self, inferred: Any) -> Iterator[ScanFinding]:
        """Yield findings over the values whose shape ONNX's inference found out."""
        for value in inferred.graph.value_info:
            for node, reason in self._value(value):
                yield ScanFinding(self._path, node, reason)

    def _constant_bytes(self, node: Any) -> int | None:
        """Return how many bytes a node makes whatever it is asked, as far as constants tell."""
        attributes = {attribute.name: attribute for attribute in node.attribute}
        known = [self._constants.get(name) for name in node.input]
        size: int | None = None
        match node.op_type, *known:
            case "ConstantOfShape", [*shape]:
                fill = attributes["value"].t.data_type if "value" in attributes else onnx.TensorProto.FLOAT
                size = prod(shape) * (_ITEM_BITS.get(fill, 64) // 8 or 1)
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
        """Count the nodes after every local function is put in place, without putting it there."""
        sizes: dict[tuple[str, str], int] = {}
        state: dict[tuple[str, str], bool] = {}

        def callees(nodes: Any) -> Iterator[tuple[str, str]]:
            pending = deque(nodes)
            while pending:
                node = pending.popleft()
                yield (node.domain, node.op_type)
                for subgraph in _subgraphs(node):
                    pending.extend(subgraph.node)

        def size_of(nodes: Any) -> int:
            return sum(1 + sizes.get(name, 0) for name in callees(nodes))

        stack = list(self._functions)
        while stack:
            name = stack[-1]
            if name in sizes:
                stack.pop()
                continue
            inner = [callee for callee in callees(self._functions[name].node) if callee in self._functions]
            open_ = [callee for callee in inner if callee not in sizes]
            if any(state.get(callee) for callee in open_) or name in open_:
                yield f"function '{name[1][:80]}'", "it calls itself"
                return
            if open_:
                state[name] = True
                stack.extend(open_)
                continue
            sizes[name] = size_of(self._functions[name].node)
            state[name] = False
            stack.pop()
        total = size_of(self._model.graph.node)
        if total > self._limits.max_nodes:
            yield "", f"it unfolds to {total} nodes, and {self._limits.max_nodes} may be"

    def _trips(self, body: Any, outer: int) -> Iterator[tuple[str, str]]:
        """Multiply the trip counts of loops within loops; a loop that nothing bounds is refused."""
        for node in body.node:
            inner = outer
            if node.op_type == "Loop":
                place = f"node '{node.name[:80]}' (Loop)"
                count = node.input[0] if node.input else ""
                trips = self._constants.get(count)
                if not count:
                    yield place, "nothing bounds how often it runs"
                    continue
                inner = outer * max(trips[0], 1) if trips else outer
                if inner > self._limits.max_trips:
                    yield place, f"it runs {inner} times, and {self._limits.max_trips} may be"
                    continue
            for subgraph in _subgraphs(node):
                yield from self._trips(subgraph, inner)


def _subgraphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


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
    """Return a small integer tensor's values, or None for any other."""
    small = (
        tensor.data_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32) and prod(tensor.dims) <= _SMALL_ELEMENTS
    )
    if not small or is_external(tensor) or any(dimension < 0 for dimension in tensor.dims):
        return None
    try:
        return [int(item) for item in numpy_helper.to_array(tensor).ravel()]
    except (ValueError, TypeError):
        return None
