"""A real digits service: trained models, `bentoml serve`, its own keys and callers."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class State:
    """The keys, artifacts, callers and audit log of one service; `environment` has the settings that name them."""

    def __init__(self, folder: Path):
        self.folder, self.keys = folder, folder / "keys"
        self.environment = {
            **os.environ,
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT": str(folder / "artifacts/digits-cnn.sealed"),
            "GOVERNANCE_MODELS__DIGITS_RNN__ARTIFACT": str(folder / "artifacts/digits-rnn.sealed"),
            "GOVERNANCE_ARTIFACTS__RECIPIENT_KEY": f"file:{self.keys}/recipient.key",
            "GOVERNANCE_ARTIFACTS__TRUSTED_SIGNERS": json.dumps([f"{self.keys}/signing.key.pub"]),
            "GOVERNANCE_IDENTITY__API_KEYS": str(folder / "api-keys.json"),
            "GOVERNANCE_IDENTITY__HASH_KEY": f"file:{self.keys}/api-key-hash.key",
            "GOVERNANCE_PRIVACY__HASH_KEY": f"file:{self.keys}/privacy-hash.key",
            "GOVERNANCE_STOP__FILE": str(folder / "stop.json"),
            "GOVERNANCE_STOP__TRUSTED_KEYS": json.dumps([f"{self.keys}/stop.key.pub"]),
            "GOVERNANCE_STOP__SIGN_WITH": f"file:{self.keys}/stop.key",
            "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
            "GOVERNANCE_DRIFT__DIRECTORY": str(folder / "drift"),
            "GOVERNANCE_AUDIT__CHECKPOINT_KEY": f"file:{self.keys}/checkpoint.key",
        }
        prepare = {**os.environ, "BIN": str(BIN), "STATE": str(folder)}
        subprocess.run(["bash", "bentos/digits/prepare.sh"], cwd=ROOT, env=prepare, check=True, capture_output=True)
        self.token = (self.keys / "demo.api-key").read_text().strip()

    def cli(self, *arguments) -> subprocess.CompletedProcess:
        command = [str(BIN / "bento-governance"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=self.environment)

    def api_key(self, *arguments) -> str:
        store = ("--store", self.folder / "api-keys.json", "--hash-key", f"file:{self.keys}/api-key-hash.key")
        return self.cli("api-key", *arguments, *store).stdout.strip()

    def verify_audit(self) -> subprocess.CompletedProcess:
        return self.cli("audit", "verify", self.folder / "audit", "--key", self.keys / "checkpoint.key.pub")


class Running:
    """A running service on the loopback interface."""

    def __init__(self, port: int, state: State, log: Path):
        self.port, self.state, self.log, self.url = port, state, log, f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {state.token}"}, timeout=30)


@contextmanager
def serving(state: State, target="bentos.digits.service:Digits", cwd=ROOT, environment=None, arguments=()):
    port, log = free_port(), state.folder / f"serve-{time.monotonic_ns()}.log"
    command = [str(BIN / "bentoml"), "serve", target, "--host", "127.0.0.1", "--port", str(port), *arguments]
    environment = {**state.environment, **(environment or {})}
    ready = partial(answers, f"http://127.0.0.1:{port}/readyz")
    with running(command, ready, log=log, cwd=cwd, environment=environment):
        service = Running(port, state, log)
        yield service
        service.client.close()


@pytest.fixture(scope="session")
def state(tmp_path_factory) -> State:
    if not (ROOT / ".state/training/digits-cnn/export/profile.json").is_file():
        pytest.fail("the digit models are not trained: run `make models` first, or `make test`, which does")
    return State(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def service(state):
    with serving(state) as running:
        yield running


@pytest.fixture(scope="session")
def digit() -> np.ndarray:
    """A real handwritten digit, float32 of shape [1, 1, 28, 28]."""
    from training.data.load import load

    return load(None, 7).test.images[:1, np.newaxis].astype(np.float32) / 255
