"""The ASGI lifespan: what opens and closes with a worker, around the application behind the gate."""

from __future__ import annotations

from collections.abc import Callable

from governance.errors import GovernanceError
from governance.gate.asgi import AsgiApp, Lifecycle, Message, Receive, Scope, Send
from governance.gate.errors import describe_exception

COMPLETE, FAILED = "lifespan.startup.complete", "lifespan.startup.failed"
Report = Callable[[GovernanceError], str]


def sentence_of(error: GovernanceError) -> str:
    """Return what the server's log says about an error that keeps the worker from starting."""
    return f"{error.code}: {error}"


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
    started: Callable[[], None] = lambda: None,
    report: Report = sentence_of,
) -> None:
    """Open before the application starts, drain before it stops, close after that; refuse to start if opening fails.

    The server ends the process as soon as the shutdown is reported complete, so this closes before it reports that.

    Args:
        app: the application behind the gate.
        scope: the ASGI scope.
        receive: the server's `receive`.
        send: the server's `send`.
        open: what is done before the application starts.
        close: what is done after it has ended.
        drain: what is done before it ends.
        started: is called when it has started.
        report: returns what the server logs about an error of ours that keeps the worker from starting.
    """
    startup = await receive()
    try:
        await open()
    except GovernanceError as error:
        await send({"type": FAILED, "message": report(error)})
        return
    except Exception as error:
        # uvicorn takes an exception for an application without a lifespan, and would serve although opening failed.
        await send({"type": FAILED, "message": f"unforeseen {describe_exception(error)}"})
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
    # The application's own report has a traceback, and comes before the error itself.
    failed: list[Message] = []

    async def send_after_closing(message: Message) -> None:
        if message["type"] == FAILED:
            failed.append(message)
            return
        if message["type"].startswith("lifespan.shutdown.") and remaining:
            await remaining.pop()()
        if message["type"] == COMPLETE:
            started()
        await send(message)

    try:
        await app(scope, receive_startup_first, send_after_closing)
    except GovernanceError as error:
        # The service's own constructor has called us.
        failed = [{"type": FAILED, "message": report(error)}]
    finally:
        if remaining:
            await remaining.pop()()
        for message in failed:
            await send(message)
