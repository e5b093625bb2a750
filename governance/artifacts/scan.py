"""ONNX admission: what a model may hold before ONNX Runtime sees it.

A signature says who made a model, not that it is harmless. This reads the graph alone and refuses what can
reach outside the file, hang the checker, or take memory that the file does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

import onnx
from google.protobuf.message import DecodeError

from governance.errors import ManifestMismatchError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MAX_MODEL_BYTES = 2**31 - 1
MAX_NODES = 100_000
MAX_INITIALIZERS = 100_000
MAX_GRAPH_DEPTH = 16
MAX_FILL_ELEMENTS = 2**24
PICKLE_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".h5", ".keras", ".joblib", ".npy", ".npz")

_ITEM_BITS: dict[int, int] = {
    onnx.TensorProto.FLOAT: 32, onnx.TensorProto.UINT8: 8, onnx.TensorProto.INT8: 8, onnx.TensorProto.UINT16: 16,
    onnx.TensorProto.INT16: 16, onnx.TensorProto.INT32: 32, onnx.TensorProto.INT64: 64, onnx.TensorProto.BOOL: 8,
    onnx.TensorProto.FLOAT16: 16, onnx.TensorProto.DOUBLE: 64, onnx.TensorProto.UINT32: 32,
    onnx.TensorProto.UINT64: 64, onnx.TensorProto.BFLOAT16: 16, onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4,
}  # fmt: skip


def scan_model(files: Mapping[str, memoryview]) -> None:
    """Scan every ONNX file of an artifact, and refuse files of kinds that execute when loaded.

    Args:
        files: content by path.

    Raises:
        ManifestMismatchError: naming the file, the node and the reason.
    """
    for path, content in files.items():
        if path.lower().endswith(PICKLE_SUFFIXES):
            raise ManifestMismatchError(f"{path}: files of this kind can run code when they are loaded: export to ONNX")
        if path.lower().endswith(".onnx"):
            try:
                scan_onnx(content)
            except ManifestMismatchError as error:
                raise ManifestMismatchError(f"{path}: {error}") from None


def scan_onnx(content: memoryview | bytes) -> None:
    """Scan one model.

    Raises:
        ManifestMismatchError: naming the node and the reason.
    """
    if len(content) > MAX_MODEL_BYTES:
        raise ManifestMismatchError(f"the model is over {MAX_MODEL_BYTES} bytes, protobuf's limit")
    try:
        model = onnx.load_model_from_string(bytes(content))
    except (DecodeError, ValueError):
        raise ManifestMismatchError("it is not an ONNX model") from None
    # Local functions can be nested so that their expansion hangs checker and runtime; exporters inline them.
    if model.functions:
        raise ManifestMismatchError("it defines local functions: export it with functions inlined")
    if model.training_info:
        raise ManifestMismatchError("it carries training information, which serving does not need")
    if any(entry.key.lower() == "ort_config" for entry in model.metadata_props):
        raise ManifestMismatchError("its metadata configures the runtime (ort_config)")
    for opset in model.opset_import:
        _verify_domain(opset.domain, "the opset list")
    graphs = list(_graphs(model.graph, 1))
    _verify_counts(graphs)
    for graph in graphs:
        _verify_graph(graph)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ManifestMismatchError(f"onnx.checker refuses it: {str(error).splitlines()[0][:200]}") from None


def _graphs(graph: onnx.GraphProto, depth: int) -> Iterator[onnx.GraphProto]:
    if depth > MAX_GRAPH_DEPTH:
        raise ManifestMismatchError(f"its graphs are nested deeper than {MAX_GRAPH_DEPTH}")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for subgraph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(subgraph, depth + 1)


def _verify_counts(graphs: Iterable[onnx.GraphProto]) -> None:
    nodes = initializers = 0
    for graph in graphs:
        nodes += len(graph.node)
        initializers += len(graph.initializer) + len(graph.sparse_initializer)
    if nodes > MAX_NODES or initializers > MAX_INITIALIZERS:
        raise ManifestMismatchError(f"it has {nodes} nodes and {initializers} initializers, more than are admitted")


def _verify_graph(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _verify_tensor(tensor, f"initializer '{tensor.name[:80]}'")
    for sparse in graph.sparse_initializer:
        _verify_tensor(sparse.values, "a sparse initializer")
        _verify_tensor(sparse.indices, "a sparse initializer")
    for node in graph.node:
        place = f"node '{node.name[:80]}' ({node.op_type[:80]})"
        _verify_domain(node.domain, place)
        if node.op_type == "EPContext":
            raise ManifestMismatchError(f"{place} holds a compiled blob that nobody can check")
        for attribute in node.attribute:
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                _verify_tensor(tensor, place)


def _verify_domain(domain: str, place: str) -> None:
    if domain not in DOMAINS:
        raise ManifestMismatchError(f"{place} uses the operator domain '{domain[:80]}', which is not admitted")


def _verify_tensor(tensor: onnx.TensorProto, place: str) -> None:
    """The data must lie in the file, and be as long as its shape says, reckoned in Python's integers."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ManifestMismatchError(f"{place} keeps its data in another file")
    if any(dimension < 0 for dimension in tensor.dims):
        raise ManifestMismatchError(f"{place} has a negative dimension")
    elements = prod(tensor.dims)
    bits = _ITEM_BITS.get(tensor.data_type)
    if tensor.HasField("raw_data"):
        if bits is None or len(tensor.raw_data) != (elements * bits + 7) // 8:
            raise ManifestMismatchError(f"{place} holds {len(tensor.raw_data)} bytes, and its shape says otherwise")
    elif elements > MAX_FILL_ELEMENTS:
        raise ManifestMismatchError(f"{place} has {elements} elements outside raw data, more than are admitted")
