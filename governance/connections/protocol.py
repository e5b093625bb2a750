"""One connection: uvicorn's protocol on httptools, with strict heads, deadlines, and an orderly end.

A connection is closed in two steps: the sending side first, and the rest after the client has closed its side or a
second has passed. If it were closed at once while the client still sends, the kernel would send a reset, and the client
could lose the answer that says why (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from governance.connections.drain import Drain
from governance.connections.head import HeadError, verify_head
from governance.connections.refusals import Reason, Refusals
from governance.connections.resumed import resumed_parser
from governance.connections.watch import Watch, Watched

LINGER_SECONDS = 1.0
# A new connection on which nothing has arrived when the worker ends gets this long to send its request.
FRESH_SECONDS = 0.5
_REASONS: dict[int, Reason] = {408: "timeout", 431: "too_large"}
_MALFORMED = HeadError(400, "this is not a well-formed HTTP/1.1 request")


@dataclass(frozen=True, slots=True)
class Limits:
    """What every connection of a service shares.

    Attributes:
        head_seconds: how long a request's head may take, and the rest of a body that is not read any more.
        head_bytes: the most bytes of a request's head.
        drain: whether the worker is about to end.
        refusals: counts what is refused here.
        watch: closes connections that are late.
    """

    head_seconds: float
    head_bytes: int
    drain: Drain
    refusals: Refusals
    watch: Watch


class GuardedProtocol(HttpToolsProtocol):
    """One connection; `protocol_for` makes the class of one service."""

    limits: Limits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # The gate closes every websocket: an upgrade is ignored, and the request is answered as it is (RFC 9110, 7.8).
        self.ws_protocol_class = None
        # Time at which the connection is closed, and what for: a head that is not complete, the rest of a body after
        # its answer, or the second step of the end.
        self.due: float | None = None
        self.ending = False
        self._head_open = self._head_begun = False
        self._head_bytes = self._chunk_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()
        self.limits.watch.start(self.loop, cast("set[Watched]", self.connections))

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse what is malformed or too large."""
        if self.ending:
            return
        self._unset_keepalive_if_required()
        if self._is_idle() and (self.due is None or not self._head_open):
            self._wait_for_head()
        was_open, self._chunk_bytes = self._head_open, len(data)
        self._feed(data)
        self._head_begun = self._head_open
        if was_open and self._head_open:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes and not self.ending:
                self._refuse(self._too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; trailer fields are dropped, since nobody has checked them (RFC 9110, section 6.5.1)."""
        if self._head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and start the application."""
        verify_head(self.parser.get_http_version(), self.headers)
        if self._chunk_bytes > self.limits.head_bytes:
            self._verify_size()
        self._head_open = self._head_begun = False
        self.due = None
        super().on_headers_complete()
        if self.limits.drain.draining:
            self.cycle.keep_alive = False

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head_open, self._head_bytes = True, 0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """End a body, unless the parser skipped it because of an Upgrade field: it is still to be read."""
        if self.parser.should_upgrade() and self._has_body():
            return
        # After its answer, nothing else ends a connection that is not used again.
        answered = self.cycle.response_complete
        self.due = self.loop.time() + self.timeout_keep_alive if answered else None
        super().on_message_complete()
        if answered:
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Give the client a while to send the rest of a body that nobody reads."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self.due = self.loop.time() + self.limits.head_seconds

    def shutdown(self) -> None:
        """End the connection: after its answer, after the request that has begun to arrive, or now."""
        if self._is_answering():
            self.cycle.keep_alive = False
        elif self.cycle is None and not self._head_begun:
            self.due = self.loop.time() + FRESH_SECONDS
        elif not self._head_begun:
            self.end()

    def drain(self) -> None:
        """Close the connection after the answer that is being made; of several requests, after the last."""
        if self._is_answering():
            self.cycle.keep_alive = False

    def look(self, now: float) -> None:
        """End the connection if it is late."""
        if self.due is None or now < self.due:
            return
        if self.ending or self.transport.is_closing():
            self.transport.abort()
        elif self._head_begun:
            self._refuse(HeadError(408, f"send the head within {self.limits.head_seconds:g} seconds"))
        else:
            self.end()

    def end(self) -> None:
        """Close the sending side, and the rest a little later."""
        self._unset_keepalive_if_required()
        self.ending, self.due = True, self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection."""
        if not self.transport.is_closing():
            self.end()

    def send_400_response(self, msg: str) -> None:
        """Refuse; uvicorn would send the answer even into the middle of another one."""
        self._refuse(_MALFORMED)

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = self._feed_up_to_upgrade(rest)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, HeadError) else _MALFORMED)

    def _feed_up_to_upgrade(self, data: memoryview) -> memoryview:
        """Feed the parser, and return what follows a request with an Upgrade field, at which it stops."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._has_body():
                self.parser = resumed_parser(self, self.headers)
            return data[upgrade.args[0] :]
        return data[:0]

    def _refuse(self, error: HeadError) -> None:
        """Answer with an error and end; a request that has arrived completely is answered first, without the error."""
        self.limits.refusals.count(error.status, _REASONS.get(error.status, "malformed"))
        cycle = self.cycle
        if self._is_answering():
            if not cycle.more_body:
                self.ending, cycle.keep_alive = True, False
                return
            # The body is malformed: the application learns that there is no more of it.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.transport.write(_answer(error))
        self.end()

    def _verify_size(self) -> None:
        """Check the size of a head that arrived in one large piece."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.head_bytes:
            raise self._too_large()

    def _too_large(self) -> HeadError:
        return HeadError(431, f"send a head of at most {self.limits.head_bytes} bytes")

    def _wait_for_head(self) -> None:
        self._head_open = True
        self.due = self.loop.time() + self.limits.head_seconds

    def _is_idle(self) -> bool:
        cycle = self.cycle
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and int(value) > 0)
            for name, value in self.headers
        )


def _answer(error: HeadError) -> bytes:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.sentence,
        "code": "connection",
    }
    body = json.dumps(document).encode()
    head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[error.status] + head + body


def protocol_for(limits: Limits) -> type[GuardedProtocol]:
    """Return the class of all connections of one service.

    Args:
        limits: what they share.
    """
    return type("ServiceProtocol", (GuardedProtocol,), {"limits": limits})
