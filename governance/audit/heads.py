"""Heads of all logs below a folder: the newest checkpoint of each, and for how long entries wait for the next."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from governance.audit.checkpoint import MAX_NOTE_BYTES, Checkpoint, verify_checkpoint
from governance.audit.entry import decode_entry
from governance.audit.file_head import FileHead
from governance.audit.log_files import CHECKPOINTS, ENTRIES, NOTE_LINES
from governance.errors import ConfigurationError, IntegrityError, LogInconsistentError
from governance.keys import VerifyingKey


@dataclass(frozen=True, slots=True)
class LogHead:
    """The newest checkpoint of one log.

    Attributes:
        folder: Name of the log's folder.
        checkpoint: The checkpoint, or None if it is not signed by the given key or cannot be read.
        signed_at: Time at which it was written (Unix seconds).
        behind_seconds: Seconds between the checkpoint and the newest entry, 0 if it covers all entries; more than the
            setting `checkpoint_seconds` means that checkpoints are not written.
    """

    folder: str
    checkpoint: Checkpoint | None
    signed_at: float
    behind_seconds: float


def read_heads(directory: Path, key: VerifyingKey) -> list[LogHead]:
    """Return the head of each log below a folder, sorted by folder; only the end of each file is read."""
    return [_head(file, key) for file in sorted(directory.glob(f"*/{CHECKPOINTS}"))]


def _head(file: Path, key: VerifyingKey) -> LogHead:
    signed_at = file.stat().st_mtime
    try:
        written_at = (file.parent / ENTRIES).stat().st_mtime
    except OSError:
        written_at = signed_at
    try:
        checkpoint = verify_checkpoint(_last_note(file), key)
    except IntegrityError:
        checkpoint = None
    return LogHead(file.parent.name, checkpoint, signed_at, max(0.0, written_at - signed_at))


def _last_note(file: Path) -> str:
    """Return the last complete note; a worker may be writing the next one."""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 2 * MAX_NOTE_BYTES))
        lines = stream.read().decode("utf-8", "replace").split("\n")
    # A note is origin, size, root, an empty line and a signature; the line of the signature is its end.
    ends = [place for place, line in enumerate(lines[:-1]) if line.startswith("\u2014 ")]
    end = ends[-1] + 1 if ends else 0
    return "\n".join(lines[max(0, end - NOTE_LINES) : end]) + "\n"


def unverified_file_head(directory: Path, kind: str) -> FileHead | None:
    """Return the newest head of a signed file in all logs below a folder; no signature is verified.

    Args:
        directory: Folder of all workers' logs; it need not exist.
        kind: Kind of the file.

    Raises:
        ConfigurationError: if a log cannot be read.
    """
    heads = [head for file in directory.glob(f"*/{ENTRIES}") if (head := _last_file_head(file, kind)) is not None]
    return max(heads, key=lambda head: head.sequence, default=None)


def _last_file_head(file: Path, kind: str) -> FileHead | None:
    mark = f'"head":"{kind} '.encode()
    try:
        with file.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return None
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _search_back(content, mark)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None


def _search_back(content: mmap.mmap, mark: bytes) -> FileHead | None:
    end = len(content)
    while (place := content.rfind(mark, 0, end)) >= 0:
        line = content[content.rfind(b"\n", 0, place) + 1 : content.find(b"\n", place)]
        end = place
        with suppress(LogInconsistentError, msgspec.MsgspecError):
            entry = decode_entry(line)
            if entry.reason == "done":
                return FileHead.parse(entry.head)
    return None
