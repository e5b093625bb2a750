"""Testing plugins and services: an exchange, a chain of plugins around a fake server, a free port, waiting.

Example:
    ```python
    async def test_the_greeting_is_a_header(settings):
        async with chain([GreetingPlugin(settings)]) as send:
            reply = await send(make_exchange("GET", "/hello"))
        assert reply.status == 200
    ```
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from governance.contract.exchange import Exchange, Reply, new_exchange
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route
from governance.gate.pipeline import Pipeline

HeaderFields = Sequence[tuple[bytes, bytes]]


def make_exchange(
    method: str = "POST",
    path: str = "/v2/models/m/infer",
    *,
    route: Route | None = None,
    body: bytes = b"",
    headers: HeaderFields = (),
    **fields: Any,
) -> Exchange:
    """Return an exchange as the gate would make it, with its body still unread.

    Args:
        method: the HTTP method.
        path: the raw path.
        route: the matching route; by default one with this method and path, the action `infer` and no model.
        body: what `read_body` returns.
        headers: request header fields with lower-case names.
        fields: any other attribute of `Exchange`, such as `model`, `query` or `client_ip`.
    """

    found = route or Route(method, path, "infer", content_types=frozenset({"application/json"}), max_body_bytes=2**20)
    return new_exchange(found, headers, body, **({"method": method, "path": path} | fields))


async def answer_ok(exchange: Exchange) -> Reply:
    """Answer `exchange` with status 200 and `{}`: the default server of `chain`."""
    return Reply(200, ((b"content-type", b"application/json"),), (b"{}",))


@asynccontextmanager
async def chain(
    plugins: Sequence[Plugin], server: Proceed = answer_ok, models: Sequence[ModelLoad] = ()
) -> AsyncIterator[Proceed]:
    """Open plugins in their order around a server, pass opened models to them, and close them at the end.

    Args:
        plugins: the plugins, outermost first; their order is checked as at the start of a service.
        server: answers what the plugins let through.
        models: models that every plugin learns about before the first request.

    Yields:
        a callable that sends an exchange through the chain and returns the reply.

    Raises:
        ConfigurationError: if a plugin or the order is wrong.
    """
    pipeline = Pipeline(plugins)
    await pipeline.open()
    try:
        pipeline.introduce(models)
        yield pipeline.around(server)
    finally:
        await pipeline.close()


def free_port() -> int:
    """Return a TCP port of the loopback address that is free now; another process may take it before its use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(condition: Callable[[], Any], seconds: float = 60.0, what: str = "the condition") -> Any:
    """Call `condition` until it returns a true value, and return that.

    Args:
        condition: takes nothing; an exception counts as "not yet".
        seconds: how long to try.
        what: names the condition in the error.

    Raises:
        TimeoutError: if it has not within `seconds`; an exception of the last call is its cause.
    """
    deadline, failure = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if value := condition():
                return value
            failure = None
        except Exception as error:
            failure = error
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not hold within {seconds:g} s") from failure


def wait_until_answered(url: str, process: subprocess.Popen[Any] | None = None, seconds: float = 120.0) -> None:
    """Wait until a URL answers with status 200.

    Args:
        url: for example `http://127.0.0.1:3000/readyz`.
        process: the process that serves; if it ends, waiting ends too.
        seconds: how long to wait.

    Raises:
        RuntimeError: if the process has ended.
        TimeoutError: if there was no such answer in time.
    """

    def answered() -> bool:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with exit status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 (the test's own URL)
                return int(reply.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    deadline = time.monotonic() + seconds
    while not answered():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within {seconds:g} s")
        time.sleep(0.1)
