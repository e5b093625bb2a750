"""The application behind the gate: pass a request on, collect or stream its answer, translate its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.contract.plugin import Proceed
from governance.errors import (
    BadRequestError,
    ForbiddenError,
    GovernanceError,
    NotFoundError,
    NotReadyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from governance.gate.app_stream import AppStream
from governance.gate.asgi import AsgiApp, Message
from governance.gate.uploads import verify_files

_KIND_OF_APPLICATION_STATUS: Mapping[int, type[GovernanceError]] = MappingProxyType(
    {
        400: BadRequestError,
        403: ForbiddenError,
        404: NotFoundError,
        413: TooLargeError,
        415: UnsupportedMediaTypeError,
        422: BadRequestError,
        503: NotReadyError,
    }
)
MAX_ERROR_CHARACTERS = 500
# The service's own code must not see the credential, nor a length that a plugin has made wrong.
NOT_PASSED_ON = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"content-length", b"transfer-encoding"}
)


def behind(app: AsgiApp, max_reply_bytes: int) -> Proceed:
    """Return a server that passes requests to the ASGI application behind the gate and collects the whole answer.

    The audit entry commits to every byte of the answer and is written before the first byte is sent, so the answer is
    collected first. On a route that streams, the first entry records the decision, and a second one commits to the
    answer.

    Args:
        app: the application behind the gate.
        max_reply_bytes: a longer answer becomes an error.
    """

    async def proceed(exchange: Exchange) -> Reply:
        scope, receive = exchange.context
        route = exchange.route
        body = await exchange.read_body() if route.content_types else b""
        if route.file_fields:
            verify_files(body, exchange.header(b"content-type") or "", route.file_fields, route.fetch_hosts)
        headers = [field for field in exchange.headers if field[0] not in NOT_PASSED_ON]
        headers.append((b"content-length", str(len(body)).encode()))
        scope = {**scope, "headers": headers, "query_string": exchange.query}
        if route.stream:
            return await _streamed(exchange, AppStream(app, scope, body, receive, max_reply_bytes))
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body_first() -> Message:
            return pending.pop() if pending else await receive()

        answer = _Collected(max_reply_bytes)
        await app(scope, receive_body_first, answer.send)
        return answer.reply()

    return proceed


async def _streamed(exchange: Exchange, stream: AppStream) -> Reply:
    """Return an answer that is still being produced; an error answer is collected and translated, as elsewhere."""
    exchange.at_end.append(stream.close)
    status, headers = await stream.begin()
    if status >= 400:
        raise application_error(status, b"".join([piece async for piece in stream.pieces()]))
    return StreamedReply(status, without_length(headers), (), stream.pieces())


class _Collected:
    """Collects the messages of an ASGI application."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._status = 0
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._body = bytearray()
        self._whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple((bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            self._whole = not message.get("more_body")
            if len(self._body) > self._limit:
                raise RuntimeError(f"the application's answer is longer than max_reply_bytes ({self._limit})")

    def reply(self) -> Reply:
        if not self._whole:
            raise RuntimeError("the application ended before its answer was complete")
        if self._status >= 400:
            raise application_error(self._status, bytes(self._body))
        return Reply(self._status, without_length(self._headers), (bytes(self._body),))


def without_length(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return header fields without those about the body's length: a plugin may change the body."""
    return tuple(field for field in headers if field[0] not in (b"content-length", b"transfer-encoding"))


def application_error(status: int, body: bytes) -> Exception:
    """Turn an error answer of the application into an exception, so that callers get one form of error.

    Args:
        status: 400 or more.
        body: BentoML's document `{"error": "…", "detail": [{"loc": […], "msg": "…"}]}`, or anything else.
    """
    kind = _KIND_OF_APPLICATION_STATUS.get(status)
    if kind is None:
        return RuntimeError(f"the application answered {status}")
    try:
        document = json.loads(body)
        document = document[0] if isinstance(document, list) else document
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in document.get("detail", ())]
        sentence = "; ".join(problems) or str(document["error"])
    except (ValueError, LookupError, TypeError, AttributeError):
        sentence = HTTPStatus(status).phrase
    return kind(sentence[:MAX_ERROR_CHARACTERS])
