"""The scan of an artifact: file types, and every ONNX model, read in a child process with limits on time and memory.

A hostile file can only harm the child, which returns a list of findings. A child that crashes or exceeds its limits is
a finding too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from governance.artifacts.format.sources import SourceFile
from governance.artifacts.scan.limits import ScanFinding, ScanLimits
from governance.artifacts.scan.onnx_wire import count_messages
from governance.artifacts.scan.rules import ScanRules
from governance.errors import ManifestMismatchError

MAX_FINDINGS = 100
HEAD_BYTES = 16
GRAPH_SUFFIX = ".onnx"
RUNNABLE_SUFFIXES = (
    ".pkl",
    ".pickle",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".keras",
    ".joblib",
    ".dill",
    ".npy",
    ".npz",
)
# Memory of a parsed graph per byte of its file; `ScanLimits.memory_bytes` is for the interpreter, numpy and onnx.
_PARSED_FACTOR = 6
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from governance.artifacts.scan.scan import child; child()"
)


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """What the scan reads of one file.

    Attributes:
        path: Path in the artifact.
        size: Size in bytes.
        head: First bytes, from which the file type is recognized.
        content: Whole content of an ONNX graph, None for any other file.
    """

    path: str
    size: int
    head: bytes
    content: memoryview | None = field(default=None, repr=False)


def scanned_sources(files: Iterable[SourceFile]) -> tuple[ScannedFile, ...]:
    """Return the input of the scan for files that are to be sealed."""
    return tuple(_scanned_source(file) for file in files)


def _scanned_source(file: SourceFile) -> ScannedFile:
    if _is_graph(file.path):
        content = memoryview(file.content())
        return ScannedFile(file.path, file.size, bytes(content[:HEAD_BYTES]), content)
    return ScannedFile(file.path, file.size, next(file.blocks(), b"")[:HEAD_BYTES])


def scanned_memory(files: Mapping[str, memoryview]) -> tuple[ScannedFile, ...]:
    """Return the input of the scan for files in memory, by path."""
    return tuple(
        ScannedFile(path, len(content), bytes(content[:HEAD_BYTES]), content if _is_graph(path) else None)
        for path, content in files.items()
    )


def admit(files: Sequence[ScannedFile], limits: ScanLimits) -> None:
    """Scan files and refuse them if there is any finding.

    Raises:
        ManifestMismatchError: with file, node and reason of the first finding, and the number of others.
    """
    findings = scan(files, limits)
    if findings:
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        raise ManifestMismatchError(f"{findings[0]}{more}")


def scan(files: Sequence[ScannedFile], limits: ScanLimits) -> tuple[ScanFinding, ...]:
    """Return the findings on all files, at most `MAX_FINDINGS`; graphs are read in a child process."""
    findings = [finding for file in files if (finding := _kind_of(file)) is not None]
    if not findings and any(file.content is not None for file in files):
        findings.extend(_scan_in_child(files, limits))
    return tuple(findings[:MAX_FINDINGS])


def scan_graph(path: str, content: memoryview, sizes: Mapping[str, int], limits: ScanLimits) -> Iterator[ScanFinding]:
    """Yield the findings on one graph, read in this process; only the child process calls this."""
    try:
        counts = count_messages(content, max_messages=limits.max_messages, max_depth=limits.max_depth)
        if counts["node"] > limits.max_nodes:
            raise ManifestMismatchError(f"it has {counts['node']} nodes; the limit is {limits.max_nodes}")
        model = onnx.load_model_from_string(bytes(content))
    except ManifestMismatchError as error:
        yield ScanFinding(path, "", str(error))
        return
    except (DecodeError, ValueError):
        yield ScanFinding(path, "", "it is not an ONNX model")
        return
    rules = ScanRules(path, model, sizes, limits)
    found = False
    for finding in rules.findings():
        found = True
        yield finding
    # The checker sees only models that passed the rules: models that they refuse can make it hang or crash.
    if not found:
        yield from _checked(path, model, rules)


def _checked(path: str, model: Any, rules: ScanRules) -> Iterator[ScanFinding]:
    for tensor in model.graph.initializer:
        # The checker would search the file on the disk; the rules have already checked it.
        tensor.ClearField("external_data")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.ClearField("data_location")
            tensor.ClearField("dims")
            tensor.dims.append(0)
            tensor.raw_data = b""
    try:
        onnx.checker.check_model(model)
    # The checker raises ValueError when its own message contains bytes that are not UTF-8.
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        yield ScanFinding(path, "", f"onnx.checker refuses it: {next(iter(str(error).splitlines()), '')[:200]}")
        return
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return
    yield from rules.inferred_findings(inferred)


def _kind_of(file: ScannedFile) -> ScanFinding | None:
    """Return a finding for a file of a type that can run code when it is loaded, by content or by name."""
    head, kind = file.head, None
    if head[:4] == b"\x89HDF":
        kind = "a Keras or HDF5 file"
    elif head[:2] == b"\x80\x02" or (head[:1] == b"\x80" and head[1:2] in b"\x03\x04\x05" and len(head) > 1):
        kind = "a pickle"
    elif head[:4] == b"PK\x03\x04" and file.path.lower().endswith((*RUNNABLE_SUFFIXES, ".zip", ".bin", GRAPH_SUFFIX)):
        kind = "a PyTorch or NumPy archive"
    elif file.path.lower().endswith(RUNNABLE_SUFFIXES):
        kind = "a file of a type that can contain code"
    if kind is None:
        return None
    return ScanFinding(file.path, "", f"{kind} can run code when it is loaded: export the model to ONNX")


def _is_graph(path: str) -> bool:
    return path.lower().endswith(GRAPH_SUFFIX)


def _scan_in_child(files: Sequence[ScannedFile], limits: ScanLimits) -> list[ScanFinding]:
    graphs = [file for file in files if file.content is not None]
    memory = limits.memory_bytes + _PARSED_FACTOR * sum(file.size for file in graphs)
    task = {
        "limits": {**asdict(limits), "domains": sorted(limits.domains), "memory_bytes": memory},
        "sizes": {file.path: file.size for file in files},
        "graphs": [[file.path, file.size] for file in graphs],
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ}
        | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    message = json.dumps(task).encode() + b"\n" + b"".join(file.content for file in graphs if file.content is not None)
    try:
        output, _ = process.communicate(message, timeout=2 * limits.seconds + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        output = b""
    try:
        answer = json.loads(output) if process.returncode == 0 else None
    except ValueError:
        answer = None
    if not isinstance(answer, list):
        reason = f"the scan exceeded {limits.seconds} seconds or {memory // 2**20} MiB, or crashed"
        return [ScanFinding(graphs[0].path, "", reason)]
    return [ScanFinding(*map(str, item)) for item in answer]


def child() -> None:
    """Run the scan in the child: read task and graphs from standard input, write the findings to standard output."""
    task = json.loads(sys.stdin.buffer.readline())
    limits = ScanLimits(**{**task["limits"], "domains": frozenset(task["limits"]["domains"])})
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hasattr(resource, "RLIMIT_AS"):
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    findings: list[list[str]] = []
    for path, size in task["graphs"]:
        content = memoryview(sys.stdin.buffer.read(size))
        for finding in scan_graph(path, content, task["sizes"], limits):
            findings.append([finding.path, finding.node, finding.reason])
            if len(findings) >= MAX_FINDINGS:
                break
    sys.stdout.write(json.dumps(findings))
