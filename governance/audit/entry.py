"""One entry: what was asked, decided and answered, and nothing that a body held. See FORMAT.md."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal, NewType

import msgspec

# A word that may be kept: one of ours (settings, cards, policies, this code), or one held against a closed set.
# No other text flows into an entry, and mypy holds that.
Word = NewType("Word", str)
VERSION = 1
SALT_BYTES = 16


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, or one event beside any. Times are Unix microseconds; commitments are hex, or null without a body.

    What has a default is left out where it has it.
    """

    v: int

    id: Word
    time_us: int
    duration_us: int
    method: Word
    route: Word
    action: Word
    outcome: Literal["answered", "refused", "failed", "event"]
    reason: Word | None
    status: int | None
    caller: Word | None
    key_id: Word | None
    purpose: Word | None
    model: Word | None
    version: Word | None
    model_digest: Word | None
    items: int | None
    policies: list[Word]
    policy_digest: Word | None
    redactions: dict[Word, int]
    request: str | None
    reply: str | None
    roles: list[Word] = []
    obligations: Word = Word("")
    shadow: Literal["", "allow", "deny"] = ""
    grant: Word = Word("")
    data_classes: list[Word] = []
    detail: Word = Word("")
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


def ours(value: str) -> Word:
    """Say that a text was written by the service, its operator or its policies, and by no caller."""
    return Word(value)


def one_of(value: str | None, known: Collection[str]) -> Word | None:
    """Return a caller's word if it is one of those that we know, or None."""
    return Word(value) if value is not None and value in known else None


def small_number(value: str | None) -> Word | None:
    """Return a caller's word if it is a number of up to six digits, or None."""
    fits = value is not None and value.isascii() and value.isdigit() and len(value) <= 6
    return Word(value) if value is not None and fits else None


def printable(value: str | None, limit: int = 128) -> Word | None:
    """Return an operator's word if it is short printable ASCII, or None: the log takes no other."""
    return Word(value) if value and len(value) <= limit and value.isascii() and value.isprintable() else None
