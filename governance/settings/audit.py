"""The audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Section


class AuditSettings(Section):
    """The audit log. If an entry cannot be written, the request answers 503, and so do all later ones."""

    directory: Path = Field(
        description="Folder of the log; each worker writes its own subfolder. The lowest versions of models that may "
        "still be served are kept here too.",
        examples=["state/audit"],
    )
    checkpoint_key: str = Field(
        description="URI of the Ed25519 key that signs the log's checkpoints. A log that another key has signed stops "
        "the start.",
        examples=["file:state/keys/checkpoint.key"],
    )
    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,159}$")] | None = Field(
        default=None,
        description="First part of the log's name in checkpoints and receipts. Give each replica its own where each "
        "keeps a log. Default: the service's name.",
        examples=["digits/replica-0"],
    )
    durability: Literal["group", "process"] = Field(
        default="group",
        description="When an entry counts as written. `group`: it is on the disk (fdatasync, for many entries at "
        "once). `process`: the operating system has it; it survives the end of the process, not of the machine.",
        examples=["process"],
    )
    checkpoint_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Longest time between an entry and the signed checkpoint that covers it, in seconds.",
        examples=[5.0],
    )
