"""Packing of a model before it is sealed: large tensors are moved from the graph into one aligned data file.

ONNX Runtime uses a tensor without copying it only if it is outside the graph and at its natural alignment. See
FORMAT.md, "Packing".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, join
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from governance.artifacts.format.sources import Segment, SourceFile, bytes_source
from governance.errors import ConfigurationError

ALIGNMENT_BYTES = 64
MOVE_FROM_BYTES = 1024
PACK_FROM_BYTES = 2**20
DATA_SUFFIX = ".data"


@dataclass(slots=True)
class _Blob:
    """The data file while it is built."""

    segments: list[Segment]
    size: int = 0

    def append(self, segments: Iterable[Segment]) -> int:
        """Append the content of a tensor at the next aligned offset, and return this offset."""
        padding = -self.size % ALIGNMENT_BYTES
        if padding:
            self.segments.append(Segment(bytes(padding), 0, padding))
        offset = self.size = self.size + padding
        for segment in segments:
            self.segments.append(segment)
            self.size += segment.length
        return offset


def pack_models(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Return the files with every large ONNX model packed; other files stay unchanged.

    Raises:
        ConfigurationError: if a model cannot be read, or its external data is not among the files.
    """
    by_path = {file.path: file for file in files}
    graphs = [path for path in by_path if path.lower().endswith(".onnx")]
    used = {path: set(_locations(path, _parse(by_path[path]))) for path in graphs}
    for path in graphs:
        others = set().union(*(used[other] for other in graphs if other != path))
        # A model that shares a data file with another one is not packed.
        if not used[path] & others:
            _pack(path, by_path)
    return tuple(by_path[path] for path in sorted(by_path))


def _pack(path: str, files: dict[str, SourceFile]) -> None:
    model = _parse(files[path])
    tensors = [tensor for tensor in model.graph.initializer if _movable(tensor)]
    if sum(map(_size, tensors)) < PACK_FROM_BYTES:
        return
    replaced = {join(dirname(path), location(tensor)) for tensor in tensors if is_external(tensor)}
    data_path = path + DATA_SUFFIX
    if data_path in files and data_path not in replaced:
        return
    blob = _Blob([])
    for tensor in tensors:
        length = _size(tensor)
        offset = blob.append(_segments(tensor, path, files))
        _refer(tensor, data_path.rsplit("/", 1)[-1], offset, length)
    still_used = {join(dirname(path), location(tensor)) for tensor in all_tensors(model) if is_external(tensor)}
    for old in replaced - (still_used - {data_path}):
        del files[old]
    files[path] = bytes_source(path, model.SerializeToString(deterministic=True))
    files[data_path] = SourceFile(data_path, tuple(blob.segments))


def _parse(file: SourceFile) -> Any:
    if file.size >= 2**31:
        raise ConfigurationError(f"{file.path} exceeds the 2 GiB limit of protobuf: export it with external data")
    try:
        return onnx.load_model_from_string(file.content())
    except (DecodeError, ValueError):
        raise ConfigurationError(f"{file.path} is not an ONNX model") from None


def _locations(path: str, model: Any) -> Iterator[str]:
    return (join(dirname(path), location(tensor)) for tensor in all_tensors(model) if is_external(tensor))


def all_tensors(model: Any) -> Iterator[Any]:
    """Yield all tensors of a graph and its subgraphs: initializers and tensors in attributes."""
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                pending.extend([attribute.g] if attribute.HasField("g") else [])
                pending.extend(attribute.graphs)


def is_external(tensor: Any) -> bool:
    """Return whether the data of a tensor is in another file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def external_fields(tensor: Any) -> Mapping[str, str]:
    """Return the fields that locate the data of an external tensor: `location`, `offset`, `length`."""
    return {entry.key: entry.value for entry in tensor.external_data}


def location(tensor: Any) -> str:
    """Return the path of an external tensor's data file, relative to the folder of the graph."""
    return external_fields(tensor).get("location", "")


def _movable(tensor: Any) -> bool:
    if tensor.data_type == onnx.TensorProto.STRING:
        return False
    return is_external(tensor) or _size(tensor) >= MOVE_FROM_BYTES


def _size(tensor: Any) -> int:
    if is_external(tensor):
        fields = external_fields(tensor)
        try:
            return int(fields["length"])
        except (KeyError, ValueError):
            raise ConfigurationError(f"the tensor '{tensor.name[:80]}' has no length of its data") from None
    if not tensor.HasField("raw_data"):
        return len(numpy_helper.to_array(tensor).tobytes()) if tensor.dims else 0
    return len(tensor.raw_data)


def _segments(tensor: Any, path: str, files: Mapping[str, SourceFile]) -> Iterator[Segment]:
    if not is_external(tensor):
        content = tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()
        yield Segment(content, 0, len(content))
        return
    fields = external_fields(tensor)
    name = join(dirname(path), fields.get("location", ""))
    source = files.get(name)
    if source is None:
        raise ConfigurationError(f"{path} has data in '{name[:80]}', which is not in the folder")
    try:
        offset, length = int(fields.get("offset", "0")), int(fields["length"])
    except (KeyError, ValueError):
        raise ConfigurationError(f"the tensor '{tensor.name[:80]}' has a wrong offset or length") from None
    if offset < 0 or length < 0 or offset + length > source.size:
        raise ConfigurationError(f"the tensor '{tensor.name[:80]}' reaches beyond the end of '{name[:80]}'")
    # A data file from the folder has exactly one segment.
    yield Segment(source.segments[0].source, offset, length)


def _refer(tensor: Any, name: str, offset: int, length: int) -> None:
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
