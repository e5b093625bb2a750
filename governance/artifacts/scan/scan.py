"""The scan of an artifact: file types, and every ONNX model, read in a child process with limits on time and memory.

A hostile file can only harm the child, which returns a list of findings. A child that crashes or exceeds its limits is
a finding too.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from governance.artifacts.format.sources import CARD_FILE, SourceFile
from governance.artifacts.scan.limits import ScanFinding, ScanLimits
from governance.artifacts.scan.onnx_wire import count_messages
from governance.artifacts.scan.rules import ScanRules
from governance.artifacts.scan.trial import EmptyAxes, try_graph
from governance.errors import ManifestMismatchError

MAX_FINDINGS = 100
HEAD_BYTES = 16
MAX_CARD_BYTES = 2**20
# Exit status of the child, and the kinds of lines that it writes.
OUT_OF_MEMORY = 3
PHASE, FINDING, EMPTY, DONE = "phase", "finding", "empty", "done"
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
        content: Whole content of an ONNX graph or of the card, None for any other file.
    """

    path: str
    size: int
    head: bytes
    content: memoryview | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan found.

    Attributes:
        findings: Reasons why the files are refused, at most `MAX_FINDINGS`.
        empty_axes: For each graph and input the axes that may have size 0: ONNX Runtime was tried with it.
    """

    findings: tuple[ScanFinding, ...]
    empty_axes: Mapping[str, EmptyAxes] = field(default_factory=dict)


def scanned_sources(files: Iterable[SourceFile]) -> tuple[ScannedFile, ...]:
    """Return the input of the scan for files that are to be sealed."""
    return tuple(_scanned_source(file) for file in files)


def _scanned_source(file: SourceFile) -> ScannedFile:
    if _is_read(file.path, file.size):
        content = memoryview(file.content())
        return ScannedFile(file.path, file.size, bytes(content[:HEAD_BYTES]), content)
    return ScannedFile(file.path, file.size, next(file.blocks(), b"")[:HEAD_BYTES])


def scanned_memory(files: Mapping[str, memoryview]) -> tuple[ScannedFile, ...]:
    """Return the input of the scan for files in memory, by path."""
    return tuple(
        ScannedFile(path, len(content), bytes(content[:HEAD_BYTES]), content if _is_read(path, len(content)) else None)
        for path, content in files.items()
    )


def admit(files: Sequence[ScannedFile], limits: ScanLimits) -> Mapping[str, EmptyAxes]:
    """Scan files, refuse them if there is any finding, and return `ScanReport.empty_axes`.

    Raises:
        ManifestMismatchError: with file, node and reason of the first finding, and the number of others.
    """
    report = scan_all(files, limits)
    findings = report.findings
    if findings:
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        raise ManifestMismatchError(f"{findings[0]}{more}")
    return report.empty_axes


def scan(files: Sequence[ScannedFile], limits: ScanLimits) -> tuple[ScanFinding, ...]:
    """Return the findings on all files, at most `MAX_FINDINGS`; graphs are read in a child process."""
    return scan_all(files, limits).findings


def scan_all(files: Sequence[ScannedFile], limits: ScanLimits) -> ScanReport:
    """Return what the scan finds in all files; graphs are read and tried in a child process."""
    findings = [finding for file in files if (finding := _kind_of(file)) is not None]
    if findings or not any(_is_graph(file.path) for file in files):
        return ScanReport(tuple(findings[:MAX_FINDINGS]))
    report = _scan_in_child(files, limits)
    return ScanReport(report.findings[:MAX_FINDINGS], report.empty_axes)


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
    # The checker refuses inputs and outputs of unknown rank, which ONNX Runtime takes.
    unranked = [
        value.type.tensor_type
        for value in (*model.graph.input, *model.graph.output)
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape")
    ]
    for tensor_type in unranked:
        tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
    # The checker raises ValueError when its own message contains bytes that are not UTF-8.
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        yield ScanFinding(path, "", f"onnx.checker refuses it: {next(iter(str(error).splitlines()), '')[:200]}")
        return
    for tensor_type in unranked:
        tensor_type.ClearField("shape")
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


def _is_read(path: str, size: int) -> bool:
    return _is_graph(path) or (path == CARD_FILE and size <= MAX_CARD_BYTES)


def _scan_in_child(files: Sequence[ScannedFile], limits: ScanLimits) -> ScanReport:
    graphs = [(file.path, file.content) for file in files if file.content is not None and _is_graph(file.path)]
    task = _task(files, limits)
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ}
        | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    message = json.dumps(task).encode() + b"\n" + b"".join(content for _, content in graphs)
    is_late = False
    try:
        output, _ = process.communicate(message, timeout=4 * limits.seconds + 10)
    except subprocess.TimeoutExpired:
        is_late = True
        process.kill()
        output, _ = process.communicate()
    lines = [json.loads(line) for line in output.splitlines() if line.endswith(b"]")]
    findings = [ScanFinding(*line[1:]) for line in lines if line[0] == FINDING]
    if not lines or lines[-1][0] != DONE:
        path, phase = next((line[1:] for line in reversed(lines) if line[0] == PHASE), (graphs[0][0], "it is read"))
        findings.append(
            ScanFinding(path, "", _end_of(process.returncode, is_late, phase, limits, task["memory_bytes"]))
        )
    empty = {line[1]: {name: tuple(axes) for name, axes in line[2].items()} for line in lines if line[0] == EMPTY}
    return ScanReport(tuple(findings), empty)


def _task(files: Sequence[ScannedFile], limits: ScanLimits) -> dict[str, Any]:
    sizes = {file.path: file.size for file in files}
    graphs = [file.path for file in files if file.content is not None and _is_graph(file.path)]
    return {
        "limits": {**asdict(limits), "domains": sorted(limits.domains)},
        "sizes": sizes,
        "graphs": [[path, sizes[path]] for path in graphs],
        "examples": _examples(next((file.content for file in files if file.path == CARD_FILE), None)),
        # The trial maps all files, and packs the weights again.
        "memory_bytes": limits.memory_bytes + _PARSED_FACTOR * sum(sizes[path] for path in graphs),
        "trial_bytes": 2 * limits.memory_bytes
        + _PARSED_FACTOR * sum(sizes[path] for path in graphs)
        + 2 * sum(sizes.values()),
    }


def _examples(card: memoryview | None) -> dict[str, list[int]]:
    """Return the shapes with which a card wants its inputs to be tried; the server verifies the card itself."""
    try:
        inputs = json.loads(bytes(card or b"{}"))["inputs"]
        shapes = {str(item["name"]): item.get("example_shape") for item in inputs}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: shape
        for name, shape in shapes.items()
        if isinstance(shape, list) and all(type(size) is int and 0 <= size < 2**28 for size in shape)
    }


def _end_of(code: int, is_late: bool, phase: str, limits: ScanLimits, memory: int) -> str:
    """Return why the child did not finish, as a finding: time, memory, or a signal that its work caused."""
    if is_late or code == -signal.SIGXCPU:
        return f"time: the scan exceeded {limits.seconds} seconds while {phase}"
    if code in (OUT_OF_MEMORY, -signal.SIGKILL):
        return f"memory: the scan exceeded {memory // 2**20} MiB while {phase}"
    if code < 0:
        return f"crash: the process of the scan ended by {signal.Signals(-code).name} while {phase}"
    return f"error: the process of the scan ended with status {code} while {phase}"


def child() -> None:
    """Run the scan in the child: read task and graphs from standard input, write the findings to standard output."""
    task = json.loads(sys.stdin.buffer.readline())
    limits = ScanLimits(**{**task["limits"], "domains": frozenset(task["limits"]["domains"])})
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, 2 * limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(task["memory_bytes"], task["trial_bytes"])
    try:
        graphs = [(path, memoryview(sys.stdin.buffer.read(size))) for path, size in task["graphs"]]
        count = 0
        for path, content in graphs:
            _report(PHASE, path, "the graph was checked")
            for finding in islice(scan_graph(path, content, task["sizes"], limits), MAX_FINDINGS):
                _report(FINDING, finding.path, finding.node, finding.reason)
                count += 1
        # ONNX Runtime sees only graphs that passed the rules and the checker.
        if not count:
            _try_graphs(graphs, task, limits)
        _report(DONE)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _try_graphs(graphs: Sequence[tuple[str, memoryview]], task: Mapping[str, Any], limits: ScanLimits) -> None:
    """Try each graph with ONNX Runtime, within its own limits on processor time and memory."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + limits.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, 2 * limits.seconds), 2 * limits.seconds + 1))
    _limit_memory(task["trial_bytes"], task["trial_bytes"])
    for path, content in graphs:
        _report(PHASE, path, "ONNX Runtime loaded and tried the model")
        trial = try_graph(path, bytes(content), task["sizes"], task["examples"])
        if trial.reason:
            _report(FINDING, path, "", trial.reason)
        _report(EMPTY, path, trial.empty_axes)


def _limit_memory(soft: int, hard: int) -> None:
    if hasattr(resource, "RLIMIT_AS"):
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _report(*line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
