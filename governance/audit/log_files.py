"""The files of one worker's log: their names, and the reading of checkpoints. See FORMAT.md.

`entries.jsonl` has one entry per line, `leaves` the hash of each entry, and `checkpoints` the signed notes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from governance.audit.checkpoint import Checkpoint, verify_checkpoint
from governance.errors import ConfigurationError, LogInconsistentError
from governance.keys import VerifyingKey

ENTRIES, LEAVES, CHECKPOINTS, LOCK = "entries.jsonl", "leaves", "checkpoints", "lock"
NOTE_LINES = 5


def logs_below(directory: Path) -> list[Path]:
    """Return the folders of the workers' logs below a folder, sorted.

    Raises:
        ConfigurationError: if there is none.
    """
    folders = sorted(path for path in directory.glob("worker-*") if path.is_dir())
    if not folders:
        raise ConfigurationError(f"there is no audit log in {directory}")
    return folders


def read_checkpoints(folder: Path, key: VerifyingKey, *, repair: bool) -> Iterator[Checkpoint]:
    """Yield every checkpoint of a log, oldest first: of one origin, none with fewer entries than the one before.

    Args:
        folder: Folder of one worker's log.
        key: Public key of the checkpoints.
        repair: Whether an incomplete last checkpoint, which a crash leaves, is removed from the file; otherwise it is
            an error.

    Raises:
        LogInconsistentError: if one is malformed or out of order.
        SignatureError: if one is not signed by `key`.
    """
    file = folder / CHECKPOINTS
    if not file.exists():
        return
    lines = file.read_text("utf-8", "replace").split("\n")
    complete = len(lines) // NOTE_LINES * NOTE_LINES
    if lines[complete:] != [""]:
        if not repair:
            raise LogInconsistentError(f"{file}: the last checkpoint is incomplete")
        os.truncate(file, len("".join(f"{line}\n" for line in lines[:complete]).encode()))
    origin, before = "", -1
    for start in range(0, complete, NOTE_LINES):
        checkpoint = verify_checkpoint("\n".join(lines[start : start + NOTE_LINES]) + "\n", key)
        origin = origin or checkpoint.origin
        if checkpoint.origin != origin:
            raise LogInconsistentError(f"{file}: checkpoints of {origin} and of {checkpoint.origin} are mixed")
        if checkpoint.size < before:
            raise LogInconsistentError(f"{file}: a checkpoint of {checkpoint.size} entries follows one of {before}")
        before = checkpoint.size
        yield checkpoint


class AppendFile:
    """A file of a log that only grows, by this object alone.

    Args:
        path: Path of the file, which is made if needed; it is readable by its owner only.

    Attributes:
        path: Path of the file.
        size: Bytes that the file must have.
    """

    __slots__ = ("_stream", "path", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stream = open(descriptor, "ab", buffering=0)  # noqa: SIM115
        self.size = os.fstat(descriptor).st_size

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end.

        Raises:
            OSError: if that fails.
        """
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]
        self.size += len(data)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()

    def verify_place(self) -> Path:
        """Return the path if it still leads to this file, and the file has the bytes that were written.

        Raises:
            LogInconsistentError: if it was removed, replaced, cut or extended.
        """
        own = os.fstat(self.fileno())
        try:
            seen = os.stat(self.path)
        except OSError:
            raise LogInconsistentError(f"{self.path} was removed while the log was open") from None
        if (seen.st_dev, seen.st_ino) != (own.st_dev, own.st_ino):
            raise LogInconsistentError(f"{self.path} was replaced while the log was open")
        if own.st_size != self.size:
            raise LogInconsistentError(f"{self.path} has {own.st_size} bytes, and {self.size} were written")
        return self.path

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
