"""Runs on a device with memory of its own: tensors are copied there once, and their buffers are used again.

Requests whose tensors have the same shapes share buffers at fixed addresses, as CUDA graphs need. Host memory that
is pinned makes the copies faster; ONNX Runtime offers it where its provider lists it for the device.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.runtime.device import PROVIDERS_ON

# Shapes whose buffers are kept; each has memory on the device, and a CUDA graph where the settings want them.
MAX_SHAPES = 8
# ONNX Runtime's run option: the graph to capture or replay; -1 runs without.
GRAPH, NO_GRAPH = "gpu_graph_id", "-1"

Array = np.ndarray[Any, Any]
Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Where tensors lie: ONNX Runtime's name and number of the device, and its pinned host memory if it offers any."""

    name: str
    number: int
    pinned: Any = None


def device_memory(runtime: Any, device: str, number: int) -> DeviceMemory:
    """Return the memory of a GPU.

    Args:
        runtime: the module `onnxruntime`.
        device: `cuda` or `tensorrt`.
        number: the device's number.
    """
    kind = runtime.OrtDeviceMemoryType.HOST_ACCESSIBLE if hasattr(runtime, "OrtDeviceMemoryType") else None
    found = [
        one.memory_info(kind)
        for one in (runtime.get_ep_devices() if kind is not None else ())
        if one.ep_name in PROVIDERS_ON[device]
    ]
    return DeviceMemory("cuda", number, found[number] if number < len(found) else None)


class BoundRuns:
    """Runs one session with bound tensors; may be called from any thread, one run at a time.

    Args:
        runtime: the module `onnxruntime`.
        session: the session.
        output_names: the outputs, in the order of the values that `run` returns.
        memory: where the tensors lie.
        graphs: whether ONNX Runtime shall record a run of each shape as a CUDA graph, and replay it.
    """

    def __init__(
        self, runtime: Any, session: Any, output_names: Sequence[str], memory: DeviceMemory, *, graphs: bool
    ) -> None:
        self._runtime, self._session, self._names = runtime, session, tuple(output_names)
        self._memory, self._graphs = memory, graphs
        self._kept: OrderedDict[tuple[Any, ...], _Buffers] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, inputs: Tensors) -> list[Array]:
        """Return the outputs for these inputs, in memory of the host."""
        if any(value.dtype.hasobject for value in inputs.values()):
            # Texts have no memory on a device.
            texts: list[Array] = self._session.run(list(self._names), dict(inputs))
            return texts
        key = tuple((name, value.shape, value.dtype.str) for name, value in inputs.items())
        with self._lock:
            buffers = self._kept.get(key)
            if buffers is None:
                return self._first(key, inputs)
            self._kept.move_to_end(key)
            return buffers.run(self._session, inputs)

    def close(self) -> None:
        """Release the buffers, before the session is released."""
        with self._lock:
            self._kept.clear()

    def _first(self, key: tuple[Any, ...], inputs: Tensors) -> list[Array]:
        """Run with new buffers, and keep them for the next such request."""
        buffers = _Buffers(self._runtime, self._session, self._names, self._memory, inputs)
        values = buffers.run(self._session, inputs)
        if self._graphs:
            # A recorded graph keeps its addresses, so with graphs the first shapes stay, and later ones get none.
            if len(self._kept) == MAX_SHAPES:
                return values
            buffers.record(graph=len(self._kept) + 1)
        elif len(self._kept) == MAX_SHAPES:
            self._kept.popitem(last=False)
        self._kept[key] = buffers
        return values


class _Buffers:
    """The tensors of one set of shapes on the device, bound to one session."""

    def __init__(
        self, runtime: Any, session: Any, output_names: Sequence[str], memory: DeviceMemory, inputs: Tensors
    ) -> None:
        make = runtime.OrtValue.ortvalue_from_shape_and_type
        self._binding = session.io_binding()
        self._options = _run_options(runtime, NO_GRAPH)
        self._runtime, self._names, self._memory, self._recorded = runtime, output_names, memory, False
        self._inputs: dict[str, Any] = {}
        self._staged: dict[str, Any] = {}
        for name, value in inputs.items():
            self._inputs[name] = make(value.shape, value.dtype, memory.name, memory.number)
            if memory.pinned is not None:
                self._staged[name] = make(value.shape, value.dtype, memory_info=memory.pinned)
            self._binding.bind_ortvalue_input(name, self._inputs[name])

    def record(self, graph: int) -> None:
        """Bind the outputs of the last run again, at their addresses, and let the next run record a graph."""
        for name, value in zip(self._names, self._binding.get_outputs(), strict=True):
            self._binding.bind_ortvalue_output(name, value)
        self._options, self._recorded = _run_options(self._runtime, str(graph)), True

    def run(self, session: Any, inputs: Tensors) -> list[Array]:
        for name, value in inputs.items():
            source: Any = np.ascontiguousarray(value)
            if name in self._staged:
                self._staged[name].update_inplace(source)
                source = self._staged[name]
            self._inputs[name].update_inplace(source)
        if not self._recorded:
            # A bound output keeps the memory and the shape of the run before.
            for name in self._names:
                self._binding.bind_output(name, self._memory.name, self._memory.number)
        session.run_with_iobinding(self._binding, self._options)
        values: list[Array] = self._binding.copy_outputs_to_cpu()
        return values


def _run_options(runtime: Any, graph: str) -> Any:
    options = runtime.RunOptions()
    # The messages of a failed run may quote its inputs.
    options.log_severity_level = 4
    options.add_run_config_entry(GRAPH, graph)
    return options
