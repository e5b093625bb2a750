"""What a call costs in one process, without HTTP: `python -m benchmarks.serving.inside least|governed MODEL`.

The application is called as uvicorn would call it, 16 calls at a time. The result is CPU time of the whole process, so
that threads which write the audit log count, and waiting for the disk does not. The cost of governance is a governed
call without that of the least ASGI application, which is the model itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.serving.calls import DIALECTS, Dialect, make_images
from benchmarks.serving.servers import MODELS, NEEDS, PLUGINS, ROOT, STATE, governed_variables

CONCURRENT, CALLS, BLOCKS = 16, 2000, 7
MICROSECONDS = 1e6


def measure_inside(model: str, core: int) -> dict[str, float]:
    """Return the µs of CPU for a call of the least application, of the gate alone, and what each plugin adds.

    Args:
        model: the model's name.
        core: the core to run on.
    """
    least, off = _run("least", model, core, ()), _run("governed", model, core, ())
    found = {"least": least, "gate and protocol": off - least}
    alone = {name: _run("governed", model, core, (name,)) for name in PLUGINS if name not in NEEDS}
    found |= {name: seconds - off for name, seconds in alone.items()}
    for name, needs in NEEDS.items():
        found[name] = _run("governed", model, core, (*needs, name)) - alone[needs[0]]
    return found | {"governance": _run("governed", model, core, PLUGINS) - least}


def _run(kind: str, model: str, core: int, plugins: tuple[str, ...]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            "MODELS": str(MODELS),
            "PYTHONPATH": str(ROOT),
            "BENTOML_HOME": f"{folder}/bentoml",
            **governed_variables(plugins, Path(folder)),
            # Calls that share a run of the model would hide what governance costs.
            f"GOVERNANCE_MODELS__{model.upper().replace('-', '_')}__BATCHING": "false",
        }
        command = ["taskset", "-c", str(core), sys.executable, "-m", "benchmarks.serving.inside", kind, model]
        result = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr[-2000:]}")
    return float(json.loads(result.stdout.splitlines()[-1]))


async def _measure(app: Any, dialect: Dialect, model: str, headers: Mapping[str, str]) -> float:
    stop = asyncio.Event()
    started = await _start(app, stop)
    path, body, own = dialect.render(model, make_images(1)[0])
    fields = {"host": "x", "content-length": str(len(body))} | {k.replace("_", "-"): v for k, v in own.items()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (fields | dict(headers)).items()],
    }
    costs = []
    for block in range(BLOCKS + 1):
        before = time.process_time()
        await asyncio.gather(*(_calls(app, scope, body) for _ in range(CONCURRENT)))
        if block:
            costs.append((time.process_time() - before) / CALLS)
    stop.set()
    await started
    return statistics.median(costs) * MICROSECONDS


async def _start(app: Any, stop: asyncio.Event) -> asyncio.Task[None]:
    """Run the application's lifespan in a task that ends after `stop`; return when it has started."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def receive() -> dict[str, str]:
        message = next(messages)
        if message["type"].endswith("shutdown"):
            await stop.wait()
        return message

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            ready.set_exception(RuntimeError(message.get("message", "")))
        elif not ready.done():
            ready.set_result(None)

    task = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    # An application without a lifespan, such as the least one, returns at once.
    await asyncio.wait([ready, task], return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        ready.result()
    return task


async def _calls(app: Any, scope: dict[str, Any], body: bytes) -> None:
    statuses = []

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    for _ in range(CALLS // CONCURRENT):
        rest = iter(({"type": "http.request", "body": body, "more_body": False},))
        disconnected = asyncio.Event()

        async def receive(rest: Any = rest, disconnected: asyncio.Event = disconnected) -> dict[str, Any]:
            for message in rest:
                return message
            await disconnected.wait()
            return {"type": "http.disconnect"}

        await app(dict(scope), receive, send)
        disconnected.set()
    if set(statuses) != {200}:
        raise RuntimeError(f"a call answers {set(statuses)}")


def main() -> None:
    """Measure one application, and print the µs of CPU for a call."""
    kind, model = sys.argv[1:]
    if kind == "least":
        from benchmarks.peers.least import app

        headers = {}
    else:
        from bentos.digits.service import Digits

        app = Digits.to_asgi(is_main=True)
        headers = {"authorization": f"Bearer {(STATE / 'keys/demo.api-key').read_text().strip()}"}
    dialect = DIALECTS["least" if kind == "least" else "oip"]["binary"]
    print(json.dumps(uvloop.run(_measure(app, dialect, model, headers))))


if __name__ == "__main__":
    main()
