"""The ASGI lifespan: what opens and closes with a worker, around the application behind the gate."""

from __future__ import annotations

from governance.errors import GovernanceError
from governance.gate.asgi import AsgiApp, Lifecycle, Message, Receive, Scope, Send
from governance.gate.errors import describe_exception


async def do_nothing() -> None:
    """Close nothing: the default for a gate that holds nothing open."""


async def run_lifespan(
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    open: Lifecycle,
    close: Lifecycle = do_nothing,
    drain: Lifecycle = do_nothing,
) -> None:
    """Open before the application starts, drain before it stops, close after that; refuse to start if opening fails.

    The server ends the process as soon as the shutdown is reported complete, so this closes before it reports that.
    """
    startup = await receive()
    try:
        await open()
    except GovernanceError as error:
        await send({"type": "lifespan.startup.failed", "message": f"{error.code}: {error}"})
        return
    except Exception as error:
        # uvicorn takes an exception for an application without a lifespan, and would serve although opening failed.
        await send({"type": "lifespan.startup.failed", "message": f"unforeseen {describe_exception(error)}"})
        return
    pending = [startup]

    async def receive_startup_first() -> Message:
        if pending:
            return pending.pop()
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            # The application still has what its unfinished work needs.
            await drain()
        return message

    remaining = [close]

    async def send_after_closing(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown.") and remaining:
            await remaining.pop()()
        await send(message)

    try:
        await app(scope, receive_startup_first, send_after_closing)
    finally:
        if remaining:
            await remaining.pop()()
