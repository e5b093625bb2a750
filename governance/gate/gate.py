"""The outermost ASGI application: builds the Exchange and runs the pipeline around the server that answers.

It wraps BentoML's whole stack. A request without a matching route is 404, a websocket is closed, and no detail of an
unforeseen error reaches the caller.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import parse_qsl

from governance.contract.exchange import Exchange, Reply
from governance.contract.plugin import Proceed
from governance.contract.routes import UNLISTED, Route, RouteTable
from governance.errors import MethodNotAllowedError, NotFoundError
from governance.gate.asgi import AsgiApp, Lifecycle, Receive, Scope, Send, connection_of
from governance.gate.body import read_body
from governance.gate.console import Console
from governance.gate.cors import PREFLIGHT, Cors
from governance.gate.errors import describe_exception
from governance.gate.intake import Intake
from governance.gate.lifespan import Report, do_nothing, run_lifespan, sentence_of
from governance.gate.pipeline import Pipeline
from governance.gate.reply import reply_to_error, send_reply

logger = logging.getLogger("governance.gate")


class Gate:
    """The outermost ASGI application of a guarded service.

    Args:
        app: the application behind the gate; it gets the lifespan, and requests only through `servers`.
        routes: the closed list of routes.
        pipeline: the plugins around every answer.
        servers: the handler for each `Route.server`.
        drain: finishes background work before the application shuts down.
        cors: which browsers' pages of other origins may read answers; None: none may.
        started: is called when the worker has started.
        report: returns what the server logs about an error that keeps the worker from starting.
        console: shows refused and failed requests.
        intake: deadlines and memory of bodies on their way.
        open, close: what else opens after the plugins and closes before them, with the worker.
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
        drain: Lifecycle = do_nothing,
        cors: Cors | None = None,
        started: Callable[[], None] = lambda: None,
        report: Report = sentence_of,
        console: Console | None = None,
        intake: Intake | None = None,
    ) -> None:
        self._app = app
        self._console, self._intake = console or Console(), intake or Intake()
        self._routes, self._cors = routes, cors
        self._pipeline = pipeline
        servers = {**servers, UNLISTED.server: self._refuse}
        self._handlers = {
            (route.method, route.template): pipeline.around(servers[route.server], route)
            for route in (*routes.routes, UNLISTED)
            if route.server in servers
        }
        self._open = open
        self._close = close
        self._drain = drain
        self._started, self._report = started, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: a request, the lifespan, or a websocket, which is closed."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await run_lifespan(
                self._app,
                scope,
                receive,
                send,
                open=self._start,
                close=self._stop,
                drain=self._drain,
                started=self._started,
                report=self._report,
            )
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._exchange(scope, receive)
        try:
            try:
                route = exchange.route
                reply = await self._handlers[route.method, route.template](exchange)
                if not isinstance(reply, Reply):
                    raise TypeError("the `handle` of a plugin, or a server, returned no Reply")
            except Exception as error:
                reply = self._reply_to(error, exchange)
            await send_reply(send, reply, exchange.reply_headers, head=exchange.method == "HEAD")
        finally:
            if exchange.at_end:
                await _end(exchange)

    def _reply_to(self, error: Exception, exchange: Exchange) -> Reply:
        reply = reply_to_error(error, under_v2=exchange.path.startswith("/v2"), traceback=self._console.tracebacks)
        self._console.refused(exchange, reply.status, getattr(error, "code", "internal"))
        return reply

    def _exchange(self, scope: Scope, receive: Receive) -> Exchange:
        path, method = origin_form(scope["raw_path"]), scope["method"]
        # HEAD is GET without a body, decided and recorded as the same route.
        match = self._routes.match("GET" if method == "HEAD" else method, path)
        exchange = Exchange(
            id=os.urandom(16).hex(),
            received_at_us=time.time_ns() // 1000,
            started_ns=time.perf_counter_ns(),
            method=method,
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
            read=_unset,
        )
        exchange.read = partial(read_body, exchange, receive, self._intake)
        exchange.context = (scope, receive)
        if self._cors is not None and (origin := exchange.header(b"origin")) is not None:
            exchange.reply_headers.extend(self._cors.fields(origin))
        return exchange

    async def _refuse(self, exchange: Exchange) -> Reply:
        """Refuse a request without a matching route, or answer a preflight request of CORS."""
        allowed = self._routes.methods(exchange.path)
        if not allowed:
            raise NotFoundError("no such route")
        if self._cors is not None and exchange.method == "OPTIONS" and exchange.has_header(PREFLIGHT):
            return self._cors.preflight(allowed)
        raise MethodNotAllowedError(f"this route has other methods: {', '.join(allowed)}", allowed=allowed)

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


async def _unset() -> bytes:
    raise RuntimeError("the exchange has no reader yet")


async def _end(exchange: Exchange) -> None:
    """Run all callbacks for the end of the exchange; one that fails is logged, and the others still run."""

    async def attempt(call: Lifecycle) -> None:
        try:
            await call()
        except Exception as error:
            logger.error("a callback at the end of a request failed: %s", describe_exception(error))

    async with AsyncExitStack() as ends:
        for call in exchange.at_end:
            ends.push_async_callback(attempt, call)


def _chosen_model(route: Route, query: bytes) -> str | None:
    """Return the allowed model that the query names, the route's own if it names none, or "" (no model) otherwise."""
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


def origin_form(target: bytes) -> str:
    """Return the path of a request target: an absolute-form target loses scheme and host (RFC 9112, section 3.2.2).

    Example: `b"http://example.org/v2"` becomes `/v2`, and `b"/v2"` stays.
    """
    if not target.startswith((b"http://", b"https://")):
        return target.decode("latin-1")
    return "/" + target.split(b"/", 3)[3].decode("latin-1") if target.count(b"/") > 2 else "/"
