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
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

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


def eventually(condition: Callable[[], Any], seconds: float = 20.0, every: float = 0.1) -> Any:
    """Call `condition` until it returns a true value, and return that; after `seconds`, return its last value.

    Example: `assert eventually(lambda: log.read_text().count("ready") == 2)`.

    Args:
        condition: takes nothing.
        seconds: how long to try.
        every: the pause between two calls, in seconds.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(every)
    return value


def listens(port: int) -> bool:
    """Return whether a process listens on a TCP port of the loopback address.

    Args:
        port: the port.
    """
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, status: int = 200) -> bool:
    """Return whether a URL answers with this status.

    Args:
        url: for example `http://127.0.0.1:3000/readyz`.
        status: the expected status.
    """
    try:
        return httpx.get(url, timeout=5).status_code == status
    except httpx.HTTPError:
        return False


@contextmanager
def running(
    command: Sequence[str | Path],
    ready: Callable[[], Any],
    *,
    log: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process of its own while the block runs; the block begins when the server is ready.

    Example:
        ```python
        port = free_port()
        with running(["bentoml", "serve", "--port", str(port)], lambda: answers(f"http://127.0.0.1:{port}/readyz")):
            ...
        ```

    Args:
        command: the program and its arguments.
        ready: returns a true value when the server can be used; called again and again until then.
        log: the file for the server's output; by default a temporary one.
        cwd: the folder that it starts in.
        environment: all its environment variables; by default those of this process.
        seconds: how long to wait for `ready`, and for the end.

    Raises:
        RuntimeError: with the server's output, if it ends before it is ready, or is not ready in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = log or Path(folder) / "log"
        with file.open("ab") as output:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            if not eventually(lambda: process.poll() is not None or ready(), seconds) or process.poll() is not None:
                raise RuntimeError(f"{command[0]} is not ready: {file.read_text(errors='replace')}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
