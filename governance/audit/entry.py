"""One entry of the log: the request, the decision and the outcome, without any content of a body. See FORMAT.md."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal, NewType

import msgspec

# Text that may be logged: written by the operator (settings, cards, policies) or this code, or a caller's word that was
# compared with a closed set. Fields of an entry have this type, so that mypy finds any other text.
LogWord = NewType("LogWord", str)
VERSION = 2
SALT_BYTES = 16


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry: a request, or an event such as a stop. Fields with their default value are left out of the JSON.

    Attributes:
        v: Version of the format.
        id: Id of the request, or of the event.
        time_us: Time at which the request arrived, in Unix microseconds.
        duration_us: Microseconds until the answer was ready.
        method: HTTP method, or `OTHER`.
        route: Template of the route.
        action: Cedar action of the route, or the kind of the event.
        outcome: `answered`, `refused` (by a rule), `failed` (by an error), or `event`.
        reason: Code of the error; for an event, `done` or `refused`.
        status: HTTP status of the answer.
        caller: Id of the caller.
        key_id: Id of the credential.
        purpose: Purpose that the caller named, or `other`.
        model: Name of the model.
        version: Version of the model.
        model_digest: Digest of the model's manifest.
        items: Number of items in the batch.
        policies: `@id`s of the policies that decided.
        policy_digest: Digest of the policy set.
        redactions: What was changed in the request: number of values of declared fields by operator, and of findings
            in free text and pictures by kind of personal data.
        request: Commitment to the body of the request (hex), or None without a body.
        reply: Commitment to the body of the answer (hex), or None without a body.
        roles: Roles of the caller.
        obligations: Obligations of the decision, such as `output=label`.
        shadow: Decision of the candidate policies.
        grant: Id of the emergency grant that was used.
        data_classes: Classes of personal data in declared fields.
        detail: Why the policies denied the request, or the reason of an event.
        reply_redactions: Number of findings that were changed in the answer, by kind of personal data; of a stream in
            its second entry.
        stream: For a streamed answer: `begun` in its first entry, `ended` in its second.
        head: For an event about a signed file or another log: what must not go back, such as a sequence number.
        stamp: Authentication of the entry, added by the log (`stamp`); "" in logs of format 1.
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
    reply_redactions: dict[LogWord, int] = {}
    head: LogWord = LogWord("")
    stamp: str = ""


# Sorted keys, no spaces, only integers: for these fields that is canonical JSON (RFC 8785), as a test verifies.
_encode = msgspec.json.Encoder(order="sorted").encode
decode_entry = msgspec.json.Decoder(Entry).decode


def encode_entry(entry: Entry) -> bytes:
    """Return the canonical JSON (RFC 8785) of an entry, one line without a line feed."""
    return _encode(entry)


def commitment(kind: Literal["request", "reply"], salt: bytes, *body: bytes | memoryview) -> str:
    """Return the commitment to a body: SHA-256 over kind, a zero byte, salt and body, in hex.

    Args:
        kind: `request` or `reply`.
        salt: 16 random bytes, which only the caller gets: without them, a reader of the log cannot test guesses of a
            body.
        body: The whole body, in one piece or more.
    """
    committed = begin_commitment(kind, salt)
    for piece in body:
        committed.update(piece)
    return committed.hexdigest()


def begin_commitment(kind: Literal["request", "reply"], salt: bytes) -> hashlib._Hash:
    """Return the hash object of a commitment; `update` it with each piece of the body."""
    return hashlib.sha256(kind.encode() + b"\x00" + salt)


def trusted_word(value: str) -> LogWord:
    """Mark a text of the service, its operator or its policies as loggable; never use it for a caller's text."""
    return LogWord(value)


def known_word(value: str | None, known: Collection[str]) -> LogWord | None:
    """Return a caller's word if it is one of the known words, or None."""
    return LogWord(value) if value is not None and value in known else None


def number_word(value: str | None) -> LogWord | None:
    """Return a caller's word if it is a number of at most six digits, or None."""
    fits = value is not None and value.isascii() and value.isdigit() and len(value) <= 6
    return LogWord(value) if value is not None and fits else None


def printable_word(value: str | None, limit: int = 128) -> LogWord | None:
    """Return a text of the operator if it is printable ASCII of at most `limit` characters, or None."""
    return LogWord(value) if value and len(value) <= limit and value.isascii() and value.isprintable() else None
