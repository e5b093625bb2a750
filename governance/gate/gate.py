"""The one ASGI front: builds the Exchange, runs the Pipeline, maps errors to status codes.

It stands in front of BentoML's whole stack. What is not listed is 404, websockets are closed, and nothing
of an unforeseen error reaches the caller.
"""

from __future__ import annotations

import json
import logging
import math
import os
import ssl
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from governance.contract.exchange import Connection, Exchange, Pipeline, Proceed, ReadBody, Reply, StreamedReply
from governance.contract.routes import Route, RouteTable
from governance.errors import (
    BadRequestError,
    ClientGoneError,
    ForbiddenError,
    GovernanceError,
    KeyUnavailableError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    RateLimitedError,
    TooLargeError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)
from governance.gate.app_stream import AppStream
from governance.gate.uploads import verify_files

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifecycle = Callable[[], Awaitable[None]]

logger = logging.getLogger("governance.gate")

# The one error table. The first match counts; a class that is not here is 500 without detail.
STATUS_OF: tuple[tuple[type[GovernanceError], HTTPStatus], ...] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnsupportedMediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (RateLimitedError, HTTPStatus.TOO_MANY_REQUESTS),
    (BadRequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotReadyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (KeyUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)

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

# Answers about people are nobody's to keep or to guess the type of.
ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
# RFC 9110, section 8.6: of these, a length says something else or must not be said.
WITHOUT_BODY = frozenset({204, 304})
# The service's own code must not see the credential, and must not trust a length that a plugin changed.
NOT_PASSED_ON = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"content-length", b"transfer-encoding"}
)


class Gate:
    """The outermost ASGI application of a guarded service.

    Args:
        app: the application behind it; it sees the lifespan, and requests only through `servers`.
        routes: the closed list of routes.
        pipeline: the plugins around every answer.
        servers: who answers a route, by `Route.server`.
        open, close: what else starts and stops with the worker, after the plugins and before them.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        routes: RouteTable,
        pipeline: Pipeline,
        servers: Mapping[str, Proceed],
        open: Lifecycle,
        close: Lifecycle,
    ) -> None:
        self._app = app
        self._routes = routes
        self._pipeline = pipeline
        self._handlers = {
            name: pipeline.around(server) for name, server in {**servers, "nobody": answer_not_found}.items()
        }
        self._open = open
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await run_lifespan(self._app, scope, receive, send, open=self._start, close=self._stop)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._exchange(scope, receive)
        try:
            try:
                reply = await self._handlers[exchange.route.server](exchange)
            except Exception as error:
                reply = reply_to_error(error, under_v2=exchange.path.startswith("/v2"))
            await send_reply(send, reply, exchange.reply_headers)
        finally:
            if exchange.at_end:
                await _end(exchange)

    def _exchange(self, scope: Scope, receive: Receive) -> Exchange:
        path = scope["raw_path"].decode("latin-1")
        match = self._routes.match(scope["method"], path)
        exchange = Exchange(
            id=os.urandom(16).hex(),
            received_at_us=time.time_ns() // 1000,
            started_ns=time.perf_counter_ns(),
            method=scope["method"],
            path=path,
            query=scope["query_string"],
            route=match.route,
            model=match.model
            if match.route.model_parameter is None
            else _chosen_model(match.route, scope["query_string"]),
            version=match.version,
            headers=scope["headers"],
            client_ip=scope["client"][0] if scope.get("client") else "",
            connection=partial(connection_of, scope, receive),
            read=body_reader(match.route, scope["headers"], receive),
        )
        exchange.context = (scope, receive)
        return exchange

    async def _start(self) -> None:
        await self._pipeline.open()
        try:
            await self._open()
        except Exception:
            await self._pipeline.close()
            raise

    async def _stop(self) -> None:
        await self._close()
        await self._pipeline.close()


async def _end(exchange: Exchange) -> None:
    """Do all that is to be done at the end, whatever fails of it and whoever has no more time."""

    async def attempt(call: Lifecycle) -> None:
        try:
            await call()
        except Exception as error:
            logger.error("an end of a request failed: %s", describe_exception(error))

    async with AsyncExitStack() as ends:
        for call in exchange.at_end:
            ends.push_async_callback(attempt, call)


async def _do_nothing() -> None:
    """What a gate that holds nothing open does when it stops."""


async def run_lifespan(
    app: AsgiApp, scope: Scope, receive: Receive, send: Send, *, open: Lifecycle, close: Lifecycle = _do_nothing
) -> None:
    """Open before the application starts, close after it has stopped, refuse to start if opening fails.

    The server ends the process as soon as it hears that the shutdown is complete, so it hears of it after the closing.
    """
    startup = await receive()
    try:
        await open()
    except GovernanceError as error:
        await send({"type": "lifespan.startup.failed", "message": f"{error.code}: {error}"})
        return
    except Exception as error:
        # uvicorn takes an exception here for an application without a lifespan, and would serve what did not open.
        await send({"type": "lifespan.startup.failed", "message": f"unforeseen {describe_exception(error)}"})
        return
    pending = [startup]

    async def receive_startup_first() -> Message:
        return pending.pop() if pending else await receive()

    remaining = [close]

    async def send_after_closing(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown.") and remaining:
            await remaining.pop()()
        await send(message)

    try:
        await app(scope, receive_startup_first, send_after_closing)
    finally:
        if remaining:
            await remaining.pop()()


def connection_of(scope: Scope, receive: Receive) -> Connection:
    """Return who is at the other end of the socket.

    uvicorn puts into `scope["client"]` what X-Forwarded-For says when the peer is on FORWARDED_ALLOW_IPS, and tells
    nothing of a client certificate, so the transport itself is asked where there is one.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        client = scope.get("client")
        return Connection(str(client[0]) if client else "", None)
    peer = transport.get_extra_info("peername")
    tls = transport.get_extra_info("ssl_object")
    # Without verification (`--ssl-cert-reqs 2`) there is no certificate here, whatever the client sent.
    verified = tls is not None and tls.context.verify_mode == ssl.CERT_REQUIRED
    return Connection(
        str(peer[0]) if isinstance(peer, tuple) else "", tls.getpeercert(binary_form=True) if verified else None
    )


def _chosen_model(route: Route, query: bytes) -> str | None:
    """Return the model that the query names, the route's own if it names none, or "" (no model) for any other."""
    try:
        values = [
            value
            for name, value in parse_qsl(query.decode("latin-1"), True, max_num_fields=32)
            if name == route.model_parameter
        ]
    except ValueError:
        return ""
    if not values:
        return route.model
    return values[0] if len(values) == 1 and values[0] in route.models else ""


def body_reader(route: Route, headers: Any, receive: Receive) -> ReadBody:
    """Return what reads the body: type and announced length are checked before the first byte is asked for.

    Args:
        headers: request header fields as ASGI has them.
    """

    async def read() -> bytes:
        _verify_content_type(route, headers)
        limit = route.max_body_bytes
        announced = next((value for name, value in headers if name == b"content-length"), b"0")
        if len(announced) > 18 or int(announced) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
        else:
            body = await _read_rest(message, receive, limit)
        if len(body) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        return body

    return read


async def _read_rest(message: Message, receive: Receive, limit: int) -> bytes:
    pieces = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise BadRequestError("the client went away before the body was whole")
        pieces += message.get("body", b"")
        if len(pieces) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()


def _verify_content_type(route: Route, headers: Any) -> None:
    fields = [value for name, value in headers if name == b"content-type"]
    media_type = fields[0].split(b";", 1)[0].strip().lower().decode("latin-1") if fields else ""
    if len(fields) > 1 or media_type not in route.content_types:
        allowed = ", ".join(sorted(filter(None, route.content_types))) or "none"
        raise UnsupportedMediaTypeError(f"this content type is not allowed here; allowed: {allowed}")
    if any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in headers):
        raise UnsupportedMediaTypeError("compressed bodies are not read: send the body without a Content-Encoding")


async def answer_not_found(exchange: Exchange) -> Reply:
    """Answer what is not listed."""
    raise NotFoundError("no such route")


def behind(app: AsgiApp, max_reply_bytes: int) -> Proceed:
    """Return a server that asks the ASGI application behind the gate and collects its whole answer.

    The answer is collected because its audit entry, which commits to every byte of it, is written before
    the first byte leaves. On a route that streams, that entry says who was permitted what, and a second one commits.

    Args:
        max_reply_bytes: an answer longer than this is refused with an error.
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
    """Return an answer that is still being made; an error is collected and becomes ours, as elsewhere."""
    exchange.at_end.append(stream.close)
    status, headers = await stream.begin()
    if status >= 400:
        raise application_error(status, b"".join([piece async for piece in stream.pieces()]))
    return StreamedReply(status, without_length(headers), (), stream.pieces())


class _Collected:
    """Collects what an ASGI application sends."""

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
            raise RuntimeError("the application ended without a whole answer")
        if self._status >= 400:
            raise application_error(self._status, bytes(self._body))
        return Reply(self._status, without_length(self._headers), (bytes(self._body),))


def without_length(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return header fields without those that say how long the body is: a plugin may change it."""
    return tuple(field for field in headers if field[0] not in (b"content-length", b"transfer-encoding"))


def application_error(status: int, body: bytes) -> Exception:
    """Turn an error that the application answered into ours, so that a caller meets one form of error.

    Args:
        status: 400 or more.
        body: what BentoML says: `{"error": "…", "detail": [{"loc": […], "msg": "…"}]}`, or anything else.
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


def status_of(error: Exception, *, under_v2: bool) -> HTTPStatus:
    """Return the status code of an error; a wrong request is 400 under `/v2`, as Triton answers."""
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return HTTPStatus.BAD_REQUEST if under_v2 and status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def reply_to_error(error: Exception, *, under_v2: bool) -> Reply:
    """Turn an error into an answer: `{"error"}` under `/v2` (OIP), a problem document elsewhere (RFC 9457)."""
    status = status_of(error, under_v2=under_v2)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log_unforeseen(error)
        detail, code = "the service could not answer; its operator finds the cause in the log", "internal"
    else:
        detail, code = str(error), getattr(error, "code", "internal")
    headers: list[tuple[bytes, bytes]] = []
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="bento-governance"'))
    if isinstance(error, RateLimitedError | OverloadedError):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_seconds))).encode()))
    if under_v2:
        document: dict[str, Any] = {"error": detail}
        headers.append((b"content-type", b"application/json"))
    else:
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
            "code": code,
        }
        headers.append((b"content-type", b"application/problem+json"))
    return Reply(int(status), tuple(headers), (json.dumps(document).encode(),))


def _log_unforeseen(error: Exception) -> None:
    logger.error("unforeseen %s", describe_exception(error))


def describe_exception(error: BaseException) -> str:
    """Say of which class an error is and where it rose. Its text may hold what a caller sent, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " <- ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {where}"


async def send_reply(send: Send, reply: Reply, extra: list[tuple[bytes, bytes]]) -> None:
    """Send an answer, with the fields that every answer bears and `extra` ones."""
    if isinstance(reply, StreamedReply):
        await _send_pieces(send, reply, [*reply.headers, *extra, *ALWAYS])
        return
    body = reply.body[0] if len(reply.body) == 1 else b"".join(reply.body)
    headers = [*reply.headers, *extra, *ALWAYS]
    if reply.status not in WITHOUT_BODY:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_pieces(send: Send, reply: StreamedReply, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a streamed answer. One that breaks off gets no end, so that the server closes the connection on it."""
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    try:
        async with aclosing(reply.pieces):
            async for piece in reply.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ClientGoneError:
        return
    except Exception as error:
        logger.error("a streamed answer broke off: %s", describe_exception(error))
        return
    await send({"type": "http.response.body", "body": b""})
