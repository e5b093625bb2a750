"""Bodies on their way: each has a deadline, and all together have a bounded memory, a part of it for each sender."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from governance.errors import BadRequestError, ClientGoneError, OverloadedError, RequestTimeoutError, TooLargeError
from governance.gate.asgi import Message, Receive

EVERY_SECONDS = 0.5
RETRY_SECONDS = 1.0
SENDER_SHARE = 0.5


class Intake:
    """All bodies that one worker reads.

    A body is late when it takes longer than `seconds` and the time that its bytes take at `bytes_per_second`. All
    readings are looked at twice a second, so that a body that is there at once needs no timer.

    Args:
        seconds: how long a body may take.
        bytes_per_second: the slowest average speed of a long one.
        memory: the most bytes of incomplete bodies; one sender may have half of it.
        monotonic: returns seconds.
    """

    def __init__(
        self,
        seconds: float = 20.0,
        bytes_per_second: int = 10_000,
        memory: int = 256 * 2**20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._speed, self._memory, self._monotonic = seconds, bytes_per_second, memory, monotonic
        # By the task that reads: since when, as of the last look, and how many bytes of an incomplete body it has.
        self._readings: dict[asyncio.Task[object] | None, float] = {}
        self._received: dict[asyncio.Task[object] | None, int] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._now = 0.0
        # Bytes of incomplete bodies, in total and by sender.
        self._total = 0
        self._held: dict[str, int] = {}
        self._watched = False

    async def read(self, receive: Receive, limit: int, sender: Callable[[], str]) -> bytes:
        """Read one body.

        Args:
            receive: the server's `receive`.
            limit: the most bytes.
            sender: returns whose body it is; asked only if the body does not arrive at once.

        Raises:
            TooLargeError: if it is longer than `limit`.
            RequestTimeoutError: if it is late.
            OverloadedError: if there is no memory for it.
            BadRequestError: if the client disconnected before its end.
        """
        if not self._watched:
            self._watch()
        task: asyncio.Task[object] | None = asyncio.current_task()
        self._readings[task] = self._now
        try:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body: bytes = message.get("body", b"")
                _verify_length(len(body), limit)
                return body
            return await self._read_rest(message, receive, limit, sender(), task)
        except RuntimeError:
            # uvicorn writes "100 Continue" to a connection that the client has just closed.
            raise ClientGoneError("the client disconnected before the body was complete") from None
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel() > 0:
                raise
            raise RequestTimeoutError("the body did not arrive in time: send it faster") from None
        finally:
            del self._readings[task]
            if self._late:
                self._late.discard(cast("asyncio.Task[object]", task))

    async def _read_rest(
        self, message: Message, receive: Receive, limit: int, sender: str, task: asyncio.Task[object] | None
    ) -> bytes:
        pieces = bytearray()
        self._received[task] = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise BadRequestError("the client disconnected before the body was complete")
                piece = message.get("body", b"")
                pieces += piece
                _verify_length(len(pieces), limit)
                self._hold(sender, len(piece))
                self._received[task] += len(piece)
                if not message.get("more_body"):
                    return bytes(pieces)
                message = await receive()
        finally:
            self._release(sender, self._received.pop(task))

    def _hold(self, sender: str, size: int) -> None:
        held = self._held.get(sender, 0) + size
        if self._total + size > self._memory or held > self._memory * SENDER_SHARE:
            raise OverloadedError(
                "too many bodies are on their way: try again", retry_after_seconds=RETRY_SECONDS, reason="memory"
            )
        self._held[sender] = held
        self._total += size

    def _release(self, sender: str, size: int) -> None:
        self._total -= size
        held = self._held.get(sender, 0) - size
        if held > 0:
            self._held[sender] = held
        else:
            self._held.pop(sender, None)

    def _watch(self) -> None:
        self._watched, self._now = True, self._monotonic()
        asyncio.get_running_loop().call_later(EVERY_SECONDS, self._look)

    def _look(self) -> None:
        now = self._monotonic()
        for task, began in self._readings.items():
            late = now - began > self._seconds + self._received.get(task, 0) / self._speed
            if late and task is not None and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._watched = False
        if self._readings:
            self._watch()


def _verify_length(length: int, limit: int) -> None:
    if length > limit:
        raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
