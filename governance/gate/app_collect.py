"""An application's answer, collected until its last message; used by the gate only."""

from __future__ import annotations

import asyncio

from governance.errors import ClientGoneError
from governance.gate.asgi import AsgiApp, Headers, Message, Receive, Scope
from governance.gate.background import Background


class CollectedAnswer:
    """One answer of one ASGI application, which runs in a task of its own.

    Args:
        app: the application.
        scope: the request, as ASGI has it.
        body: the whole request body.
        receive: the server's `receive`, for what comes after the body.
        limit: the longest answer in bytes.
    """

    def __init__(self, app: AsgiApp, scope: Scope, body: bytes, receive: Receive, limit: int) -> None:
        self._app, self._scope, self._limit, self._receive_real = app, scope, limit, receive
        self._pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._status, self._headers, self._body = 0, (), bytearray()  # type: int, Headers, bytearray
        self._is_gone = False
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def complete(self, background: Background) -> tuple[int, Headers, bytes]:
        """Run the application until its answer is complete, and return status, header fields and body.

        Args:
            background: owns the application if it runs on after its answer.

        Raises:
            ClientGoneError: if it ends before its answer is complete because the client disconnected.
            RuntimeError: if it ends before its answer is complete, or the answer is too long.
            Exception: any error that it raises before its answer is complete.
        """
        task = asyncio.create_task(self._run())
        try:
            await asyncio.wait([task, self._complete], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if not self._complete.done():
            await task
            if self._is_gone:
                raise ClientGoneError("the client disconnected before the answer was complete")
            raise RuntimeError("the application ended before its answer was complete")
        await background.adopt(task)
        return self._status, self._headers, bytes(self._body)

    async def _run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._pending:
            return self._pending.pop()
        message = await self._receive_real()
        self._is_gone = self._is_gone or message["type"] == "http.disconnect"
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple((bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if len(self._body) > self._limit:
                raise RuntimeError(f"the application's answer is longer than max_reply_bytes ({self._limit})")
            if not message.get("more_body") and not self._complete.done():
                self._complete.set_result(None)
