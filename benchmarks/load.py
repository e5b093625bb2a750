"""A load generator: a fixed number of connections, each with one request at a time, every answer checked.

It runs on uvloop and reads answers with a few searches in bytes, so that one core of it asks several times as fast as
the fastest server here can answer; `Measured.load_busy` says which part of that core a measurement needed.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import uvloop

# The first answer of each connection is checked in full, and then one of so many; of all others the status.
CHECK_EVERY = 32
# A server that closes a connection between two answers gets a new one; this many for each connection is a fault.
MAX_RECONNECTS = 1000


@dataclass(frozen=True, slots=True)
class Ask:
    """What one connection sends, and `check`, which raises `ValueError` for the body of a wrong answer."""

    request: bytes
    check: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one load.

    Attributes:
        per_second: answers per second.
        p50_ms: median latency in milliseconds.
        p99_ms: latency in milliseconds below which 99 of 100 answers were.
        load_busy: share of its core that the load generator used, 0 to 1.
        reconnects: how often a server closed a connection, and a new one was made.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    load_busy: float
    reconnects: int


def measure(port: int, asks: Sequence[Ask], *, warm_seconds: float, seconds: float) -> Measured:
    """Send each of `asks` again and again on a connection of its own, over loopback.

    Args:
        port: the server's port.
        asks: one for each connection.
        warm_seconds: how long to send before the measurement begins.
        seconds: how long to measure.

    Raises:
        RuntimeError: if the status of an answer is not 200, an answer is wrong, or a server does not answer.
    """
    return uvloop.run(_measure(port, asks, warm_seconds, seconds))


async def _measure(port: int, asks: Sequence[Ask], warm_seconds: float, seconds: float) -> Measured:
    run = _Run(asyncio.get_running_loop(), port)
    # A collection of the load's own garbage would be measured as latency of the server.
    gc.collect()
    gc.disable()
    try:
        await asyncio.gather(*(run.connect(ask) for ask in asks))
        await run.wait(warm_seconds)
        run.latencies, busy, started = [], time.process_time(), time.perf_counter()
        await run.wait(seconds)
        busy, took, latencies = time.process_time() - busy, time.perf_counter() - started, run.latencies
    finally:
        gc.enable()
        await run.close()
    if not latencies:
        raise RuntimeError(f"no answer in {seconds} s")
    times = np.array(latencies) * 1000
    p50, p99 = np.percentile(times, (50, 99))
    return Measured(len(times) / took, float(p50), float(p99), busy / took, run.reconnects)


class _Run:
    """What the connections of one measurement share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.loop, self.port, self.over = loop, port, False
        self.latencies: list[float] = []
        self.connections: set[_Connection] = set()
        self.reconnects = 0
        self._failed: asyncio.Future[None] = loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def fail(self, reason: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(RuntimeError(reason))

    async def connect(self, ask: Ask) -> None:
        await self.loop.create_connection(lambda: _Connection(self, ask), "127.0.0.1", self.port)

    def reconnect(self, ask: Ask) -> None:
        if self.over or self._failed.done():
            return
        self.reconnects += 1
        if self.reconnects > MAX_RECONNECTS:
            self.fail("the server closes connections all the time")
            return
        task = self.loop.create_task(self.connect(ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close every connection; uvloop waits for ever for one that is left open."""
        self.over = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self.connections:
            for connection in list(self.connections):
                connection.close()
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            self._failed.result()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run, ask: Ask) -> None:
        self._run, self._ask = run, ask
        self._data, self._head, self._length = b"", 0, 0
        self._sent = 0.0
        self._answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._run.connections.add(self)
        self._send()

    def close(self) -> None:
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.connections.discard(self)
        self._run.reconnect(self._ask)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._ask.request)

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if not self._length and not self._read_head(data):
            self._data = data
            return
        if len(data) < self._length:
            self._data = data
            return
        now = time.perf_counter()
        self._run.latencies.append(now - self._sent)
        if self._answers % CHECK_EVERY == 0:
            self._check(data)
        self._answers += 1
        self._data, self._length = b"", 0
        if not self._run.over:
            self._send()

    def _read_head(self, data: bytes) -> bool:
        """Read status and length when the head is complete."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        if data[9:12] != b"200":
            self._run.fail(f"the status of an answer is not 200: {data[:300]!r}")
            self.close()
            return False
        head = data[:end].lower()
        place = head.find(b"\r\ncontent-length:")
        if place < 0:
            self._run.fail(f"an answer has no length: {head!r}")
            self.close()
            return False
        stop = head.find(b"\r\n", place + 2)
        self._head = end + 4
        self._length = self._head + int(head[place + 17 : stop if stop > 0 else end])
        return True

    def _check(self, data: bytes) -> None:
        try:
            self._ask.check(data[self._head :])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._run.fail(f"a wrong answer ({error}): {data[:400]!r}")


def http_post(path: str, body: bytes, **headers: str) -> bytes:
    """Return the bytes of an HTTP POST request; an underscore in the name of a header becomes a hyphen."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body
