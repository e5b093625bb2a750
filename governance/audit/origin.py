"""The origin of a log: the name in its checkpoints and receipts, which no other log has. See FORMAT.md, "Identity"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from governance.errors import LogInconsistentError

ID_BYTES = 8
_FORM = re.compile(
    r"(?P<owner>[^\s+]+)/(?P<folder>worker-\d{1,3})(?:/(?P<id>[0-9a-f]{16})/(?P<epoch>[1-9][0-9]{0,8}))?"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of one log.

    Attributes:
        owner: Name of the service, or of this replica of it.
        folder: Name of the log's folder, such as `worker-0`.
        log_id: Random id of the log (16 hex digits), the same in all its epochs; "" in logs of format 1.
        epoch: Number of the part of the log, from 1; archiving begins the next. 0 in logs of format 1.
    """

    owner: str
    folder: str
    log_id: str = ""
    epoch: int = 0

    def __str__(self) -> str:
        name = f"{self.owner}/{self.folder}"
        return f"{name}/{self.log_id}/{self.epoch}" if self.log_id else name

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Return the origin with this text.

        Raises:
            LogInconsistentError: if it has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise LogInconsistentError("a checkpoint has an origin that no log of this format has")
        return cls(match["owner"], match["folder"], match["id"] or "", int(match["epoch"] or 0))

    @classmethod
    def new(cls, owner: str, folder: str, random: Callable[[int], bytes]) -> Origin:
        """Return the origin of a new log."""
        return cls(owner, folder, random(ID_BYTES).hex(), 1)

    def next_epoch(self, random: Callable[[int], bytes]) -> Origin:
        """Return the origin of the part that follows this one."""
        return Origin(self.owner, self.folder, self.log_id or random(ID_BYTES).hex(), self.epoch + 1)
