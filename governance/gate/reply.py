"""Replies: an error as a reply, and a reply as ASGI messages."""

from __future__ import annotations

import json
import logging
import math
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from governance.content_coding import CODINGS
from governance.contract.exchange import Reply, StreamedReply
from governance.errors import (
    ClientGoneError,
    MethodNotAllowedError,
    OverloadedError,
    RateLimitedError,
    RequestTimeoutError,
    UnsupportedCodingError,
)
from governance.gate.asgi import Send
from governance.gate.errors import OWN_STATUS, describe_exception, phrase_of, status_of

logger = logging.getLogger("governance.gate")

# Answers may contain personal data: no cache may keep them, and no browser may guess their type.
ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
# RFC 9110, section 8.6: answers with these statuses have no content-length, or one with another meaning.
WITHOUT_BODY = frozenset({204, 304})


def reply_to_error(error: Exception, *, under_v2: bool, traceback: bool = False) -> Reply:
    """Turn an error into a reply: `{"error"}` under `/v2` (OIP), a problem document elsewhere (RFC 9457).

    Args:
        error: the error.
        under_v2: whether the path begins with `/v2`.
        traceback: show the traceback of an unforeseen error on the console, with its text; never in the reply.
    """
    status = status_of(error, under_v2=under_v2)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("unforeseen %s", describe_exception(error), exc_info=error if traceback else None)
        detail, code = "the service could not answer; its operator finds the cause in the log", "internal"
    else:
        detail, code = str(error), getattr(error, "code", "internal")
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, OWN_STATUS):
        headers.extend(error.headers)
    elif status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="bento-governance"'))
    if isinstance(error, RequestTimeoutError):
        # The rest of the body would be read as the next request.
        headers.append((b"connection", b"close"))
    if isinstance(error, UnsupportedCodingError):
        # RFC 9110, section 12.5.3: what the server would have read.
        headers.append((b"accept-encoding", ", ".join(CODINGS).encode()))
    if isinstance(error, MethodNotAllowedError):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    if isinstance(error, RateLimitedError | OverloadedError):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_seconds))).encode()))
    if under_v2:
        document: dict[str, Any] = {"error": detail}
        headers.append((b"content-type", b"application/json"))
    else:
        document = {
            "type": "about:blank",
            "title": phrase_of(status, "Error"),
            "status": status,
            "detail": detail,
            "code": code,
        }
        headers.append((b"content-type", b"application/problem+json"))
    return Reply(status, tuple(headers), (json.dumps(document).encode(),))


async def send_reply(send: Send, reply: Reply, extra: list[tuple[bytes, bytes]], *, head: bool = False) -> None:
    """Send a reply, with `extra` header fields and those of every reply.

    Args:
        send: the server's `send`.
        reply: the reply; a stream is sent piece by piece.
        extra: more header fields.
        head: the request's method was HEAD: send the header fields without the body (RFC 9110, section 9.3.2).
    """
    if isinstance(reply, StreamedReply):
        await _send_pieces(send, reply, [*reply.headers, *extra, *ALWAYS])
        return
    body = reply.body[0] if len(reply.body) == 1 else b"".join(reply.body)
    headers = [*reply.headers, *extra, *ALWAYS]
    if reply.status not in WITHOUT_BODY:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _send_pieces(send: Send, reply: StreamedReply, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a streamed reply. If it ends early, the last message is left out: the server closes the connection."""
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    try:
        async with aclosing(reply.pieces):
            async for piece in reply.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ClientGoneError:
        return
    except Exception as error:
        logger.error("a streamed answer ended early: %s", describe_exception(error))
        return
    await send({"type": "http.response.body", "body": b""})
