"""One entry: what was asked, decided and answered, and nothing that a body held. See FORMAT.md."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal, NewType

import msgspec

# A word that may be kept: one of ours (settings, cards, policies, this code), or one held against a closed set.
# No other text flows into an entry, and mypy holds that.
LogWord = NewType("LogWord", str)
VERSION = 1
SALT_BYTES = 16


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, or one event beside any. Times are Unix microseconds; commitments are hex, or null without a body.

    What has a default is left out where it has it.
    """

    v: int

    id: LogWord
    time_us: int
    duration_us: int
    method: LogWord
    route: LogWord
    action: LogWord
    outcome: Literal["answered", "refused", "failed", "event"]
    reason: LogWord | None
    status: int | None
    caller: LogWord | None
    key_id: LogWord | None
    purpose: LogWord | None
    model: LogWord | None
    version: LogWord | None
    model_digest: LogWord | None
    items: int | None
    policies: list[LogWord]
    policy_digest: LogWord | None
    redactions: dict[LogWord, int]
    request: str | None
    reply: str | None
    roles: list[LogWord] = []
    obligations: LogWord = LogWord("")
    shadow: Literal["", "allow", "deny"] = ""
    grant: LogWord = LogWord("")
    data_classes: list[LogWord] = []
    detail: LogWord = LogWord("")
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


def ours(value: str) -> LogWord:
    """Say that a text was written by the service, its operator or its policies, and by no caller."""
    return LogWord(value)


def one_of(value: str | None, known: Collection[str]) -> LogWord | None:
    """Return a caller's word if it is one of those that we know, or None."""
    return LogWord(value) if value is not None and value in known else None


def small_number(value: str | None) -> LogWord | None:
    """Return a caller's word if it is a number of up to six digits, or None."""
    fits = value is not None and value.isascii() and value.isdigit() and len(value) <= 6
    return LogWord(value) if value is not None and fits else None


def printable(value: str | None, limit: int = 128) -> LogWord | None:
    """Return an operator's word if it is short printable ASCII, or None: the log takes no other."""
    return LogWord(value) if value and len(value) <= limit and value.isascii() and value.isprintable() else None
