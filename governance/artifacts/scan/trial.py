"""The trial of a graph: ONNX Runtime makes a session of it and runs it once with zeros, in the limited child process.

Some graphs that ONNX's checker accepts end the process that loads or runs them, or never end. No rule finds all of
them, so the child does what a server would do first. It also tries sizes of 0, at which some operators end the process.
"""

from __future__ import annotations

import mmap
import os
import re
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from math import prod
from posixpath import dirname, relpath
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Examples = Mapping[str, Sequence[int]]
EmptyAxes = Mapping[str, tuple[int, ...]]

# Sizes of 0 are tried for so many names of axes, and each try may take so much processor time.
MAX_EMPTY_TRIES = 64
EMPTY_TRY_SECONDS = 5
# From this size on the server uses weights as they are too, so that the trial needs no second copy.
NO_PREPACKING_FROM_BYTES = 256 * 2**20
_NUMPY_TYPE_OF = {
    "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64, "tensor(int8)": np.int8, "tensor(int16)": np.int16, "tensor(int32)": np.int32,
    "tensor(int64)": np.int64, "tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}  # fmt: skip
_MEMORY = re.compile(r"alloc|out of memory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial found.

    Attributes:
        reason: Why the graph is refused, or "".
        empty_axes: For each input the axes that may have size 0, as far as they were tried.
    """

    reason: str = ""
    empty_axes: EmptyAxes = field(default_factory=dict)


def try_graph(path: str, content: bytes, sizes: Mapping[str, int], examples: Examples) -> Trial:
    """Make a session of a graph and run it once; this may end the process.

    Args:
        path: Path of the graph in the artifact.
        content: The ModelProto.
        sizes: Size in bytes of every file of the artifact, by path; external data is zeros here.
        examples: Shapes of inputs that the model's card gives.
    """
    try:
        import onnxruntime
    except ImportError:
        # A machine that only seals needs none; a server that opens the model has one.
        return Trial()

    weights = {relpath(name, dirname(path) or "."): size for name, size in sizes.items() if name != path and size}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    if sum(weights.values()) >= NO_PREPACKING_FROM_BYTES:
        options.add_session_config_entry("session.disable_prepacking", "1")
    # Pages that are only read take no memory.
    zeros = [mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for size in weights.values()]
    options.add_external_initializers_from_files_in_memory(
        list(weights), [memoryview(block) for block in zeros], list(weights.values())
    )
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return Trial(_reason_of(error))
    return _run(session, examples)


def _reason_of(error: Exception) -> str:
    """Return why a graph is refused whose session cannot be made, or "" if only this processor lacks a kernel."""
    if _MEMORY.search(str(error)):
        return "memory: ONNX Runtime cannot load it within the limit"
    if type(error).__name__ == "NotImplemented":
        return ""
    return f"error: ONNX Runtime cannot load it: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _run(session: Any, examples: Examples) -> Trial:
    values = session.get_inputs()
    if any(value.type not in _NUMPY_TYPE_OF for value in values):
        return Trial()
    shapes = {value.name: _shape(value, examples.get(value.name)) for value in values}
    run = _runner(session)
    try:
        run(shapes)
    except Exception as error:
        # Another error is no reason: callers may send tensors that it takes, and the server warns at its start.
        if _MEMORY.search(str(error)):
            return Trial("memory: it cannot be run within the limit")
    return Trial("", _empty_axes(values, shapes, run))


def _runner(session: Any) -> Callable[[Mapping[str, list[int]]], None]:
    types = {value.name: _NUMPY_TYPE_OF[value.type] for value in session.get_inputs()}

    def run(shapes: Mapping[str, list[int]]) -> None:
        session.run(None, {name: _zeros(shape, types[name]) for name, shape in shapes.items()})

    return run


def _zeros(shape: Sequence[int], kind: Any) -> Array:
    made: Array = np.zeros(shape, kind)
    if made.dtype.kind == "O":
        made.fill("")
    return made


def _shape(value: Any, example: Sequence[int] | None) -> list[int]:
    """Return the shape of zeros: the card's example if it fits, else 1 for each free size."""
    fits = example is not None and len(example) == len(value.shape)
    if example is not None and fits and prod(example) < 2**28:
        return [size if isinstance(size, int) else given for size, given in zip(value.shape, example, strict=True)]
    return [size if isinstance(size, int) else 1 for size in value.shape]


def _empty_axes(
    values: Sequence[Any], shapes: Mapping[str, list[int]], run: Callable[[Mapping[str, list[int]]], None]
) -> EmptyAxes:
    """Return the free axes with which the model ran at size 0: those of one name together, and at the end all."""
    tried = [(axes, _ending(partial(run, _with_zeros(shapes, axes)))) for axes in _free_axes(values)]
    together = [place for axes, ending in tried if ending is _Ending.RAN for place in axes]
    if together and _ending(partial(run, _with_zeros(shapes, together))) is _Ending.DIED:
        return {}
    return {name: tuple(axis for other, axis in together if other == name) for name, _ in together}


def _free_axes(values: Sequence[Any]) -> Iterator[list[tuple[str, int]]]:
    """Yield the places (input, axis) of each name of a free axis; an axis without a name is alone."""
    named: dict[str, list[tuple[str, int]]] = {}
    for value in values:
        for axis, size in enumerate(value.shape):
            if not isinstance(size, int):
                named.setdefault(size or f"{value.name}/{axis}", []).append((value.name, axis))
    yield from list(named.values())[:MAX_EMPTY_TRIES]


def _with_zeros(shapes: Mapping[str, list[int]], axes: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    changed = {name: list(shape) for name, shape in shapes.items()}
    for name, axis in axes:
        changed[name][axis] = 0
    return changed


class _Ending(Enum):
    """How a run in a process of its own ended: without an error, with one, or with the process."""

    RAN = 0
    RAISED = 1
    DIED = 2


def _ending(run: Callable[[], None]) -> _Ending:
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (EMPTY_TRY_SECONDS, EMPTY_TRY_SECONDS))
        ending = _Ending.RAISED
        try:
            run()
            ending = _Ending.RAN
        finally:
            os._exit(ending.value)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _Ending(code) if code in (0, 1) else _Ending.DIED
