"""All connections of a worker: their deadlines are looked at twice a second, so that a request needs no timer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

EVERY_SECONDS = 0.5


class Watched(Protocol):
    """A connection."""

    def look(self, now: float) -> None:
        """End the connection if it is late."""

    def drain(self) -> None:
        """Close the connection after the answer that is being made."""


class Watch:
    """Looks at every connection regularly, as long as there is one."""

    def __init__(self) -> None:
        self._running = False
        self._connections: Collection[Watched] = ()

    def start(self, loop: asyncio.AbstractEventLoop, connections: Collection[Watched]) -> None:
        """Begin to look, if it has not begun.

        Args:
            loop: the worker's event loop.
            connections: the open connections; the server adds and removes them.
        """
        if not self._running:
            self._running, self._connections = True, connections
            loop.call_later(EVERY_SECONDS, self._look, loop)

    def drain(self) -> None:
        """Close each connection that is in use after its answer."""
        for connection in tuple(self._connections):
            connection.drain()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in tuple(self._connections):
            connection.look(now)
        self._running = bool(self._connections)
        if self._running:
            loop.call_later(EVERY_SECONDS, self._look, loop)
