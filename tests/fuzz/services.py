"""The services that get random requests, each with its own keys, and good requests of their routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tests.e2e.conftest import State, serving
from tests.e2e.side_service import prepare, serve_side
from tests.fuzz.mutate import Good
from tests.fuzz.run import Target

JSON = (("content-type", "application/json"),)
UNLIMITED = {"GOVERNANCE_LIMITS__RATE_PER_SECOND": "1000000", "GOVERNANCE_LIMITS__BURST": "1000000"}
SIDE_TEXTS = ("/letter", "/page", "/unsaid", "/table", "/stream")


@contextmanager
def services(folder: Path) -> Iterator[list[Target]]:
    """Yield both services, running."""
    with ExitStack() as stack:
        state = State(folder / "digits")
        running = stack.enter_context(serving(state, environment=UNLIMITED))
        picture = (state.folder / "digit.png").read_bytes()
        yield [
            Target("digits", running.port, state.token, digits_seeds(picture), running.log),
            stack.enter_context(side(folder / "side")),
        ]


@contextmanager
def side(folder: Path) -> Iterator[Target]:
    """Yield the service of `side/`, whose texts are searched."""
    key = prepare(folder)
    sections = [{"route": path, "replies": True} for path in SIDE_TEXTS]
    url, server, log = serve_side(folder, "guarded:Guarded", GOVERNANCE_PRIVACY__TEXT=json.dumps(sections), **UNLIMITED)
    with server:
        yield Target("side", int(url.rpartition(":")[2]), key, side_seeds(), log)


def digits_seeds(picture: bytes) -> list[Good]:
    """Return good requests for the digits service."""
    digit = np.zeros((1, 1, 28, 28), np.float32)
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32"}
    path = "/v2/models/digits-cnn/infer"
    whole = json.dumps({"inputs": [{**tensor, "data": digit.ravel().tolist()}]}).encode()
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": digit.nbytes}}]}).encode()
    form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    return [
        Good("POST", path, whole, JSON),
        Good("POST", path, head + digit.tobytes(), (("inference-header-content-length", str(len(head))),)),
        Good("POST", "/classify?model=digits-rnn", form, (("content-type", "multipart/form-data; boundary=b"),)),
        *(Good("GET", path) for path in ("/v2", "/v2/health/ready", "/v2/models/digits-rnn", "/metrics", "/readyz",
                                         "/governance/", "/governance/data", "/schema.json", "/nothing")),
    ]  # fmt: skip


def side_seeds() -> list[Good]:
    """Return good requests for the service of `side/`."""
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n12345\r\n--b--\r\n'
    name = json.dumps({"name": "Ada, ada@example.org"}).encode()
    return [
        Good("POST", "/letter", name, JSON),
        *(Good("POST", path, name, JSON) for path in ("/page", "/unsaid", "/table")),
        Good("POST", "/status", b'{"status": 409}', JSON),
        Good("POST", "/stream", b'{"seconds": 0}', JSON),
        Good("POST", "/work/submit", b'{"seconds": 0.01}', JSON),
        Good("GET", "/work/status?task_id=x"),
        Good("POST", "/size", form, (("content-type", "multipart/form-data; boundary=b"),)),
        Good("PUT", "/patients/p-17/notes", b"{}", JSON),
        Good("GET", "/teapot/"),
    ]
