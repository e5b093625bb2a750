"""One entry: what was asked, decided and answered, and nothing that a body held. See FORMAT.md."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

VERSION = 1
SALT_BYTES = 16


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, or one event beside any. Times are Unix microseconds; commitments are hex, or null without a body.

    What has a default is left out where it has it.
    """

    v: int

    id: str
    time_us: int
    duration_us: int
    method: str
    route: str
    action: str
    outcome: Literal["answered", "refused", "failed", "event"]
    reason: str | None
    status: int | None
    caller: str | None
    key_id: str | None
    purpose: str | None
    model: str | None
    version: str | None
    model_digest: str | None
    items: int | None
    policies: list[str]
    policy_digest: str | None
    redactions: dict[str, int]
    request: str | None
    reply: str | None
    roles: list[str] = []
    obligations: str = ""
    shadow: Literal["", "allow", "deny"] = ""
    grant: str = ""
    data_classes: list[str] = []
    detail: str = ""
    stream: Literal["", "begun", "ended"] = ""


# Sorted keys, no spaces, integers: for these fields that is canonical JSON (RFC 8785), which a test holds.
_encode = msgspec.json.Encoder(order="sorted").encode
decode_entry = msgspec.json.Decoder(Entry).decode


def encode_entry(entry: Entry) -> bytes:
    """Return the entry's canonical JSON, in one line."""
    return _encode(entry)


def commitment(kind: Literal["request", "reply"], salt: bytes, body: bytes) -> str:
    """Return SHA-256, in hex, over kind, salt and body.

    The salt of 16 random bytes is given to the caller and not kept, so that nobody who reads the log can find a
    body by trying.
    """
    committed = begin_commitment(kind, salt)
    committed.update(body)
    return committed.hexdigest()


def begin_commitment(kind: Literal["request", "reply"], salt: bytes) -> hashlib._Hash:
    """Return the hash of a commitment to a body that comes piece by piece."""
    return hashlib.sha256(kind.encode() + b"\x00" + salt)


def printable(value: str | None, limit: int = 128) -> str | None:
    """Return a caller's word if it is short printable ASCII, or None: the log takes no other."""
    return value if value and len(value) <= limit and value.isascii() and value.isprintable() else None
