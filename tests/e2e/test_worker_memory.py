"""A worker excludes what it opened at its start from garbage collections, and serves with uvloop and httptools."""

import subprocess
from pathlib import Path

from governance.testing import listens
from tests.e2e.conftest import BIN, ROOT

PROGRAM = """
import asyncio, gc, sys
from bentos.digits.service import Digits

app = Digits.to_asgi()
messages = asyncio.Queue()

async def main():
    sent = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, messages.get, sent.put))
    await messages.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    print(gc.get_freeze_count())
    await messages.put({"type": "lifespan.shutdown"})
    await task

asyncio.run(main())
"""


def test_worker_freezes_what_it_opened(state):
    done = subprocess.run(
        [BIN / "python", "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT, env=state.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 100_000


def test_service_runs_on_uvloop_and_httptools(service):
    assert listens(service.port)
    maps = subprocess.run(["pgrep", "-f", f"port {service.port}"], capture_output=True, text=True, check=False).stdout
    workers = subprocess.run(["pgrep", "-P", maps.split()[0]], capture_output=True, text=True, check=True).stdout
    loaded = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in workers.split())
    assert "uvloop" in loaded and "httptools" in loaded
