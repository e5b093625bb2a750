"""Drift as an operator meets it: real calls to a real service, then the report, the check and the metrics."""

import json
import re
import time

import numpy as np
import pytest

from tests.e2e.conftest import ROOT, serving
from training.data import load

SETTINGS = ("--settings", "bentos/digits/governance.toml")
CANARY = "Zacharias Canary"
SHOWN = "drift_state" in (ROOT / "governance/plugins/metrics.py").read_text()


def send(service, model, images, batch, parameters=None):
    """Send the images as binary batches of the Open Inference Protocol."""
    for start in range(0, len(images), batch):
        pixels = np.ascontiguousarray(images[start : start + batch], "<f4")
        shape, size = list(pixels.shape), {"binary_data_size": pixels.nbytes}
        tensor = {"name": "image", "datatype": "FP32", "shape": shape, "parameters": size}
        head = json.dumps({"inputs": [tensor], "parameters": parameters or {}}).encode()
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
        reply = service.client.post(f"/v2/models/{model}/infer", content=head + pixels.tobytes(), headers=headers)
        assert reply.status_code == 200, reply.text


@pytest.fixture(scope="module")
def watched(state, tmp_path_factory):
    """A service that saw the untouched test part by one model, and rotated digits by the other; and its environment."""
    folder = tmp_path_factory.mktemp("drift")
    environment = {"GOVERNANCE_DRIFT__DIRECTORY": str(folder), "GOVERNANCE_DRIFT__REFRESH_SECONDS": "0.2"}
    images = load(None, 7).test.images[:, np.newaxis].astype(np.float32) / 255
    before = dict(state.environment)
    state.environment.update(environment)
    with serving(state) as running:
        send(running, "digits-cnn", images, 2, {"patient_name": CANARY})
        send(running, "digits-rnn", np.rot90(images[:300], axes=(2, 3)), 3)
        # A refused call does not count.
        running.client.post("/v2/models/digits-cnn/infer", content=b"{}", headers={"authorization": "Bearer x"})
        time.sleep(2.5)
        yield running, folder
    state.environment.clear()
    state.environment.update(before)


def test_the_report_tells_the_drifted_model_from_the_steady_one(watched, state, tmp_path):
    done = state.cli("drift", "report", *SETTINGS, "--json")
    assert done.returncode == 0, done.stderr
    models = json.loads(done.stdout)["models"]
    assert (models["digits-cnn"]["state"], models["digits-cnn"]["items"]) == ("steady", 500)
    assert (models["digits-rnn"]["state"], models["digits-rnn"]["items"]) == ("drifted", 300)
    page = tmp_path / "drift.html"
    done = state.cli("drift", "report", *SETTINGS, "--to", page)
    assert "● digits-cnn: steady (500 items)" in done.stdout and "■ digits-rnn: drifted" in done.stdout
    text = page.read_text()
    assert text.count("<svg") == 14 and "drifted" in text
    assert not re.search(r"(src|href)=\"(?!#)|url\(|<script|http:|https:", text)


def test_check_ends_with_a_code_for_cron(watched, state):
    assert state.cli("drift", "check", *SETTINGS, "--model", "digits-cnn", "--fail-on", "watch").returncode == 0
    refused = state.cli("drift", "check", *SETTINGS)
    assert refused.returncode == 7 and "■ digits-rnn: drifted" in refused.stdout
    assert state.cli("drift", "check", *SETTINGS, "--model", "none").returncode == 3


def test_nothing_that_a_caller_sent_is_kept(watched, state):
    running, folder = watched
    for file in [*folder.iterdir(), running.log]:
        assert CANARY.encode() not in file.read_bytes()
        assert file.suffix == ".log" or file.stat().st_mode & 0o077 == 0
    (snapshot,) = [json.loads(file.read_text()) for file in folder.glob("worker-*.json")]
    assert {type(n) for m in snapshot["models"].values() for part in m["parts"] for n in part["counts"]} == {int}


@pytest.mark.skipif(not SHOWN, reason="the metrics plugin does not ask other plugins yet")
def test_the_metrics_show_it(watched):
    text = watched[0].client.get("/metrics").text
    assert 'governance_drift_state{model="digits-rnn"} 2.0' in text
    assert 'governance_drift_state{model="digits-cnn"} 0.0' in text
    assert 'governance_drift_window_items{model="digits-cnn"} 500.0' in text
    assert re.search(r'governance_drift_psi\{model="digits-rnn",subject="confidence"\} [0-9.]+', text)
