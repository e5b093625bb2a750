"""The models to serve: which artifacts, whom to trust, and where they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Name, Section

STORE_PREFIX = "store:"


class ModelSettings(Section):
    """One sealed artifact to serve: a file, or `store:TAG` in BentoML's model store. `groups` are Cedar ModelGroups."""

    artifact: Annotated[str, Field(pattern=r"^store:[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?$")] | Path
    minimum_version: int = Field(default=1, ge=1)
    groups: tuple[Name, ...] = ()
    max_batch: int = Field(default=1024, ge=1)
    max_body_bytes: int = Field(default=16 * 2**20, gt=0)


class ArtifactSettings(Section):
    """Whom to trust and with which key to open.

    `recipient_key` is a URI (`file:`, `env:`, `awskms:`, `vault:`, `pkcs11:`); `trusted_signers` are public keys or
    authorities' certificates, of whom `threshold` must have signed; with `trusted_cosigners` (ML-DSA-65) each signature
    needs one of theirs beside it. `allowed_domains` are ONNX operator domains beside ONNX's own.
    """

    recipient_key: str
    trusted_signers: tuple[Path, ...] = Field(min_length=1)
    threshold: int = Field(default=1, ge=1)
    trusted_cosigners: tuple[Path, ...] = ()
    allowed_domains: tuple[str, ...] = ()


class RuntimeSettings(Section):
    """Where models run. `require_device` is proved at load; a fallback is visible and never silent.

    `memory`: `shared` uses the one copy of the weights where it lies, for all workers; `fast` lets ONNX Runtime make a
    copy in each, arranged for its kernels (fp32 MatMul is up to twice as fast). `auto` is shared from 256 MiB on.
    """

    providers: tuple[Literal["cuda", "cpu"], ...] = Field(default=("cpu",), min_length=1)
    require_device: Literal["cuda", "cpu"] | None = None
    allow_fallback: bool = False
    device_id: int = Field(default=0, ge=0)
    intra_op_threads: int = Field(default=1, ge=0)
    memory: Literal["auto", "shared", "fast"] = "auto"
