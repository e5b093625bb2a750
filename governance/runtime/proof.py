"""The proof of the device: ONNX Runtime's own profile of a run says which provider ran each node.

The profile is written to a file, and names the nodes of the model; so the file lies in memory (`/dev/shm`) where that
exists, and is gone when it has been read.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from governance.errors import ConfigurationError
from governance.runtime.device import PROVIDERS_ON

# Providers leave the arithmetic of shapes to the CPU on purpose: a few integers would cost a transfer each.
MAX_SHAPE_ELEMENTS = 64
INTEGERS = frozenset({"int64", "int32", "bool"})
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made inside


@dataclass(frozen=True, slots=True)
class RunNode:
    """One node that ran: its operator, the provider that ran it, and whether it only computes shapes."""

    operator: str
    provider: str
    is_shape: bool


class _Arguments(msgspec.Struct):
    provider: str = ""
    op_name: str = ""
    output_type_shape: list[dict[str, list[int]]] = []


class _Event(msgspec.Struct):
    cat: str = ""
    args: _Arguments = msgspec.field(default_factory=_Arguments)


def profile_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder for a profile, in memory where the system has `/dev/shm`."""
    return tempfile.TemporaryDirectory(prefix="governance-", dir=MEMORY if MEMORY.is_dir() else None)


def profiled_nodes(session: Any, run: Callable[[], object]) -> list[RunNode]:
    """Run a session once, end its profile, and return the nodes that ran.

    Args:
        session: made with `enable_profiling`.
        run: runs it.

    Raises:
        Exception: what `run` raises.
    """
    try:
        run()
    finally:
        file = session.end_profiling()
    return read_nodes(Path(file).read_bytes())


def read_nodes(profile: bytes) -> list[RunNode]:
    """Return the nodes of a profile, in the order of their run.

    Args:
        profile: the JSON text that ONNX Runtime writes.

    Raises:
        ConfigurationError: if it is not a list of events.
    """
    try:
        events = msgspec.json.decode(profile, type=list[_Event], strict=False)
    except msgspec.DecodeError:
        raise ConfigurationError("this version of ONNX Runtime writes a profile that cannot be read") from None
    return [
        RunNode(event.args.op_name, event.args.provider, _is_shape(event.args.output_type_shape))
        for event in events
        if event.cat == "Node" and event.args.provider
    ]


def elsewhere(nodes: Sequence[RunNode], device: str) -> str:
    """Return what ran on another device than `device`, as half a sentence, or an empty string if nothing did.

    Args:
        nodes: the nodes that ran.
        device: one of `PROVIDERS_ON`.
    """
    if not nodes:
        return "the profile of a run names no node"
    wanted = PROVIDERS_ON[device]
    others = [node for node in nodes if node.provider not in wanted and not node.is_shape]
    if not others:
        if any(node.provider in wanted for node in nodes):
            return ""
        return "no node ran there"
    return f"{len(others)} of {len(nodes)} nodes ran elsewhere ({_counted(others)})"


def _counted(nodes: Iterable[RunNode]) -> str:
    counts = Counter(f"{node.operator} by {node.provider.removesuffix('ExecutionProvider')}" for node in nodes)
    return ", ".join(name if count == 1 else f"{count} × {name}" for name, count in counts.most_common(3))


def _is_shape(outputs: Sequence[dict[str, list[int]]]) -> bool:
    return bool(outputs) and all(
        kind in INTEGERS and prod(shape) <= MAX_SHAPE_ELEMENTS for output in outputs for kind, shape in output.items()
    )
