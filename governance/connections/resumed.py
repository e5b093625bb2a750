"""Reading on after an Upgrade field: the parser takes the request for complete, but its body is still to come.

httptools skips the body of every request that asks for an upgrade. A server that ignores the upgrade must still read
it: else its bytes would be read as the next request (request smuggling), and clients that offer HTTP/2 on every
request, as Java's do, could send no body.
"""

from __future__ import annotations

from typing import Protocol

import httptools

HEAD = b"POST / HTTP/1.1\r\n%s: %s\r\n\r\n"


class Callbacks(Protocol):
    """The callbacks of a parser."""

    def on_message_begin(self) -> None:
        """Begin a request."""

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""

    def on_headers_complete(self) -> None:
        """End the head."""

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""

    def on_message_complete(self) -> None:
        """End a request."""


def resumed_parser(callbacks: Callbacks, headers: list[tuple[bytes, bytes]]) -> httptools.HttpRequestParser:
    """Return a parser that stands in front of the body of a request whose head was read by another.

    Args:
        callbacks: the connection; it gets the body and everything after it.
        headers: the fields of the request, with lower-case names.
    """
    resumed = _Resumed(callbacks)
    parser = httptools.HttpRequestParser(resumed)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    framing = next(field for field in headers if field[0] in (b"content-length", b"transfer-encoding"))
    parser.feed_data(HEAD % framing)
    resumed.replaying = False
    return parser


class _Resumed:
    """The callbacks, without those for the head that is fed a second time."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.replaying = True
        self._callbacks = callbacks
        self.on_body, self.on_message_complete = callbacks.on_body, callbacks.on_message_complete

    def on_message_begin(self) -> None:
        if not self.replaying:
            self._callbacks.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.replaying:
            self._callbacks.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.replaying:
            self._callbacks.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.replaying:
            self._callbacks.on_headers_complete()
