"""Drift of a running service: real requests, then `drift report`, `drift check` and the metrics."""

import json
import re
import time

import numpy as np
import pytest

from tests.e2e.conftest import ROOT, State, serving
from training.data.load import load

SETTINGS = ("--settings", "bentos/digits/governance.toml")
SERVICE = """
import bentoml
from bentos.digits.service import Digits as Plain, governance


@governance.guard
@bentoml.service(name="digits", workers=2)
class Digits(Plain.inner):
    pass
"""
CANARY = "Zacharias Canary"


def send(service, model, images, batch, parameters=None):
    """Send the images as binary batches of the Open Inference Protocol."""
    for start in range(0, len(images), batch):
        pixels = np.ascontiguousarray(images[start : start + batch], "<f4")
        shape, size = list(pixels.shape), {"binary_data_size": pixels.nbytes}
        tensor = {"name": "image", "datatype": "FP32", "shape": shape, "parameters": size}
        head = json.dumps({"inputs": [tensor], "parameters": parameters or {}}).encode()
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(head)),
            # So that the next request may reach the other worker.
            "connection": "close",
        }
        reply = service.client.post(f"/v2/models/{model}/infer", content=head + pixels.tobytes(), headers=headers)
        assert reply.status_code == 200, reply.text


@pytest.fixture(scope="module")
def watched(state, tmp_path_factory):
    """A service with two workers: one model got the unchanged test set, the other one rotated digits."""
    folder = tmp_path_factory.mktemp("drift")
    own = object.__new__(State)
    own.folder, own.keys, own.token = folder, state.keys, state.token
    own.environment = {
        **state.environment,
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "GOVERNANCE_DRIFT__DIRECTORY": str(folder / "counts"),
        "GOVERNANCE_DRIFT__REFRESH_SECONDS": "0.2",
    }
    (folder / "service.py").write_text(SERVICE)
    images = load(None, 7).test.images[:, np.newaxis].astype(np.float32) / 255
    with serving(own, "service:Digits", cwd=folder, environment={"PYTHONPATH": str(ROOT)}) as running:
        send(running, "digits-cnn", images, 2, {"patient_name": CANARY})
        send(running, "digits-rnn", np.rot90(images[:300], axes=(2, 3)), 3)
        # A refused request is not counted.
        running.client.post("/v2/models/digits-cnn/infer", content=b"{}", headers={"authorization": "Bearer x"})
        time.sleep(2.5)
        yield running


def test_drift_report_distinguishes_drifted_and_steady_model(watched, tmp_path):
    """The report adds both workers: neither of them saw all items."""
    done = watched.state.cli("drift", "report", *SETTINGS, "--json")
    assert done.returncode == 0, done.stderr
    models = json.loads(done.stdout)["models"]
    assert (models["digits-cnn"]["state"], models["digits-cnn"]["items"]) == ("steady", 500)
    assert (models["digits-rnn"]["state"], models["digits-rnn"]["items"]) == ("drifted", 300)
    page = tmp_path / "drift.html"
    assert models["digits-cnn"]["workers"] == 2
    done = watched.state.cli("drift", "report", *SETTINGS, "--to", page)
    assert "● digits-cnn: steady (500 items)" in done.stdout and "■ digits-rnn: drifted" in done.stdout
    text = page.read_text()
    assert text.count("<svg") == 14 and "drifted" in text
    assert not re.search(r"(src|href)=\"(?!#)|url\(|<script|http:|https:", text)


def test_drift_check_has_exit_status_for_cron(watched):
    assert watched.state.cli("drift", "check", *SETTINGS, "--model", "digits-cnn", "--fail-on", "watch").returncode == 0
    refused = watched.state.cli("drift", "check", *SETTINGS)
    assert refused.returncode == 7 and "■ digits-rnn: drifted" in refused.stdout
    assert watched.state.cli("drift", "check", *SETTINGS, "--model", "none").returncode == 3
    watched.state.environment["GOVERNANCE_DRIFT__LEAST_ITEMS"] = "900"
    few = watched.state.cli("drift", "check", *SETTINGS)
    del watched.state.environment["GOVERNANCE_DRIFT__LEAST_ITEMS"]
    assert few.returncode == 8 and "too few items to compare (500)" in few.stdout


def test_drift_snapshots_keep_nothing_that_a_caller_sent(watched):
    folder = watched.state.folder / "counts"
    for file in [*folder.iterdir(), watched.log]:
        assert CANARY.encode() not in file.read_bytes()
        assert file.suffix == ".log" or file.stat().st_mode & 0o077 == 0
    snapshots = [json.loads(file.read_text()) for file in folder.glob("worker-*.json")]
    parts = [part for each in snapshots for model in each["models"].values() for part in model["parts"]]
    assert len(snapshots) == 2 and sum(part["items"] for part in parts) == 800
    assert {type(number) for part in parts for number in part["counts"]} == {int}


def test_drift_metrics_of_running_service(watched):
    text = watched.client.get("/metrics").text
    assert 'governance_drift_state{model="digits-rnn"} 2.0' in text
    assert 'governance_drift_state{model="digits-cnn"} 0.0' in text
    assert 'governance_drift_window_items{model="digits-cnn"} 500.0' in text
    assert re.search(r'governance_drift_psi\{model="digits-rnn",subject="confidence"\} [0-9.]+', text)
