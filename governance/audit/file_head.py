"""Heads of signed files in the log: with them, a file that went back to an older version is found. See FORMAT.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from governance.errors import LogInconsistentError, RollbackError

_FORM = re.compile(r"([a-z-]{1,32}) (0|[1-9][0-9]{0,15}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class FileHead:
    """The version of a signed file that was in force.

    Attributes:
        kind: Which file: `stop` or `floors`.
        sequence: Number of the version.
        digest: SHA-256 of what was signed (hex).
    """

    kind: str
    sequence: int
    digest: str

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence} {self.digest}"

    @classmethod
    def parse(cls, text: str) -> FileHead:
        """Return the head with this text.

        Raises:
            LogInconsistentError: if it has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise LogInconsistentError("an entry of the audit log has a `head` of another form")
        return cls(match[1], int(match[2]), match[3])


def verify_step(before: FileHead | None, now: FileHead) -> FileHead:
    """Return `now`, if the file did not go back.

    Args:
        before: Newest version in the log, or None.
        now: Version of the file.

    Raises:
        RollbackError: if it is older than the newest in the log, or another file with the same number.
    """
    if before is not None and now.sequence < before.sequence:
        raise RollbackError(
            f"the file of kind '{now.kind}' has version {now.sequence}, and the audit log had {before.sequence}: "
            "put the newest file back"
        )
    if before is not None and now.sequence == before.sequence and now.digest != before.digest:
        raise RollbackError(f"the file of kind '{now.kind}' is another version {now.sequence} than the audit log had")
    return now
