"""Checkpoints: origin, size and root hash of a log, signed with Ed25519.

Sources: c2sp.org/tlog-checkpoint, c2sp.org/signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from governance.audit.merkle import HASH_BYTES
from governance.errors import LogInconsistentError, SignatureError
from governance.keys import Signer, VerifyingKey

MAX_NOTE_BYTES = 4096
_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one time.

    Attributes:
        origin: Name of the log.
        size: Number of entries that the checkpoint covers.
        root: Root hash over these entries (32 bytes).
    """

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """Return the text that is signed: origin, size and base64 root, one per line."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: Signer) -> str:
    """Return the signed note (5 lines) of a checkpoint; the name of the key in it is the origin."""
    text = checkpoint.to_text()
    signature = _key_id(checkpoint.origin, key.public_key) + key.sign(text.encode())
    return f"{text}\n\u2014 {checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def verify_checkpoint(note: str, key: VerifyingKey) -> Checkpoint:
    """Return the checkpoint in a note that `key` signed.

    Raises:
        LogInconsistentError: if the note is not a checkpoint with exactly one signature.
        SignatureError: if it is signed by another key, or the signature is wrong.
    """
    lines = note.split("\n")
    if len(note) > MAX_NOTE_BYTES or len(lines) != 6 or lines[3] or lines[5] or not lines[0]:
        raise LogInconsistentError("a checkpoint is not a signed note of five lines")
    origin, size, root = lines[0], lines[1], _decode(lines[2])
    if not (size.isascii() and size.isdigit() and str(int(size)) == size) or len(root) != HASH_BYTES:
        raise LogInconsistentError("a checkpoint has a wrong size or root")
    marker, _, encoded = lines[4].rpartition(" ")
    if marker != f"\u2014 {origin}":
        raise LogInconsistentError("a checkpoint is signed under another name than its origin")
    signature = _decode(encoded)
    if signature[:4] != _key_id(origin, key):
        raise SignatureError("a checkpoint is signed by another key")
    checkpoint = Checkpoint(origin, int(size), root)
    key.verify_signature(signature[4:], checkpoint.to_text().encode())
    return checkpoint


def _key_id(name: str, key: VerifyingKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogInconsistentError("a checkpoint contains invalid base64") from None
