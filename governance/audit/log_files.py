"""The files of one worker's log: their names, the reading of checkpoints, and recovery after a crash. See FORMAT.md.

`entries.jsonl` has one entry per line, `leaves` the hash of each entry, and `checkpoints` the signed notes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from governance.audit.checkpoint import Checkpoint, verify_checkpoint
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
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


def recover(folder: Path, key: VerifyingKey, tree: CompactRange) -> None:
    """Bring a log to its last complete entry after a crash, and append its leaves to `tree`.

    An incomplete last line is removed: it was never acknowledged. Missing hashes are computed again. Everything else
    must match the hashes and the checkpoints.

    Args:
        folder: Folder of one worker's log; no other process may write it.
        key: Public key of the checkpoints.
        tree: An empty tree.

    Raises:
        LogInconsistentError: with the first entry that does not match.
    """
    checkpoints = list(read_checkpoints(folder, key, repair=True))
    entries = folder / ENTRIES
    leaves = (folder / LEAVES).read_bytes() if (folder / LEAVES).exists() else b""
    roots = {checkpoint.size: checkpoint.root for checkpoint in checkpoints}
    complete_bytes, hashes = 0, bytearray()
    for line in _lines(entries):
        if not line.endswith(b"\n"):
            break
        leaf = leaf_hash(line[:-1])
        start = tree.size * HASH_BYTES
        if len(leaves) >= start + HASH_BYTES and leaves[start : start + HASH_BYTES] != leaf:
            raise LogInconsistentError(f"{entries}: entry {tree.size} is not what was logged")
        tree.append(leaf)
        hashes += leaf
        complete_bytes += len(line)
        root = roots.get(tree.size)
        if root is not None and root != tree.root():
            raise LogInconsistentError(f"{entries}: an entry up to {tree.size - 1} differs from its checkpoint")
    if checkpoints and max(roots) > tree.size:
        raise LogInconsistentError(f"{entries}: a checkpoint covers {max(roots)} entries, and there are {tree.size}")
    if entries.exists() and entries.stat().st_size != complete_bytes:
        os.truncate(entries, complete_bytes)
    if leaves != hashes:
        (folder / LEAVES).write_bytes(hashes)


def read_checkpoints(folder: Path, key: VerifyingKey, *, repair: bool) -> Iterator[Checkpoint]:
    """Yield every checkpoint of a log, oldest first; none covers fewer entries than the one before.

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
    before = -1
    for start in range(0, complete, NOTE_LINES):
        checkpoint = verify_checkpoint("\n".join(lines[start : start + NOTE_LINES]) + "\n", key)
        if checkpoint.size < before:
            raise LogInconsistentError(f"{file}: a checkpoint of {checkpoint.size} entries follows one of {before}")
        before = checkpoint.size
        yield checkpoint


def _lines(file: Path) -> Iterator[bytes]:
    if file.exists():
        with file.open("rb") as stream:
            yield from stream
