"""Starts the service of `side/` with its own keys, for tests that speak HTTP themselves."""

import http.client
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from governance.testing import answers, free_port, running
from tests.e2e.conftest import BIN

SIDE = Path(__file__).with_name("side")


@dataclass(frozen=True, slots=True)
class Side:
    """A running service: its port, its process, its log, and the headers of its caller."""

    port: int
    process: subprocess.Popen
    log: Path
    folder: Path
    token: str

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self):
        return {"authorization": f"Bearer {self.token}"}

    def call(self, method, path, body=None, headers=None):
        """Send one request on a connection of its own; return status, header fields and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def metric(self, name, **labels):
        """Return the sum of a counter over the given labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = self.call("GET", "/metrics")[2].decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith((f"governance_{name}{{", f"governance_{name} ")) and all(part in line for part in wanted)
        )


def prepare(folder: Path) -> str:
    """Copy the service and make its keys; return the token of its caller."""
    shutil.copytree(SIDE, folder, dirs_exist_ok=True)
    command = BIN / "bento-governance"
    for kind, name in (("checkpoint", "checkpoint.key"), ("secret", "hash.key")):
        subprocess.run([command, "key", "create", kind, folder / name], check=True, capture_output=True)
    return add_caller(folder, "ada")


def add_caller(folder: Path, name: str) -> str:
    """Make an API key, and return its token."""
    create = ["api-key", "create", name, "--role", "reader", "--store", folder / "api-keys.json"]
    command = [BIN / "bento-governance", *create, "--hash-key", f"file:{folder}/hash.key"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def serving_side(folder: Path, token: str, target="guarded:Guarded", **environment):
    """Serve while the block runs."""
    port = free_port()
    command = [BIN / "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    home = str(folder / f"bentoml-{port}")
    variables = {**os.environ, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True", **environment}
    log, ready = folder / f"{port}.log", partial(answers, f"http://127.0.0.1:{port}/readyz")
    with running(command, ready, log=log, cwd=folder, environment=variables) as process:
        yield Side(port, process, log, folder, token)
