"""A server that answers without reading: its rate is the ceiling of the load generator. `… PORT BYTES_OF_A_REQUEST`."""

from __future__ import annotations

import asyncio
import sys

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 40\r\n\r\n" + bytes(40)


class Constant(asyncio.Protocol):
    """Answers the same bytes whenever as many bytes have come as a request has."""

    def __init__(self, size: int) -> None:
        """Take the bytes of one request."""
        self._size, self._open = size, size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count, and answer."""
        self._open -= len(data)
        if self._open <= 0:
            self._open += self._size
            self._transport.write(ANSWER)  # type: ignore[attr-defined]


async def main() -> None:
    """Listen until the process is ended."""
    port, size = map(int, sys.argv[1:])
    server = await asyncio.get_running_loop().create_server(lambda: Constant(size), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
