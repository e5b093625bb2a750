"""One request: `Exchange` (the request and the facts about it), `Reply`, and the connection it came over."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from governance.contract.routes import Route
from governance.errors import BadRequestError

Fact = TypeVar("Fact")
ReadBody = Callable[[], Awaitable[bytes]]
Pieces = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Connection:
    """The other end of the socket.

    Attributes:
        peer: its address; empty if there is no socket.
        certificate: its verified client certificate (DER), if TLS asked for one.
    """

    peer: str
    certificate: bytes | None


def no_connection() -> Connection:
    """Return the connection of an exchange without a socket, as in a test: no address, no certificate."""
    return Connection("", None)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        status: the HTTP status.
        headers: header fields as ASGI has them, with lower-case names.
        body: the body in pieces.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class StreamedReply(Reply):
    """An answer whose body is still being produced: `body` is empty, and `pieces` yields it.

    A plugin that inspects or changes the body wraps `pieces`. An error raised from `pieces` means that the stream ended
    early; only an end without an error is a complete answer.
    """

    pieces: Pieces

    def through(self, wrap: Callable[[Pieces], Pieces]) -> StreamedReply:
        """Return the same answer with its pieces wrapped.

        Args:
            wrap: takes the pieces and returns those to send.
        """
        return replace(self, pieces=wrap(self.pieces))


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on its way through the chain of plugins, and the facts that plugins found out about it.

    Attributes:
        id: 32 hex digits, unique to this request.
        method: the HTTP method, as the client sent it.
        path: the raw path, as the client sent it.
        query: the raw query string, without `?`.
        received_at_us: Unix time in microseconds.
        started_ns: `time.perf_counter_ns()` when the gate received the request.
        route: the matching entry of the closed list of routes; its `template` is the only safe metric label.
        model: the requested model, if the route names one; it comes from the caller, and may not exist.
        version: the requested version, if the route names one; it comes from the caller too.
        headers: request header fields, lower-case names, as ASGI has them; replaced as a whole, never changed in place.
        client_ip: the client's address as the server knows it, or an empty string.
        read: reads the body from the client; a plugin calls `read_body`.
        connection: returns the other end of the socket itself.
        body: the body that the model gets: None until read, possibly changed by a plugin.
        received_body: the body that the caller sent, once read; the audit log commits to it.
        context: data of the gate for the server that answers; plugins do not use it.
        reply_headers: fields that the gate adds to the answer, whether it is a reply or a refusal.
        marks: when each stage of the chain was entered and left (`time.perf_counter_ns()`), two numbers for each in the
            chain's order, zeros for a stage that was not reached; empty if no plugin observes exchanges, or if this
            exchange is not timed (`Plugin.samples_marks`).
        at_end: callbacks for the end of the exchange, after the last byte of a streamed answer; the gate calls them in
            reverse order.
    """

    id: str
    received_at_us: int
    started_ns: int
    method: str
    path: str
    query: bytes
    route: Route
    model: str | None
    version: str | None
    headers: Sequence[tuple[bytes, bytes]]
    client_ip: str
    read: ReadBody
    body: bytes | None = None
    received_body: bytes | None = None
    context: Any = None
    connection: Callable[[], Connection] = no_connection
    reply_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    at_end: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _facts: dict[type, object] = field(default_factory=dict)
    # The header fields by name, None for one that is repeated, and the sequence that they were read from.
    _fields: dict[bytes, bytes | None] = field(default_factory=dict)
    _fields_of: Sequence[tuple[bytes, bytes]] | None = None

    def has_header(self, name: bytes) -> bool:
        """Return whether the request has a header field `name` (lower-case), once or more often."""
        return name in self._by_name()

    def header(self, name: bytes) -> str | None:
        """Return the value of the header field `name` (lower-case), or None if it is absent or occurs twice or more."""
        value = self._by_name().get(name)
        return None if value is None else value.decode("latin-1")

    def single_header(self, name: bytes) -> str | None:
        """Return the value of a header field that decides how the body is read, or None if it is absent.

        Args:
            name: the field's name, lower case.

        Raises:
            BadRequestError: if it occurs more than once: two readers could take different ones.
        """
        fields = self._by_name()
        value = fields.get(name)
        if value is not None:
            return value.decode("latin-1")
        if name in fields:
            raise BadRequestError(f"the header field {name.decode('latin-1')} occurs more than once: send it once")
        return None

    def _by_name(self) -> dict[bytes, bytes | None]:
        """Return the header fields by name; they are read again if a plugin has replaced them."""
        headers = self.headers
        if self._fields_of is not headers:
            fields: dict[bytes, bytes | None] = {}
            for name, value in headers:
                fields[name] = None if name in fields else value
            self._fields, self._fields_of = fields, headers
        return self._fields

    async def read_body(self) -> bytes:
        """Read the body once, within the route's limit, and return the body that the model gets.

        Raises:
            TooLargeError: if the body is longer than the route allows; the rest stays unread.
            BadRequestError: if the client disconnected before the end of the body.
        """
        if self.body is None:
            self.received_body = self.body = await self.read()
        return self.body

    def put(self, fact: object) -> None:
        """Share `fact` with the other plugins.

        Raises:
            RuntimeError: if this request already has a fact of the same type.
        """
        kind = type(fact)
        if kind in self._facts:
            raise RuntimeError(f"{kind.__name__} was already put for this request")
        self._facts[kind] = fact

    def get(self, kind: type[Fact]) -> Fact | None:
        """Return the fact of the type `kind`, or None. A plugin declares the type in `uses` or `observes`."""
        return self._facts.get(kind)  # type: ignore[return-value]

    def require(self, kind: type[Fact]) -> Fact:
        """Return the fact of the type `kind`. A plugin declares it in `requires`, so that the chain guarantees it.

        Raises:
            KeyError: if no plugin has put one.
        """
        return self._facts[kind]  # type: ignore[return-value]


def new_exchange(
    route: Route, headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b"", **fields: Any
) -> Exchange:
    """Return an exchange of a request that did not come through a socket, with its body still unread.

    Args:
        route: the route that the request matches.
        headers: request header fields, lower-case names.
        body: what `read_body` returns.
        fields: any other attribute of `Exchange`, such as `model`, `path` or `client_ip`.
    """

    async def read() -> bytes:
        return body

    values: dict[str, Any] = {
        "id": os.urandom(16).hex(),
        "received_at_us": time.time_ns() // 1000,
        "started_ns": time.perf_counter_ns(),
        "method": route.method,
        "path": route.template,
        "query": b"",
        "model": route.model,
        "version": None,
        "client_ip": "",
        "read": read,
    }
    return Exchange(route=route, headers=headers, **(values | fields))
