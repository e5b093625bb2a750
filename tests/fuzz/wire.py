"""Sending bytes to a server as they are, and reading the status of its answer."""

from __future__ import annotations

import asyncio

from tests.fuzz.mutate import Attempt

# How long an answer may take, and how long to wait for one where the server may wait for more bytes.
SECONDS, PATIENCE_SECONDS = 20.0, 0.5
NO_ANSWER = 0


class NoAnswerError(Exception):
    """The server neither answered nor closed the connection."""


async def send(port: int, one: Attempt) -> tuple[int, bytes]:
    """Send an attempt over a connection of its own, and return the status and the first bytes of the answer.

    Returns:
        `NO_ANSWER` if the server closed the connection without one, or may wait for the rest of the request.

    Raises:
        NoAnswerError: if a whole request gets nothing for `SECONDS`.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for number, piece in enumerate(one.pieces):
            if number and one.pause_seconds:
                await asyncio.sleep(one.pause_seconds)
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), SECONDS)
        if one.is_cut:
            return NO_ANSWER, b""
        return await asyncio.wait_for(_answer(reader), SECONDS if one.is_whole else PATIENCE_SECONDS)
    except TimeoutError:
        if one.is_whole:
            raise NoAnswerError(f"no answer after {SECONDS} s") from None
        return NO_ANSWER, b""
    except (ConnectionError, BrokenPipeError):
        return NO_ANSWER, b""
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first = await reader.read(4096)
    while first.startswith(b"HTTP/1.1 100 "):
        first = first.partition(b"\r\n\r\n")[2] or await reader.read(4096)
    if not first:
        return NO_ANSWER, b""
    words = first.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[1].isdigit() else -1, first
