"""Limits of the scan, and its findings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much a model may contain and cost.

    Attributes:
        domains: Operator domains that are allowed besides those of ONNX.
        max_nodes: Nodes of the graph, with all local functions expanded.
        max_messages: Protobuf messages (nodes, tensors, attributes and others) in the file.
        max_depth: Nesting of graphs and types.
        max_constant_bytes: Bytes of a tensor that a node creates whatever its input is.
        max_value_bytes: Bytes of a value by its fixed dimensions.
        max_trips: Runs of a loop body, multiplied over nested loops.
        seconds: Processor time of the scan, and again of the trial.
        memory_bytes: Memory of the scan, in addition to the parsed models; the trial has twice as much.
    """

    domains: frozenset[str] = frozenset()
    max_nodes: int = 100_000
    max_messages: int = 2_000_000
    max_depth: int = 16
    max_constant_bytes: int = 2**30
    max_value_bytes: int = 2**30
    max_trips: int = 1_000_000
    seconds: int = 60
    memory_bytes: int = 2**31


DEFAULT_SCAN_LIMITS = ScanLimits()


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """One reason why a model is refused.

    Attributes:
        path: Path of the file in the artifact.
        node: The node, tensor or value, or "" for the whole file.
        reason: The reason, in words.
    """

    path: str
    node: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.node, self.reason) if part)
