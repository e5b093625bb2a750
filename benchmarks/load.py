"""A load generator with a fixed number of connections, each with one request at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one load: replies per second, and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


async def load(port: int, request: bytes, *, connections: int, warm_seconds: float, seconds: float) -> Measured:
    """Send `request` repeatedly over loopback and return throughput and latencies.

    Raises:
        RuntimeError: if the status of a reply is not 200.
    """
    started = time.perf_counter()
    begin, end = started + warm_seconds, started + warm_seconds + seconds
    latencies: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the status of a reply is not 200: {head[:200]!r}")
            lower = head.lower()
            place = lower.index(b"\r\ncontent-length:") + 17
            await reader.readexactly(int(lower[place : lower.index(b"\r\n", place)]))
            if sent >= begin:
                latencies.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    times = np.array(latencies) * 1000
    return Measured(len(times) / seconds, float(np.percentile(times, 50)), float(np.percentile(times, 99)))


def http_post(path: str, body: bytes, **headers: str) -> bytes:
    """Return the bytes of an HTTP POST request; an underscore in the name of a header becomes a hyphen."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body
