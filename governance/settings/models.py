"""The models to serve: their artifacts, the trusted signers, and the devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Name, Section

STORE_PREFIX = "store:"
Device = Literal["cuda", "tensorrt", "openvino", "cpu"]


class ModelSettings(Section):
    """One model to serve, from a sealed artifact. An artifact that cannot be opened and verified stops the start."""

    artifact: Annotated[str, Field(pattern=r"^store:[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?$")] | Path = Field(
        description="Sealed artifact: a file, or `store:NAME:VERSION` (or `store:NAME`, the newest) in BentoML's model "
        "store.",
        examples=["state/artifacts/digits-cnn.sealed", "store:digits-cnn:2"],
    )
    minimum_version: int = Field(
        default=1,
        ge=1,
        description="Lowest version that may be served. The highest version that was ever served counts too, where "
        "there is an [audit] section. An older artifact stops the start.",
        examples=[3],
    )
    groups: tuple[Name, ...] = Field(
        default=(),
        description='Groups of the model in policies, as in `resource in ModelGroup::"digits"`.',
        examples=[["digits"]],
    )
    max_batch: int = Field(
        default=1024,
        ge=1,
        description="Most items in one inference request under `/v2`, for a model with a batch axis. A larger batch "
        "answers 400.",
        examples=[64],
    )
    batching: bool = Field(
        default=False,
        description="Run requests under `/v2` that wait at the same time as one batch, also those of different "
        "callers. Each still gets its own rows and its own error, and nothing waits for a batch to fill. Only for "
        "models whose rows do not influence each other: a model whose rows do, in a trial, stops the start.",
        examples=[True],
    )
    max_elements: int = Field(
        default=2**24,
        ge=1,
        description="Most elements in one tensor of an inference request under `/v2`; a larger tensor answers 400. It "
        "limits models that have no batch axis.",
        examples=[160_000],
    )
    non_finite: Literal["pass", "refuse", "replace"] = Field(
        default="pass",
        description="What happens to NaN and infinities in requests and answers under `/v2`. `pass`: JSON has the "
        "words NaN, Infinity and -Infinity, as with Triton; a request may have null for NaN. `replace`: the same, but "
        "answers in JSON have null, for clients that read strict JSON only. `refuse`: answers 400.",
        examples=["replace"],
    )
    max_body_bytes: int = Field(
        default=16 * 2**20,
        gt=0,
        description="Longest inference request under `/v2`, in bytes; a longer one answers 413. The largest value of "
        "all models holds for all of them.",
        examples=[1_048_576],
    )


class ArtifactSettings(Section):
    """Whose signatures on artifacts count, and the key that decrypts them. Needed wherever there are models."""

    recipient_key: str = Field(
        description="URI of the private key that decrypts artifacts: `file:`, `env:`, `awskms:`, `vault:` or "
        "`pkcs11:`. A key that cannot be used stops the start.",
        examples=["file:state/keys/recipient.key", "awskms:alias/models?region=eu-central-1"],
    )
    trusted_signers: tuple[Path, ...] = Field(
        min_length=1,
        description="Files with the public keys of trusted signers, or with certificates of trusted authorities (PEM).",
        examples=[["state/keys/signing.key.pub"]],
    )
    threshold: int = Field(
        default=1,
        ge=1,
        description="How many different trusted signers must have signed an artifact. With fewer, it is not opened.",
        examples=[2],
    )
    trusted_cosigners: tuple[Path, ...] = Field(
        default=(),
        description="Files with public ML-DSA-65 keys (FIPS 204). If there are any, each counted signature also needs "
        "a signature by one of them. Default: no second signature is needed.",
        examples=[["state/keys/cosigning.key.pub"]],
    )
    allowed_domains: tuple[str, ...] = Field(
        default=(),
        description="ONNX operator domains that a model may use in addition to those of ONNX itself. A model with any "
        "other operator is refused.",
        examples=[["com.microsoft"]],
    )


class RuntimeSettings(Section):
    """Where models run. The device is proven when a model is loaded; a fallback is logged and shown in metrics."""

    providers: tuple[Device, ...] = Field(
        default=("cpu",),
        min_length=1,
        description="Devices that may be used, the preferred one first: `cuda`, `tensorrt` (which leaves to `cuda` "
        "what it cannot run), `openvino` or `cpu`. The installed build of ONNX Runtime must have the provider.",
        examples=[["cuda", "cpu"]],
    )
    require_device: Device | None = Field(
        default=None,
        description="Device on which models must run; ONNX Runtime's profile of a first run proves it. If one cannot, "
        "the model is not ready and answers 503, unless `allow_fallback` permits the CPU. Default: the first of "
        "`providers`.",
        examples=["cuda"],
    )
    allow_fallback: bool = Field(
        default=False,
        description="Run on the CPU if the wanted device cannot be used and `providers` lists `cpu`. The model then "
        "answers and is marked as degraded.",
        examples=[True],
    )
    device_id: int = Field(default=0, ge=0, description="Number of the CUDA device to use.", examples=[1])
    openvino_device: Literal["CPU", "GPU", "NPU", "AUTO"] = Field(
        default="CPU", description="Device of OpenVINO, for the provider `openvino`.", examples=["GPU"]
    )
    precision: Literal["fp32", "fp16"] = Field(
        default="fp32",
        description="`fp16` lets TensorRT and OpenVINO compute FP32 models in half precision, where the device can. "
        "`cuda` and `cpu` compute in the types of the model: for them, export it in FP16.",
        examples=["fp16"],
    )
    cuda_graphs: bool = Field(
        default=False,
        description="Record the run of each of the first 8 shapes of requests as a CUDA graph, and replay it. Saves "
        "the launch of each kernel; needs memory for each shape, and a model without control flow, all on the GPU.",
        examples=[True],
    )
    intra_op_threads: int = Field(
        default=1,
        ge=0,
        description="Threads that one operator may use, in each worker; 0 means one for each core.",
        examples=[4],
    )
    memory: Literal["auto", "shared", "fast"] = Field(
        default="auto",
        description="How workers hold weights. `shared`: all workers use one copy. `fast`: each worker has its own "
        "copy in the layout of ONNX Runtime's kernels, which makes fp32 MatMul up to twice as fast. `auto`: shared "
        "from 256 MiB on, else fast.",
        examples=["fast"],
    )
