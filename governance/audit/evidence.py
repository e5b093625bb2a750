"""Evidence that one entry is in a log: made from a receipt, and verified without the log."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import msgspec

from governance.audit.checkpoint import verify_checkpoint
from governance.audit.entry import Entry, commitment, decode_entry
from governance.audit.log_files import CHECKPOINTS, ENTRIES, LEAVES, NOTE_LINES
from governance.audit.merkle import HASH_BYTES, leaf_hash, prove_inclusion, verify_inclusion
from governance.audit.origin import Origin
from governance.audit.receipt import Receipt
from governance.errors import BadRequestError, LogInconsistentError
from governance.keys import VerifyingKey


def prove(directory: Path, receipt: Receipt) -> dict[str, Any]:
    """Return the evidence for a receipt: entry, inclusion proof, checkpoint and salt, as JSON values.

    Args:
        directory: Folder with the workers' logs.
        receipt: Receipt of an answer.

    Raises:
        LogInconsistentError: if the log has no such entry, or no checkpoint covers it yet.
    """
    folder = directory / Origin.parse(receipt.origin).folder
    if not folder.is_dir():
        raise LogInconsistentError(f"there is no log of {receipt.origin} in {directory}")
    notes = _read(folder / CHECKPOINTS).decode("utf-8").split("\n")
    note = "\n".join(notes[-NOTE_LINES - 1 :])
    if len(notes) > NOTE_LINES and notes[-NOTE_LINES - 1] != receipt.origin:
        raise LogInconsistentError(f"{folder}: this is the log {notes[-NOTE_LINES - 1]}, not {receipt.origin}")
    size = int(notes[-NOTE_LINES]) if len(notes) > NOTE_LINES and notes[-NOTE_LINES].isdigit() else 0
    raw = _read(folder / LEAVES)
    leaves = [raw[start : start + HASH_BYTES] for start in range(0, size * HASH_BYTES, HASH_BYTES)]
    if receipt.index >= size or leaves[receipt.index] != receipt.leaf:
        raise LogInconsistentError("the last checkpoint covers no such entry (a new entry may need a second)")
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
    """Return the entry that the evidence proves; compare the bodies with it if they are given.

    Args:
        evidence: Result of `prove`, parsed from JSON.
        key: Public key of the checkpoints.
        request: Body of the request as sent, or None.
        reply: Body of the answer as received, or None.

    Raises:
        BadRequestError: if it does not have the form of evidence.
        LogInconsistentError: if the proof does not lead to the checkpoint, or a body differs from the logged one.
        SignatureError: if the checkpoint is not signed by `key`.
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


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LogInconsistentError(f"cannot read {file}: {error.strerror}") from None
