"""An application's answer, piece by piece while it is produced; used by the gate only.

The application runs in a task of its own. It waits with each piece until the previous one was sent (backpressure), and
is cancelled when the client disconnects or the rest is not needed.
"""

from __future__ import annotations

import asyncio

from governance.contract.exchange import Pieces
from governance.errors import ClientGoneError
from governance.gate.asgi import AsgiApp, Headers, Message, Receive, Scope
from governance.gate.background import Background

# How many turns of the event loop an application that is no longer needed gets to reach a point where a cancellation
# lets it clean up.
PATIENCE = 1000


class AppStream:
    """One answer of one ASGI application.

    Args:
        scope: the request, as ASGI has it.
        body: the whole request body.
        receive: the server's `receive`; after the body it only reports that the client has disconnected.
        limit: the longest answer in bytes; a longer one ends early.
        background: owns the application if it runs on after its answer.
    """

    def __init__(
        self, app: AsgiApp, scope: Scope, body: bytes, receive: Receive, limit: int, background: Background
    ) -> None:
        self._app, self._scope, self._limit, self._length = app, scope, limit, 0
        self._background = background
        self._receive_real = receive
        self._to_receive: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._gone, self._whole = asyncio.Event(), False
        self._begun: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)
        self._unwanted = self._sending = False
        self._error: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> tuple[int, Headers]:
        """Start the application, and return status and header fields of its answer.

        Raises:
            ClientGoneError: if the client disconnects before.
            Exception: any error that the application raises before it answers.
        """
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._watch())]
        return await self._begun

    async def pieces(self) -> Pieces:
        """Yield the body.

        Raises:
            ClientGoneError: if the client disconnected.
            RuntimeError: if the application ended before the answer was complete, or the answer is too long.
            Exception: any error that the application raised.
        """
        while (piece := await self._pieces.get()) is not None:
            yield piece
            self._room.release()
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Cancel the application, if its answer is not complete, and wait until it has cleaned up."""
        if self._tasks and self._whole and self._error is None:
            self._tasks[1].cancel()
            await self._background.adopt(self._tasks.pop(0))
        elif self._tasks:
            await self._stop()
            self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
            if not self._whole:
                self._error = RuntimeError("the application ended before its answer was complete")
        except Exception as error:
            if self._whole:
                raise
            self._error = error
        except asyncio.CancelledError:
            if self._whole:
                raise
            # Only close() and _watch() cancel. A new error is kept, since the traceback of this one would keep the
            # application's generator open.
            self._error = RuntimeError("the application was cancelled")
        finally:
            if self._gone.is_set() and not self._whole:
                self._error = ClientGoneError("the client disconnected before the answer was complete")
            if not self._whole or self._error is not None:
                self._pieces.put_nowait(None)
            if not self._begun.done() and self._error is not None:
                self._begun.set_exception(self._error)

    async def _watch(self) -> None:
        while (await self._receive_real())["type"] != "http.disconnect":
            pass
        self._gone.set()
        if not self._whole:
            await self._stop()

    async def _stop(self) -> None:
        """Cancel the application while it waits for something else than sending, if it ever does.

        If it were cancelled while it sends, its generator would stay open until the garbage collector closes it.
        """
        self._unwanted = True
        self._room.release()
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
            if not self._sending or self._tasks[0].done():
                break
        self._tasks[0].cancel()

    async def _receive(self) -> Message:
        if self._to_receive:
            return self._to_receive.pop()
        # It never learns here that the client has disconnected: it is cancelled then.
        await asyncio.get_running_loop().create_future()
        raise RuntimeError("there is no message after the body")

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = tuple((bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ()))
            self._begun.set_result((message["status"], headers))
        elif message["type"] == "http.response.body":
            piece = bytes(message.get("body", b""))
            self._length += len(piece)
            if self._length > self._limit:
                raise RuntimeError(f"the application's answer is longer than max_reply_bytes ({self._limit})")
            if piece:
                await self._hand_out(piece)
            if not message.get("more_body") and not self._whole:
                self._whole = True
                self._pieces.put_nowait(None)

    async def _hand_out(self, piece: bytes) -> None:
        self._sending = True
        try:
            if self._unwanted:
                await asyncio.sleep(0)
                return
            await self._room.acquire()
            self._pieces.put_nowait(piece)
        finally:
            self._sending = False
