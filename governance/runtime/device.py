"""Devices: the execution providers for ONNX Runtime, and the proof of the device on which the nodes run.

ONNX Runtime lists CUDA as available on machines without a GPU, logs an error, and runs on the CPU (see the issues
mlflow #13388 and bentoml #4412). So this module checks where the nodes really run, and does not rely on the requested
provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.settings import RuntimeSettings

PROVIDER_OF = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Placement:
    """The device on which a session was proved to run, and the requested one.

    `ready` says whether it may answer; `reason` is one sentence wherever something is not as asked.
    """

    device: str
    ready: bool
    degraded: bool
    reason: str


def wanted_device(settings: RuntimeSettings) -> str:
    """Return the device that the settings request: the required one, or else the first provider."""
    return settings.require_device or settings.providers[0]


def provider_options(device: str, settings: RuntimeSettings) -> list[tuple[str, dict[str, Any]]]:
    """Return the providers of `InferenceSession` for exactly one device."""
    options = {"device_id": settings.device_id} if device == "cuda" else {}
    return [(PROVIDER_OF[device], options)]


def forbid_cpu_fallback(options: Any) -> None:
    """Make the creation of a session fail if a node of its graph would run on the CPU."""
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def proved_device(providers: Sequence[str], device: str) -> bool:
    """Return the device of a session that was created for `device`, and whether it kept its provider.

    With `forbid_cpu_fallback`, a session that exists and lists CUDA first has every node there. Without a GPU,
    ONNX Runtime quietly drops the provider from this list, or creation fails.
    """
    return bool(providers) and providers[0] == PROVIDER_OF[device]
