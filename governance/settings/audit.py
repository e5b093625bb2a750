"""The audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Section


class AuditSettings(Section):
    """The log's folder, the checkpoint's key, and when an entry counts as written.

    `group`: on the disk (fdatasync, many entries at once); `process`: handed to the operating system,
    which outlives the process but not the machine. `origin` begins the logs' names in checkpoints and receipts, where
    replicas of one service keep a log each; it is the service's name otherwise.
    """

    directory: Path
    checkpoint_key: str
    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,159}$")] | None = None
    durability: Literal["group", "process"] = "group"
    checkpoint_seconds: float = Field(default=1.0, gt=0)
