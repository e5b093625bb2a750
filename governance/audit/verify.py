"""Verification: of a whole log, and of one entry's evidence."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from governance.audit.checkpoint import Checkpoint, verify_checkpoint
from governance.audit.entry import Entry, commitment, decode_entry, encode_entry
from governance.audit.log import CHECKPOINTS, ENTRIES, LEAVES, NOTE_LINES, read_checkpoints
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash, prove_inclusion, verify_inclusion
from governance.audit.receipt import Receipt
from governance.errors import BadRequestError, ConfigurationError, LogInconsistentError
from governance.keys import VerifyingKey


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log that is what its checkpoints promise; the last `unpromised` entries lie under none yet."""

    folder: str
    origin: str
    entries: int
    checkpoints: int
    unpromised: int


def logs_below(directory: Path) -> list[Path]:
    """Return the folders of all workers' logs.

    Raises:
        ConfigurationError: if there is none.
    """
    folders = sorted(path for path in directory.glob("worker-*") if path.is_dir())
    if not folders:
        raise ConfigurationError(f"no audit log lies in {directory}")
    return folders


def verify_log(folder: Path, key: VerifyingKey, progress: Callable[[int], None] = lambda _: None) -> VerifiedLog:
    """Check every entry, every hash and every checkpoint of one log.

    Args:
        folder: the folder of one worker's log; it may be written meanwhile.
        key: the public key of the checkpoints.
        progress: is called with the number of bytes of each entry that was checked.

    Raises:
        LogInconsistentError: naming the first bad entry, by its number and its place in the file.
    """
    promises = list(read_checkpoints(folder, key, torn_end=False))
    if not promises:
        raise LogInconsistentError(f"{folder}: it has no checkpoint")
    wanted: dict[int, list[Checkpoint]] = {}
    for promise in promises:
        wanted.setdefault(promise.size, []).append(promise)
    tree, offset, promised, longest = CompactRange(), 0, 0, promises[-1].size
    leaves = _read(folder / LEAVES)
    with (folder / ENTRIES).open("rb") as stream:
        for line in stream:
            if tree.size >= longest and (len(leaves) <= tree.size * HASH_BYTES or not line.endswith(b"\n")):
                break  # A running worker is writing this one just now.
            place = f"{folder / ENTRIES}: entry {tree.size} at byte {offset}"
            _verify_line(line, leaves[tree.size * HASH_BYTES : (tree.size + 1) * HASH_BYTES], place)
            tree.append(leaf_hash(line[:-1]))
            offset += len(line)
            progress(len(line))
            for promise in wanted.pop(tree.size, ()):
                if promise.root != tree.root():
                    span = f"an entry from {promised} to {tree.size - 1}"
                    raise LogInconsistentError(f"{folder / ENTRIES}: {span} is not what was promised")
                promised = tree.size
    wanted.pop(0, None)
    if wanted:
        raise LogInconsistentError(f"{folder}: entry {tree.size} is missing: {max(wanted)} were promised")
    if len(leaves) != tree.size * HASH_BYTES:
        raise LogInconsistentError(f"{folder / LEAVES}: entry {tree.size} is missing, and its hash is there")
    return VerifiedLog(str(folder), promises[-1].origin, tree.size, len(promises), tree.size - promised)


def prove(directory: Path, receipt: Receipt) -> dict[str, Any]:
    """Return the evidence for one receipt: entry, inclusion proof, checkpoint and salt, for anyone to check.

    Args:
        directory: the folder with the workers' logs.
        receipt: the receipt of the answer.

    Raises:
        LogInconsistentError: if the log has no such entry, or no checkpoint over it yet.
    """
    folder = directory / receipt.origin.rpartition("/")[2]
    if not folder.is_dir():
        raise LogInconsistentError(f"no log of {receipt.origin} lies in {directory}")
    notes = _read(folder / CHECKPOINTS).decode("utf-8").split("\n")
    note = "\n".join(notes[-NOTE_LINES - 1 :])
    size = int(notes[-NOTE_LINES]) if len(notes) > NOTE_LINES and notes[-NOTE_LINES].isdigit() else 0
    raw = _read(folder / LEAVES)
    leaves = [raw[start : start + HASH_BYTES] for start in range(0, size * HASH_BYTES, HASH_BYTES)]
    if receipt.index >= size or leaves[receipt.index] != receipt.leaf:
        raise LogInconsistentError("the log has no such entry under its last checkpoint (a second may be needed)")
    with (folder / ENTRIES).open("rb") as stream:
        line = next(line for number, line in enumerate(stream) if number == receipt.index)
    return {
        "entry": line.decode("utf-8").rstrip("\n"),
        "index": receipt.index,
        "proof": [base64.b64encode(node).decode() for node in prove_inclusion(receipt.index, leaves)],
        "checkpoint": note,
        "salt": receipt.salt.hex(),
    }


def verify_evidence(
    evidence: Any, key: VerifyingKey, *, request: bytes | None = None, reply: bytes | None = None
) -> Entry:
    """Return the entry that the evidence proves, and check the bodies against it where they are given.

    Args:
        evidence: what `prove` returned, parsed from JSON.
        key: the public key of the checkpoints.
        request, reply: the bodies as sent and as received, or None.

    Raises:
        LogInconsistentError: if it proves nothing, or a body is not the one that was logged.
        SignatureError: if the checkpoint is another key's.
    """
    try:
        line = evidence["entry"].encode("utf-8")
        proof = [base64.b64decode(node, validate=True) for node in evidence["proof"]]
        index, note, salt = evidence["index"], evidence["checkpoint"], bytes.fromhex(evidence["salt"])
        entry = decode_entry(line)
    except (LookupError, TypeError, AttributeError, ValueError, binascii.Error, msgspec.MsgspecError):
        raise BadRequestError("this is not evidence from `audit prove`") from None
    if not isinstance(index, int) or not isinstance(note, str):
        raise BadRequestError("this is not evidence from `audit prove`")
    checkpoint = verify_checkpoint(note, key)
    verify_inclusion(index, checkpoint.size, leaf_hash(line), proof, checkpoint.root)
    for kind, body, logged in (("request", request, entry.request), ("reply", reply, entry.reply)):
        if body is not None and commitment(kind, salt, body) != logged:  # type: ignore[arg-type]
            raise LogInconsistentError(f"this {kind} is not the one that was logged")
    return entry


def _verify_line(line: bytes, leaf: bytes, place: str) -> None:
    if not line.endswith(b"\n"):
        raise LogInconsistentError(f"{place} is cut short")
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
