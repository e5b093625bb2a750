"""Devices: the execution providers of ONNX Runtime, and what the settings ask of each.

ONNX Runtime lists CUDA as available on machines without a GPU, logs an error, and runs on the CPU (see the issues
mlflow #13388 and bentoml #4412). So `proof.py` looks where the nodes ran, and nothing relies on a list of providers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.settings import RuntimeSettings

PROVIDER_OF = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# TensorRT leaves what it cannot run to CUDA, on the same GPU.
PROVIDERS_ON = {device: frozenset({provider}) for device, provider in PROVIDER_OF.items()} | {
    "tensorrt": frozenset({PROVIDER_OF["tensorrt"], PROVIDER_OF["cuda"]})
}
# Devices with memory of their own, whose tensors are bound there.
BOUND = frozenset({"cuda", "tensorrt"})


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
    """Return the providers of `InferenceSession` for one device, the preferred one first.

    TensorRT's engines are not cached: a cache would be the model in plaintext on a disk.
    """
    half, graphs = settings.precision == "fp16", settings.cuda_graphs
    cuda = (PROVIDER_OF["cuda"], {"device_id": settings.device_id} | ({"enable_cuda_graph": "1"} if graphs else {}))
    if device == "cuda":
        return [cuda]
    if device == "tensorrt":
        options: dict[str, Any] = {
            "device_id": settings.device_id,
            "trt_fp16_enable": half,
            "trt_cuda_graph_enable": graphs,
        }
        # Nodes that TensorRT leaves to CUDA are outside of its graphs.
        return [(PROVIDER_OF[device], options), (PROVIDER_OF["cuda"], {"device_id": settings.device_id})]
    if device == "openvino":
        # OpenVINO takes half precision for devices that have it, and refuses it for the CPU.
        kind: dict[str, Any] = {"device_type": settings.openvino_device}
        return [(PROVIDER_OF[device], kind | ({"precision": "FP16"} if half else {}))]
    return [(PROVIDER_OF[device], {})]


def kept_provider(providers: Sequence[str], device: str) -> bool:
    """Return whether a session kept the provider of its device; without a GPU ONNX Runtime drops it silently."""
    return bool(providers) and providers[0] == PROVIDER_OF[device]
