"""Verification of a whole log: every entry, every hash and every checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from governance.audit.checkpoint import Checkpoint
from governance.audit.entry import decode_entry, encode_entry
from governance.audit.log_files import ENTRIES, LEAVES, read_checkpoints
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
from governance.audit.origin import Origin
from governance.errors import LogInconsistentError
from governance.keys import VerifyingKey


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log that matches all its checkpoints.

    Attributes:
        folder: Path of the log.
        origin: Name of the log in its checkpoints.
        entries: Number of entries.
        checkpoints: Number of checkpoints.
        uncovered: Number of last entries that no checkpoint covers yet.
    """

    folder: str
    origin: str
    entries: int
    checkpoints: int
    uncovered: int


def verify_log(folder: Path, key: VerifyingKey, progress: Callable[[int], None] = lambda _: None) -> VerifiedLog:
    """Check every entry, every hash and every checkpoint of one log.

    Args:
        folder: Folder of one worker's log; the worker may be writing it.
        key: Public key of the checkpoints.
        progress: Is called with the number of bytes of each checked entry.

    Raises:
        LogInconsistentError: with the number and byte offset of the first entry that is wrong.
        SignatureError: if a checkpoint is not signed by `key`.
    """
    checkpoints = list(read_checkpoints(folder, key, repair=False))
    if not checkpoints:
        raise LogInconsistentError(f"{folder}: it has no checkpoint")
    pending: dict[int, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        pending.setdefault(checkpoint.size, []).append(checkpoint)
    origin = Origin.parse(checkpoints[-1].origin)
    if origin.folder != folder.name:
        raise LogInconsistentError(f"{folder}: this is the log {origin}, of a folder named {origin.folder}")
    tree, offset, covered, longest = CompactRange(), 0, 0, checkpoints[-1].size
    leaves = _read(folder / LEAVES)
    with (folder / ENTRIES).open("rb") as stream:
        for line in stream:
            if tree.size >= longest and (len(leaves) <= tree.size * HASH_BYTES or not line.endswith(b"\n")):
                break  # A running worker is writing this entry.
            place = f"{folder / ENTRIES}: entry {tree.size} at byte {offset}"
            _verify_line(line, leaves[tree.size * HASH_BYTES : (tree.size + 1) * HASH_BYTES], place)
            tree.append(leaf_hash(line[:-1]))
            offset += len(line)
            progress(len(line))
            for checkpoint in pending.pop(tree.size, ()):
                if checkpoint.root != tree.root():
                    span = f"an entry from {covered} to {tree.size - 1}"
                    raise LogInconsistentError(f"{folder / ENTRIES}: {span} differs from its checkpoint")
                covered = tree.size
    pending.pop(0, None)
    if pending:
        raise LogInconsistentError(f"{folder}: entry {tree.size} is missing: a checkpoint covers {max(pending)}")
    if len(leaves) != tree.size * HASH_BYTES:
        raise LogInconsistentError(f"{folder / LEAVES}: entry {tree.size} is missing, but its hash exists")
    return VerifiedLog(str(folder), checkpoints[-1].origin, tree.size, len(checkpoints), tree.size - covered)


def _verify_line(line: bytes, leaf: bytes, place: str) -> None:
    if not line.endswith(b"\n"):
        raise LogInconsistentError(f"{place} is truncated")
    if leaf_hash(line[:-1]) != leaf:
        raise LogInconsistentError(f"{place} is not what was logged")
    try:
        canonical = encode_entry(decode_entry(line[:-1]))
    except msgspec.MsgspecError:
        raise LogInconsistentError(f"{place} is not an entry") from None
    if canonical != line[:-1]:
        raise LogInconsistentError(f"{place} is not canonical JSON")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LogInconsistentError(f"cannot read {file}: {error.strerror}") from None
