"""ONNX Runtime sessions: made from memory on one device, with weights that are used without a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governance.errors import ConfigurationError
from governance.runtime.device import PROVIDER_OF, Placement, kept_provider, provider_options, wanted_device
from governance.runtime.proof import elsewhere, profile_folder, profiled_nodes
from governance.runtime.warmup import run_example
from governance.settings import RuntimeSettings

# From this size on ONNX Runtime uses the weights without a copy, unless the settings say otherwise.
SHARED_FROM_BYTES = 256 * 2**20

_NO_KERNEL = "(NotImplemented:"

Weights = Mapping[str, memoryview]


class UnavailableError(ConfigurationError):
    """A model cannot run on this machine, and perhaps on another: ONNX Runtime is missing, or has no kernel here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session is made of.

    Attributes:
        graph: a serialized ModelProto; ONNX Runtime keeps its own copy.
        weights: the files of external data that the graph names.
        settings: providers, threads and memory.
        card: the model's card; a first run has the sizes that it gives as examples.
    """

    graph: bytes
    weights: Weights
    settings: RuntimeSettings
    card: Mapping[str, Any] = field(default_factory=dict)


def place(plan: Plan, name: str) -> tuple[Placement, Any]:
    """Make a session on the device that the settings ask for, and return where it runs, and the session or None.

    Args:
        plan: what the session is made of.
        name: the model's name, for messages.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed, or cannot load the model on the CPU.
    """
    runtime, settings = import_runtime(), plan.settings
    wanted = wanted_device(settings)
    session, problem = _try_device(runtime, plan, wanted)
    if session is not None:
        return Placement(wanted, ready=True, degraded=False, reason=""), session
    if wanted == "cpu":
        kind = UnavailableError if _NO_KERNEL in problem else ConfigurationError
        raise kind(f"ONNX Runtime cannot load the model '{name}': {problem}")
    if settings.allow_fallback and "cpu" in settings.providers:
        session, cpu_problem = _try_device(runtime, plan, "cpu")
        if session is None:
            raise ConfigurationError(f"ONNX Runtime cannot load the model '{name}': {cpu_problem}")
        return Placement("cpu", ready=True, degraded=True, reason=f"it runs on cpu, since {problem}"), session
    return Placement("none", ready=False, degraded=False, reason=f"{wanted} is asked for, and {problem}"), None


def _try_device(runtime: Any, plan: Plan, device: str) -> tuple[Any, str]:
    """Create a session for one device and prove it, or return the reason for the failure as half a sentence."""
    if PROVIDER_OF[device] not in runtime.get_available_providers():
        return None, f"this build of ONNX Runtime has no {PROVIDER_OF[device]}"
    options = runtime.SessionOptions()
    options.intra_op_num_threads = plan.settings.intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    _lend_weights(options, plan.weights, plan.settings)
    providers = provider_options(device, plan.settings)
    if device == "cpu":
        # There is no other provider in such a session.
        return _new_session(runtime, plan, options, providers)
    with profile_folder() as folder:
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
        session, problem = _new_session(runtime, plan, options, providers)
        if session is None:
            return None, problem
        problem = _unproved(session, plan, device)
    return (None, problem) if problem else (session, "")


def _new_session(runtime: Any, plan: Plan, options: Any, providers: Any) -> tuple[Any, str]:
    try:
        return runtime.InferenceSession(plan.graph, options, providers=providers), ""
    except Exception as error:
        return None, f"a session could not be made ({type(error).__name__}: {str(error)[:160]})"


def _unproved(session: Any, plan: Plan, device: str) -> str:
    """Return why it is not proved that a session runs on a device, or an empty string."""
    try:
        nodes = profiled_nodes(session, lambda: run_example(session, plan.graph, plan.card))
    except Exception as error:
        return (
            f"a first run with zeros, which proves the device, failed ({type(error).__name__}): give sizes that the "
            "model takes as 'example_shape' in card.json"
        )
    if not kept_provider(session.get_providers(), device):
        return f"the session runs on {session.get_providers()[0]} instead"
    return elsewhere(nodes, device)


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


def import_runtime() -> Any:
    """Return the module `onnxruntime`, with its telemetry off.

    Raises:
        ConfigurationError: if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError(
            "ONNX Runtime is not installed: pip install 'bento-governance[cpu]', or [gpu] on a machine with one"
        ) from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime
