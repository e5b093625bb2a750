"""Random requests: good ones of every route, changed in method, path, header fields, body, framing and compression."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

TOKENS = (b"{", b"[", b'"', b"null", b"1e999", b"-", b"NaN", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\r\n",
          b"[" * 2000, b"9" * 5000, b'{"a":1,"a":2}', b"http://127.0.0.1:1/", b"\x80\x04K\x01.")  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get", "PRI", "")
TYPES = ("application/json", "application/octet-stream", "multipart/form-data; boundary=b", "text/plain", "",
         "application/vnd.bentoml+pickle", "application/json; charset=utf-16", "multipart/form-data", "a/b; c=\"")  # fmt: skip
FIELDS = (("governance-purpose", "demonstration"), ("governance-purpose", "x" * 5000), ("range", "bytes=0-3"),
          ("expect", "100-continue"), ("traceparent", "00-" + "f" * 32 + "-" + "0" * 16 + "-01"), ("origin", "null"),
          ("x-forwarded-for", "10.0.0.1"), ("cookie", "a=b"), ("accept-encoding", "gzip"), ("upgrade", "websocket"),
          ("connection", "close"), ("connection", "upgrade"), ("host", "a\x00b"), ("x" * 300, "y"), ("x-long", "z" * 9000),
          ("inference-header-content-length", "5"), ("inference-header-content-length", "-1"), ("te", "trailers"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Good:
    """A request that a service answers: the seed of random ones."""

    method: str
    path: str
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as bytes.

    Attributes:
        pieces: what is sent, one piece after the other.
        pause_seconds: the pause between two pieces.
        is_cut: the connection is closed after the last piece, without waiting for an answer.
        is_whole: the request is framed as HTTP asks, so that the server has to answer it.
    """

    pieces: tuple[bytes, ...]
    pause_seconds: float = 0.0
    is_cut: bool = False
    is_whole: bool = False

    @property
    def raw(self) -> bytes:
        """All bytes."""
        return b"".join(self.pieces)


def attempt(chance: random.Random, seeds: Sequence[Good], token: str) -> Attempt:
    """Return a random request.

    Args:
        chance: the source of randomness; the same state gives the same request.
        seeds: good requests.
        token: a valid API key.
    """
    seed = chance.choice(seeds)
    method = chance.choice(METHODS) if chance.random() < 0.15 else seed.method
    path = _path(chance, seed.path) if chance.random() < 0.25 else seed.path
    body = _body(chance, seed.body)
    fields = [*seed.fields, ("authorization", f"Bearer {_token(chance, token)}")]
    if chance.random() < 0.2:
        fields.append(("content-type", chance.choice(TYPES)))
    fields += [chance.choice(FIELDS) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    body, fields = _compressed(chance, body, fields)
    head = (
        f"{method} {path} {'HTTP/1.1' if chance.random() < 0.97 else chance.choice(('HTTP/1.0', 'HTTP/9.9', ''))}\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in (("host", "x"), *fields))
    return _sent(chance, head.encode("latin-1", "replace"), body)


def _token(chance: random.Random, token: str) -> str:
    return token if chance.random() < 0.85 else chance.choice((token[:-1], "", "x" * 3000, "a.b.c", "\x7f"))


def _path(chance: random.Random, path: str) -> str:
    place = chance.randrange(len(path) + 1)
    extra = chance.choice(("/", "%2e", "%00", "..", "?", "?model=none", "#", "\u00e9", "x" * 600, "//", " ", "%", ";"))
    return path[:place] + extra + path[place:]


def _body(chance: random.Random, body: bytes) -> bytes:
    if chance.random() < 0.25:
        return body
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(changed) + 1)
        kind = chance.randrange(5)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del changed[place : place + chance.randrange(1, 60)]
        elif kind == 2:
            changed[place:place] = chance.randbytes(chance.randrange(1, 12))
        elif kind == 3:
            changed[place:place] = chance.choice(TOKENS)
        else:
            changed = bytearray(_document(chance, bytes(changed)))
    return bytes(changed)


def _document(chance: random.Random, body: bytes) -> bytes:
    """Replace a random value of a JSON document, or return the body as it is."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    places = []
    pending = [document]
    while pending:
        value = pending.pop()
        items = (
            list(enumerate(value))
            if isinstance(value, list)
            else list(value.items())
            if isinstance(value, dict)
            else []
        )
        places += [(value, key) for key, _ in items[:20]]
        pending += [item for _, item in items[:20]]
    if places:
        container, key = chance.choice(places)
        container[key] = chance.choice(
            (None, True, -1, 2**70, 1.5, "", "x" * 300, [], {}, [[]], {"a": 1}, "FP32", [2**40])
        )
    return json.dumps(document).encode()


def _compressed(
    chance: random.Random, body: bytes, fields: list[tuple[str, str]]
) -> tuple[bytes, list[tuple[str, str]]]:
    if chance.random() < 0.9:
        return body, fields
    kind = chance.randrange(4)
    if kind == 0:
        return gzip.compress(body, 1, mtime=0), [*fields, ("content-encoding", "gzip")]
    if kind == 1:
        return zlib.compress(body, 1)[: chance.randrange(20)], [*fields, ("content-encoding", "deflate")]
    if kind == 2:
        return gzip.compress(bytes(40_000_000), 1, mtime=0), [*fields, ("content-encoding", "gzip")]
    return body, [*fields, ("content-encoding", chance.choice(("gzip", "br", "zstd", "deflate, gzip", "x")))]


def _sent(chance: random.Random, head: bytes, body: bytes) -> Attempt:
    """Frame a request, well or badly, whole or cut, at once or slowly."""
    length = b"content-length: %d\r\n" % len(body)
    kind = chance.random()
    if kind < 0.80:
        framed = (head + length + b"\r\n", body)
    elif kind < 0.88:
        cut = chance.randrange(len(body) + 1)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:cut], body[cut:]) if piece)
        framed = (head + b"transfer-encoding: chunked\r\n\r\n", chunks + b"0\r\n\r\n")
    elif kind < 0.91:
        framed = (head + length + b"transfer-encoding: chunked\r\n\r\n", body)
    elif kind < 0.94:
        wrong = chance.choice((b"-1", b"x", b"99999999999999999999", b"%d" % (len(body) // 2), b"1, 2"))
        framed = (head + b"content-length: " + wrong + b"\r\n\r\n", body)
    elif kind < 0.97:
        framed = (head + b"transfer-encoding: chunked\r\n\r\n", chance.randbytes(20) + b"\r\n" + body)
    else:
        framed = (chance.randbytes(chance.randrange(1, 400)), b"")
    if chance.random() < 0.04:
        raw = b"".join(framed)
        return Attempt((raw[: chance.randrange(len(raw) + 1)],), is_cut=True)
    if chance.random() < 0.02:
        raw = b"".join(framed)
        cuts = sorted(chance.randrange(len(raw) + 1) for _ in range(4))
        slow = tuple(raw[start:end] for start, end in zip((0, *cuts), (*cuts, len(raw)), strict=True) if start != end)
        return Attempt(slow, pause_seconds=0.1)
    return Attempt(framed, is_whole=kind < 0.88)
