"""Rules on the content of an ONNX graph: operators, and tensors whose data must be in the artifact.

A signature says who made a model, not that it is harmless. These rules refuse what can read other files, run foreign
code, or make the checker or the runtime read beyond a buffer. They run in the child process of `scan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from posixpath import dirname, join
from typing import Any

from governance.artifacts.format.packing import external_fields, is_external
from governance.artifacts.scan.costs import GraphCosts
from governance.artifacts.scan.graph import ITEM_BITS, bodies, item_bytes
from governance.artifacts.scan.limits import ScanFinding, ScanLimits
from governance.canonical import safe_relative_path
from governance.errors import BadRequestError

_NUMBER = re.compile(r"[0-9]{1,19}")
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


class ScanRules:
    """The rules and costs of one parsed model.

    Args:
        path: Path of the model in the artifact; external data is relative to its folder.
        model: The parsed ModelProto.
        sizes: Size in bytes of every file of the artifact, by path.
        limits: The limits.
    """

    def __init__(self, path: str, model: Any, sizes: Mapping[str, int], limits: ScanLimits) -> None:
        self._path, self._model, self._sizes, self._limits = path, model, sizes, limits
        self._functions = frozenset((item.domain, item.name) for item in model.functions)
        self._costs = GraphCosts(model, limits)

    def findings(self) -> Iterator[ScanFinding]:
        """Yield every finding; only a model without one may be passed to the checker and the runtime."""
        for place, reason in self._all():
            yield ScanFinding(self._path, place, reason)

    def inferred_findings(self, inferred: Any) -> Iterator[ScanFinding]:
        """Yield findings on the values whose shapes ONNX's shape inference computed.

        Args:
            inferred: The ModelProto with inferred shapes.
        """
        for value in inferred.graph.value_info:
            for place, reason in self._costs.value_findings(value):
                yield ScanFinding(self._path, place, reason)

    def _all(self) -> Iterator[tuple[str, str]]:
        model = self._model
        if model.training_info:
            yield "", "it contains training information, which serving does not need"
        if any(entry.key.lower() == "ort_config" for entry in model.metadata_props):
            yield "", "its metadata configures the runtime (ort_config)"
        for opset in model.opset_import:
            if not self._is_allowed(opset.domain, ""):
                yield "the opset list", f"the operator domain '{opset.domain[:80]}' is not allowed"
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            yield from self._costs.value_findings(value)
        every = list(bodies(model))
        for body in every:
            for tensor in getattr(body, "initializer", ()):
                yield from self._tensor(tensor, f"initializer '{tensor.name[:80]}'")
            for sparse in getattr(body, "sparse_initializer", ()):
                yield from self._sparse(sparse, "a sparse initializer")
        for body in every:
            for node in body.node:
                yield from self._node(node)
        yield from self._costs.findings()

    def _node(self, node: Any) -> Iterator[tuple[str, str]]:
        place = f"node '{node.name[:80]}' ({node.op_type[:80]})"
        if not self._is_allowed(node.domain, node.op_type):
            yield place, f"the operator domain '{node.domain[:80]}' is not allowed"
        if node.op_type == "EPContext":
            yield place, "it contains a compiled blob, which cannot be checked"
        for attribute in node.attribute:
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                yield from self._tensor(tensor, place)
            for sparse in (
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
                *attribute.sparse_tensors,
            ):
                yield from self._sparse(sparse, place)

    def _is_allowed(self, domain: str, operator: str) -> bool:
        known = domain in DOMAINS or domain in self._limits.domains
        own = any(domain == name[0] and operator in ("", name[1]) for name in self._functions)
        return known or own

    def _tensor(self, tensor: Any, place: str) -> Iterator[tuple[str, str]]:
        """Compare the length of the data, in the graph or in a file of the artifact, with the shape."""
        if any(dimension < 0 for dimension in tensor.dims):
            yield place, "it has a negative dimension"
            return
        elements, bits = prod(tensor.dims), ITEM_BITS.get(tensor.data_type)
        if is_external(tensor) or tensor.external_data:
            yield from self._external(tensor, place, elements, bits)
        elif tensor.HasField("raw_data"):
            if bits is None or len(tensor.raw_data) != (elements * bits + 7) // 8:
                yield place, f"it has {len(tensor.raw_data)} bytes, which does not fit its shape"
        elif elements > self._typed_elements(tensor):
            yield place, f"its shape has {elements} elements, and its data {self._typed_elements(tensor)}"

    @staticmethod
    def _typed_elements(tensor: Any) -> int:
        fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
        # An int32 can hold two packed 4-bit numbers.
        return 2 * max(len(getattr(tensor, field)) for field in fields)

    def _external(self, tensor: Any, place: str, elements: int, bits: int | None) -> Iterator[tuple[str, str]]:
        fields = external_fields(tensor)
        location = fields.get("location", "")
        try:
            name = safe_relative_path(join(dirname(self._path), safe_relative_path(location)))
        except BadRequestError:
            yield place, f"its data is in '{location[:80]}', outside the artifact"
            return
        if name not in self._sizes:
            yield place, f"its data is in '{location[:80]}', which is not in the artifact"
            return
        # Python reads more forms of numbers than the runtime, such as "1_0" and " 10".
        numbers = fields.get("offset", "0"), fields.get("length", "")
        if not all(_NUMBER.fullmatch(number) for number in numbers):
            yield place, "offset or length of its data is missing or wrong"
            return
        offset, length = map(int, numbers)
        if offset + length > self._sizes[name]:
            yield place, f"its data reaches beyond the end of '{location[:80]}'"
        if bits is None or length != (elements * bits + 7) // 8:
            yield place, f"its data has {length} bytes, which does not fit its shape"

    def _sparse(self, sparse: Any, place: str) -> Iterator[tuple[str, str]]:
        yield from self._tensor(sparse.values, place)
        yield from self._tensor(sparse.indices, place)
        size, limit = prod(sparse.dims) * item_bytes(sparse.values.data_type), self._limits.max_constant_bytes
        if any(dimension < 0 for dimension in sparse.dims) or size > limit:
            yield place, f"it is sparse and takes {size} bytes as a dense tensor; the limit is {limit}"
