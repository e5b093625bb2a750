"""ONNX Runtime sessions: made from memory on one device, with weights that are used without a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.errors import ConfigurationError
from governance.runtime.device import (
    PROVIDER_OF,
    Placement,
    forbid_cpu_fallback,
    proved_device,
    provider_options,
    wanted_device,
)
from governance.settings import RuntimeSettings

# From this size on ONNX Runtime uses the weights without a copy, unless the settings say otherwise.
SHARED_FROM_BYTES = 256 * 2**20

_NO_KERNEL = "(NotImplemented:"

Weights = Mapping[str, memoryview]


class UnavailableError(ConfigurationError):
    """A model cannot run on this machine, and perhaps on another: ONNX Runtime is missing, or has no kernel here."""


def place(graph: bytes, weights: Weights, name: str, settings: RuntimeSettings) -> tuple[Placement, Any]:
    """Make a session on the device that the settings ask for, and return where it runs, and the session or None.

    Args:
        graph: a serialized ModelProto; ONNX Runtime keeps its own copy.
        weights: the files of external data that the graph names.
        name: the model's name, for messages.
        settings: providers, threads and memory.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed, or cannot load the model on the CPU.
    """
    runtime = _import_runtime()
    wanted = wanted_device(settings)
    session, problem = _try_device(runtime, graph, weights, wanted, settings)
    if session is not None:
        return Placement(wanted, ready=True, degraded=False, reason=""), session
    if wanted == "cpu":
        kind = UnavailableError if _NO_KERNEL in problem else ConfigurationError
        raise kind(f"ONNX Runtime cannot load the model '{name}': {problem}")
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


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError(
            "ONNX Runtime is not installed: pip install 'bento-governance[cpu]', or [gpu] on a machine with one"
        ) from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime
