"""SIGTERM: the worker first says that it is not ready and closes connections after their answers, then ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

# BentoML's supervisor kills a worker 30 seconds after SIGTERM; the worker must have closed its audit log before.
SUPERVISOR_SECONDS = 30.0
CLOSING_SECONDS = 5.0


class Drain:
    """Whether this worker is about to end.

    Args:
        seconds: how long the worker still takes requests after SIGTERM, with `Connection: close` on every answer.

    Attributes:
        begun: is set when the drain begins, in the event loop.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.begun = seconds, asyncio.Event()
        self._at_begin: list[Callable[[], None]] = []

    @property
    def draining(self) -> bool:
        """Whether the drain has begun."""
        return self.begun.is_set()

    def at_begin(self, call: Callable[[], None]) -> None:
        """Call something when the drain begins."""
        self._at_begin.append(call)

    def begin(self) -> None:
        """Say that the worker is about to end."""
        self.begun.set()
        for call in self._at_begin:
            call()


class Ending:
    """The end of the server, which the drain holds back.

    Args:
        server: the running server.
        finish: ends it.
    """

    def __init__(self, server: uvicorn.Server, finish: Callable[[], None]) -> None:
        self._server, self.finish = server, finish

    async def stop_listening(self) -> None:
        """Take the connections that wait, then refuse new ones for every process that shares the sockets.

        Closing is not enough: BentoML's main process holds the sockets too, so the kernel would go on to accept
        connections that nobody serves, and reset them in the end. A later `listen` on the sockets, as a new worker
        does, opens them again (Linux: `shutdown` of a listening socket).
        """
        waiting: list[socket.socket] = []
        for server in self._server.servers:
            for shared in server.sockets:
                with socket.socket(fileno=os.dup(shared.fileno())) as listener:
                    waiting.extend(_accept_all(listener))
                    with suppress(OSError):
                        listener.shutdown(socket.SHUT_RDWR)
        loop, config = asyncio.get_running_loop(), self._server.config
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection, ssl=config.ssl)

    def _protocol(self) -> asyncio.Protocol:
        server = self._server
        make: Any = server.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=server.config, server_state=server.server_state, app_state=server.lifespan.state
        )
        return protocol


def _accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    # Accepting ends with BlockingIOError, or with the error of a connection that is already gone.
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def drain_at_sigterm(drain: Drain, end: Callable[[Ending], Awaitable[None]]) -> None:
    """Put the drain in front of the server's own handler of SIGTERM; a second SIGTERM ends at once.

    Without a running server (an application in a test) there is no handler, and nothing is changed.

    Args:
        drain: begins at the signal.
        end: runs when the drain begins; it calls `finish` when the time has come.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGTERM)
    server = getattr(previous, "__self__", None)
    if not callable(previous) or not isinstance(server, uvicorn.Server):
        return
    handler, loop = previous, asyncio.get_running_loop()
    # The loop itself keeps only a weak reference.
    tasks: list[asyncio.Future[None]] = []

    def finish() -> None:
        handler(signal.SIGTERM, None)

    def begin() -> None:
        if drain.draining:
            finish()
            return
        left = max(1, int(SUPERVISOR_SECONDS - CLOSING_SECONDS - drain.seconds))
        server.config.timeout_graceful_shutdown = min(server.config.timeout_graceful_shutdown or left, left)
        drain.begin()
        tasks.append(asyncio.ensure_future(end(Ending(server, finish))))

    def on_signal(number: int, frame: FrameType | None) -> None:
        # A handler may interrupt any line of this thread, so it only wakes the loop.
        loop.call_soon_threadsafe(begin)

    signal.signal(signal.SIGTERM, on_signal)
