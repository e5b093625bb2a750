"""The service of `side/`: its keys, its caller, and a server of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from governance.testing import answers, free_port, running
from tests.e2e.conftest import BIN

SIDE = Path(__file__).with_name("side")


def prepare(folder: Path) -> str:
    """Copy the service into a folder, make its keys, and return the API key of a caller."""
    shutil.copytree(SIDE, folder, dirs_exist_ok=True)
    for kind, name in (("checkpoint", "checkpoint.key"), ("secret", "hash.key")):
        command = [BIN / "bento-governance", "key", "create", kind, folder / name]
        subprocess.run(command, check=True, capture_output=True)
    create = ["api-key", "create", "ada", "--role", "reader", "--store", folder / "api-keys.json"]
    command = [BIN / "bento-governance", *create, "--hash-key", f"file:{folder}/hash.key"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def serve_side(folder: Path, target: str, **environment: str) -> tuple[str, AbstractContextManager[Any], Path]:
    """Return the URL of a server, the server (it runs inside `with`), and the file of its output."""
    port = free_port()
    command = [BIN / "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    home = str(folder / f"bentoml-{port}")
    variables = {**os.environ, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True", **environment}
    url = f"http://127.0.0.1:{port}"
    log = folder / f"{port}.log"
    return (
        url,
        running(command, partial(answers, f"{url}/readyz"), log=log, cwd=folder, environment=variables, seconds=180),
        log,
    )
