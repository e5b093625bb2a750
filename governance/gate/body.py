"""Reading a request body within its limits: type, coding and announced length are checked before the first byte."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from governance.access.callers.caller import Caller
from governance.content_coding import CODINGS, unpack
from governance.contract.exchange import Exchange
from governance.contract.routes import Route
from governance.errors import TooLargeError, UnsupportedCodingError, UnsupportedMediaTypeError
from governance.gate.asgi import Receive
from governance.gate.intake import Intake

# A shorter body is unpacked at once: a change of threads takes longer.
THREAD_BYTES = 16_384
ALIASES = {"x-gzip": "gzip"}
CONTENT_TYPE = b"content-type"
Headers = Sequence[tuple[bytes, bytes]]


async def read_body(exchange: Exchange, receive: Receive, intake: Intake) -> bytes:
    """Return the body of a request, without its content coding.

    Args:
        exchange: the request.
        receive: the server's `receive`.
        intake: all bodies that are on their way to this worker.

    Raises:
        UnsupportedMediaTypeError: if the route does not take the type or the coding.
        TooLargeError: if the body, or what it unpacks to, is longer than the route allows.
        BadRequestError: if the client disconnected, or the body cannot be unpacked.
        RequestTimeoutError: if it does not arrive in time.
        OverloadedError: if there is no memory for it.
    """
    route = exchange.route
    if _has_neither_type_nor_body(exchange):
        return b""
    _verify_content_type(route, exchange)
    limit, length = route.max_body_bytes, exchange.header(b"content-length") or "0"
    coding = _coding(exchange.headers) if exchange.has_header(b"content-encoding") else ""
    if len(length) > 18 or int(length) > limit:
        raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")

    def sender() -> str:
        caller = exchange.get(Caller)
        return exchange.client_ip if caller is None else f"caller {caller.id}"

    body = await intake.read(receive, limit, sender)
    if not coding:
        return body
    if len(body) < THREAD_BYTES:
        return unpack(body, coding, limit)
    return await asyncio.to_thread(unpack, body, coding, limit)


def _has_neither_type_nor_body(exchange: Exchange) -> bool:
    """Return whether a request has no body (RFC 9112, section 6.3), and so nothing whose type could be wrong."""
    framed = exchange.has_header(b"transfer-encoding") or exchange.header(b"content-length") not in (None, "0")
    return not framed and not exchange.has_header(CONTENT_TYPE)


def _verify_content_type(route: Route, exchange: Exchange) -> None:
    value = exchange.header(CONTENT_TYPE)
    media_type = value.split(";", 1)[0].strip().lower() if value else ""
    if media_type not in route.content_types or (value is None and exchange.has_header(CONTENT_TYPE)):
        allowed = ", ".join(sorted(filter(None, route.content_types))) or "none"
        raise UnsupportedMediaTypeError(f"this content type is not allowed here; allowed: {allowed}")


def _coding(headers: Headers) -> str:
    """Return the content coding of a body, or an empty text for none."""
    fields = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
    codings = [word for part in fields.split(",") if (word := part.strip().lower()) not in ("", "identity")]
    if not codings:
        return ""
    coding = ALIASES.get(codings[0], codings[0])
    if len(codings) > 1 or coding not in CODINGS:
        raise UnsupportedCodingError(f"send the body with one of these content codings, or none: {', '.join(CODINGS)}")
    return coding
