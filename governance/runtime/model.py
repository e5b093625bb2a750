"""A model opened in ONNX Runtime from memory: its tensors, its device, and `run`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError, NotReadyError
from governance.runtime.device import (
    PROVIDER_OF,
    Placement,
    forbid_cpu_fallback,
    proved_device,
    provider_options,
    wanted_device,
)
from governance.settings import RuntimeSettings

DATATYPE_OF = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
# Errors of a run that the tensors cause; a failed device (`EPFail`, `EngineError`) is not the caller's fault.
REFUSALS = frozenset({"Fail", "InvalidArgument", "NotImplemented", "RuntimeException", "TypeError", "ValueError"})
# A longer run would block the other requests of the event loop, so it goes to a thread.
INLINE_SECONDS = 0.001
_SMOOTHING = 0.1

# From this size on ONNX Runtime uses the weights without a copy, unless the settings say otherwise.
SHARED_FROM_BYTES = 256 * 2**20

Tensors = Mapping[str, np.ndarray[Any, Any]]
Weights = Mapping[str, memoryview]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: the protocol's `datatype`, and `shape` with -1 for variable dimensions."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Model:
    """One model in one process; `run` may be called from any thread.

    Attributes:
        digest: the signed manifest's digest, by which the audit log names the model.
        classes: the classes' names in the order of the output's last axis, from the model's card.
        card: the signed card itself.
        ready: False if the model is not on the device it must have; `reason` says why.
        degraded: True if it answers from another device than asked for.
        device: where the nodes were proved to run.
    """

    platform = "onnxruntime_onnx"

    def __init__(
        self,
        *,
        name: str,
        version: int,
        digest: str,
        classes: tuple[str, ...],
        card: Mapping[str, Any],
        placement: Placement,
        session: Any,
        weights: Weights,
    ) -> None:
        self.name, self.version, self.digest, self.classes = name, str(version), digest, classes
        self.card = card
        self.device, self.ready = placement.device, placement.ready
        self.degraded, self.reason = placement.degraded, placement.reason
        # ONNX Runtime keeps no reference to weights that it uses without a copy: they must outlive the session.
        self._weights = weights
        self._session = session
        self.inputs = _specs(session.get_inputs()) if session else ()
        self.outputs = _specs(session.get_outputs()) if session else ()
        self._output_names = [output.name for output in self.outputs]
        self._seconds_per_item = INLINE_SECONDS

    def run(self, inputs: Tensors) -> tuple[dict[str, np.ndarray[Any, Any]], float]:
        """Run one batch, and return the outputs by name and the seconds inside the runtime.

        Args:
            inputs: a tensor for each input, of the shape and type that `inputs` says.

        Raises:
            BadRequestError: if ONNX Runtime refuses the tensors.
            NotReadyError: if the model is not ready.
        """
        # The reference is held until the run ends, even if the model is closed meanwhile.
        session, _weights = self._session, self._weights
        if session is None or not self.ready:
            raise NotReadyError(f"the model '{self.name}' is not ready")
        started = time.perf_counter()
        try:
            if self.device == "cuda":
                values = _run_bound(session, inputs, self._output_names)
            else:
                values = session.run(self._output_names, inputs)
        except Exception as error:
            raise _refusal(error, self.name) from None
        return dict(zip(self._output_names, values, strict=True)), time.perf_counter() - started

    async def infer(self, inputs: Tensors, items: int) -> tuple[dict[str, np.ndarray[Any, Any]], float]:
        """Run one batch of `items` without blocking the event loop: directly if it is short, else in a thread.

        What "short" means is learnt from the batches before: a thread costs about as much as a small model.
        """
        if self._seconds_per_item * items <= INLINE_SECONDS:
            result = self.run(inputs)
        else:
            result = await asyncio.to_thread(self.run, inputs)
        self._seconds_per_item += _SMOOTHING * (result[1] / max(items, 1) - self._seconds_per_item)
        return result

    def close(self) -> None:
        """Release the session, and then its weights; later calls are refused."""
        self._session = None
        self._weights = {}


def open_model(
    name: str,
    version: int,
    digest: str,
    graph: memoryview | bytes,
    card: Mapping[str, Any],
    settings: RuntimeSettings,
    weights: Weights = MappingProxyType({}),
) -> Model:
    """Open an ONNX model from memory on the device that the settings ask for.

    Args:
        name: the model's name, as signed.
        version: the model's version, as signed.
        digest: SHA-256 of the signed manifest.
        graph: a serialized ModelProto; ONNX Runtime keeps its own copy.
        card: the model's card; its inputs, outputs and classes must be the graph's.
        settings: providers, threads and memory.
        weights: the files of external data that the graph names; they are used without a copy and must not change.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed or cannot load the model.
        ManifestMismatchError: if card and graph disagree.
    """
    runtime = _import_runtime()
    placement, session = _place(runtime, bytes(graph), weights, name, settings)
    model = Model(
        name=name,
        version=version,
        digest=digest,
        classes=_classes(card),
        card=card,
        placement=placement,
        session=session,
        weights=weights,
    )
    if session is not None:
        _verify_card(card, model)
        if placement.ready:
            model.run(
                {spec.name: np.zeros([max(d, 1) for d in spec.shape], _numpy_type(spec)) for spec in model.inputs}
            )
    return model


def _place(runtime: Any, graph: bytes, weights: Weights, name: str, settings: RuntimeSettings) -> tuple[Placement, Any]:
    wanted = wanted_device(settings)
    session, problem = _try_device(runtime, graph, weights, wanted, settings)
    if session is not None:
        return Placement(wanted, ready=True, degraded=False, reason=""), session
    if wanted == "cpu":
        raise ConfigurationError(f"ONNX Runtime cannot load the model '{name}': {problem}")
    if settings.allow_fallback and "cpu" in settings.providers:
        session, cpu_problem = _try_device(runtime, graph, weights, "cpu", settings)
        if session is None:
            raise ConfigurationError(f"ONNX Runtime cannot load the model '{name}': {cpu_problem}")
        return Placement("cpu", ready=True, degraded=True, reason=f"it runs on cpu, since {problem}"), session
    return Placement("none", ready=False, degraded=False, reason=f"{wanted} is asked for, and {problem}"), None


def _try_device(
    runtime: Any, graph: bytes, weights: Weights, device: str, settings: RuntimeSettings
) -> tuple[Any, str]:
    """Create a session for one device, or return the reason for the failure as half a sentence."""
    if PROVIDER_OF[device] not in runtime.get_available_providers():
        return None, f"this build of ONNX Runtime has no {PROVIDER_OF[device]}"
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if device != "cpu":
        forbid_cpu_fallback(options)
    _lend_weights(options, weights, settings)
    try:
        session = runtime.InferenceSession(graph, options, providers=provider_options(device, settings))
    except Exception as error:
        return None, f"a session could not be made ({type(error).__name__}: {str(error)[:160]})"
    if not proved_device(session.get_providers(), device):
        return None, f"the session runs on {session.get_providers()[0]} instead"
    return session, ""


def _lend_weights(options: Any, weights: Weights, settings: RuntimeSettings) -> None:
    """Let the session read external data from memory only, without a copy.

    An empty table would make it look for files in the working directory; the admission scan has seen to it that a
    graph names no file that is not here.
    """
    lent = {name: content for name, content in weights.items() if len(content)}
    if not lent:
        return
    options.add_external_initializers_from_files_in_memory(
        list(lent), list(lent.values()), [len(content) for content in lent.values()]
    )
    options.add_session_config_entry("session.use_external_initializer_file_buffers_directly", "1")
    size = sum(map(len, lent.values()))
    if settings.memory == "shared" or (settings.memory == "auto" and size >= SHARED_FROM_BYTES):
        options.add_session_config_entry("session.disable_prepacking", "1")


def _run_bound(session: Any, inputs: Tensors, output_names: list[str]) -> list[np.ndarray[Any, Any]]:
    """Run with IO binding: one copy to the device, one back, and none in between."""
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(value))
    for name in output_names:
        binding.bind_output(name, "cuda")
    session.run_with_iobinding(binding)
    values: list[np.ndarray[Any, Any]] = binding.copy_outputs_to_cpu()
    return values


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigurationError(
            "ONNX Runtime is not installed: pip install 'bento-governance[cpu]', or [gpu] on a machine with one"
        ) from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _datatype(value: Any) -> str:
    if value.type not in DATATYPE_OF:
        raise ConfigurationError(f"the tensor '{value.name}' has the type {value.type}, which is not offered")
    return DATATYPE_OF[value.type]


def _specs(values: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            value.name,
            _datatype(value),
            tuple(dimension if isinstance(dimension, int) else -1 for dimension in value.shape),
        )
        for value in values
    )


def _numpy_type(spec: TensorSpec) -> Any:
    names = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
    return names.get(spec.datatype) or np.dtype(spec.datatype.lower())


def _classes(card: Mapping[str, Any]) -> tuple[str, ...]:
    classes = card.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ManifestMismatchError("card.json: 'classes' must be a list of names")
    return tuple(classes)


def _verify_card(card: Mapping[str, Any], model: Model) -> None:
    for side, specs in (("inputs", model.inputs), ("outputs", model.outputs)):
        graph = [{"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs]
        listed = card.get(side)
        declared = (
            [{key: item.get(key) for key in ("name", "datatype", "shape")} for item in listed] if listed else listed
        )
        if declared != graph:
            raise ManifestMismatchError(f"card.json declares the {side} {declared}, but the graph has {graph}")


def _refusal(error: Exception, name: str) -> Exception:
    """Return an error without ONNX Runtime's own text, which may quote the input."""
    if type(error).__name__ in REFUSALS:
        return BadRequestError(f"the model '{name}' refuses these tensors: see its metadata for shapes and types")
    return error
