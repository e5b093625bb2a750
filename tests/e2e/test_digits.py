"""The digits service with real clients: replies, refusals, metrics, receipts and audit log."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.e2e.conftest import BIN, ROOT
from training.config import NAMES


def infer_body(digit, **changes):
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": digit.ravel().tolist()}
    return {"inputs": [{**tensor, **changes}]}


@pytest.fixture
def client(service):
    made = triton.InferenceServerClient(f"127.0.0.1:{service.port}")
    yield made
    made.close()


@pytest.fixture
def headers(state):
    return lambda: {"Authorization": f"Bearer {state.token}"}  # The Triton client changes the dictionary that it gets.


@pytest.mark.parametrize(("name", "accuracy"), [("digits-cnn", 0.97), ("digits-rnn", 0.93)])
def test_digits_models_reach_the_documented_accuracy(name, accuracy):
    card = json.loads((ROOT / f".state/training/{name}/export/card.json").read_text())
    assert card["scores"]["accuracy"] >= accuracy
    assert card["parity"]["greatest_difference"] <= 1e-5


def test_digits_classify_route_serves_both_models(service, state):
    picture = (state.folder / "digit.png").read_bytes()
    for name in NAMES:
        reply = service.client.post(f"/classify?model={name}", files={"image": ("7.png", picture, "image/png")})
        assert reply.status_code == 200, reply.text
        assert (reply.json()["model"], reply.json()["label"]) == (name, "7")
        assert sum(reply.json()["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert reply.headers["governance-receipt"]


def test_triton_client_gets_same_probabilities_in_json_and_binary(service, client, headers, state, digit):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits-cnn", headers=headers())
    metadata = client.get_model_metadata("digits-cnn", headers=headers())
    assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
    picture = (state.folder / "digit.png").read_bytes()
    friendly = service.client.post("/classify", files={"image": ("7.png", picture)}).json()["probabilities"]
    for binary in (True, False):
        tensor = triton.InferInput("image", [1, 1, 28, 28], "FP32")
        tensor.set_data_from_numpy(digit, binary_data=binary)
        wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
        result = client.infer("digits-cnn", [tensor], outputs=[wanted], headers=headers())
        assert np.allclose(result.as_numpy("probabilities")[0], list(friendly.values()), atol=1e-6)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_triton_client_may_compress_its_requests(client, headers, digit, algorithm):
    for binary in (True, False):
        tensor = triton.InferInput("image", [1, 1, 28, 28], "FP32")
        tensor.set_data_from_numpy(digit, binary_data=binary)
        packed = client.infer("digits-cnn", [tensor], headers=headers(), request_compression_algorithm=algorithm)
        plain = client.infer("digits-cnn", [tensor], headers=headers())
        assert np.array_equal(packed.as_numpy("probabilities"), plain.as_numpy("probabilities"))


def test_triton_client_gets_refusal_as_its_own_exception(client, headers, digit):
    tensor = triton.InferInput("image", [1, 1, 28, 27], "FP32")
    tensor.set_data_from_numpy(digit[..., :27].copy())
    with pytest.raises(InferenceServerException, match=r"expected shape \[-1, 1, 28, 28\], received \[1, 1, 28, 27\]"):
        client.infer("digits-cnn", [tensor], headers=headers())
    with pytest.raises(InferenceServerException, match="API key"):
        client.infer("digits-cnn", [tensor])


def refusals(digit):
    body, path = infer_body(digit), "/v2/models/digits-cnn/infer"
    wrong = {"authorization": "Bearer bgk_wrong"}
    pickle = {"content-type": "application/vnd.bentoml+pickle"}
    yield "no key", 401, "POST", path, {"json": body, "headers": {"authorization": ""}}
    yield "a wrong key", 401, "POST", path, {"json": body, "headers": wrong}
    yield "a forbidden purpose", 403, "POST", path, {"json": body, "headers": {"governance-purpose": "advertising"}}
    yield "an unknown model", 404, "POST", "/v2/models/none/infer", {"json": body}
    yield "an unknown version", 404, "POST", "/v2/models/digits-cnn/versions/9/infer", {"json": body}
    yield "an unknown route", 404, "GET", "/docs.json", {}
    yield "a wrong shape", 400, "POST", path, {"json": infer_body(digit, shape=[1, 28, 28])}
    yield "a wrong type", 400, "POST", path, {"json": infer_body(digit, datatype="INT8")}
    yield "a wrong length", 400, "POST", path, {"json": infer_body(digit, data=[1.0])}
    yield "no JSON", 400, "POST", path, {"content": b"{", "headers": {"content-type": "application/json"}}
    yield "a body over the limit", 413, "POST", path, {"content": bytes(17_000_000)}
    yield "a pickle", 415, "POST", path, {"content": b"\x80\x04.", "headers": pickle}
    yield "a pickle elsewhere", 415, "POST", "/classify", {"content": b"\x80\x04.", "headers": pickle}
    yield "no picture", 400, "POST", "/classify", {"files": {"image": ("x.png", b"x")}}
    yield "a URL for a picture", 422, "POST", "/classify", {"files": {"image": (None, "http://127.0.0.1:1/x")}}


@pytest.mark.parametrize("index", range(15))
def test_digits_invalid_request_gets_its_status_and_error_format(service, digit, index):
    what, status, method, path, arguments = list(refusals(digit))[index]
    reply = service.client.request(method, path, **arguments)
    assert reply.status_code == status, (what, reply.text)
    if path.startswith("/v2"):
        assert list(reply.json()) == ["error"]
    else:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status
    assert "Traceback" not in reply.text


def test_api_key_that_is_revoked_is_refused_without_a_restart(service, state):
    created = json.loads(state.api_key("create", "brief", "--role", "classifier", "--json"))
    headers = {"authorization": f"Bearer {created['token']}"}
    assert service.client.get("/v2/models/digits-cnn", headers=headers).status_code == 200
    state.api_key("revoke", created["key_id"])
    for _ in range(200):
        if service.client.get("/v2/models/digits-cnn", headers=headers).status_code == 401:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the key still opens the service")


def test_api_key_without_role_is_forbidden(service, state):
    token = json.loads(state.api_key("create", "nobody", "--json"))["token"]
    headers = {"authorization": f"Bearer {token}"}
    assert service.client.get("/v2/models/digits-cnn", headers=headers).status_code == 403
    assert service.client.get("/metrics", headers=headers).status_code == 403


def test_metrics_of_running_service_show_requests_and_no_caller(service, state, digit):
    service.client.post("/v2/models/digits-rnn/infer", json=infer_body(digit)).raise_for_status()
    text = service.client.get("/metrics").text
    assert 'governance_inference_items_total{model="digits-rnn",version="1"}' in text
    assert 'route="/v2/models/{model}/infer"' in text
    assert 'governance_model_ready{device="cpu",model="digits-cnn",version="1"} 1.0' in text
    assert "demo" not in text


def test_declared_personal_data_is_in_no_metric_log_or_audit_file(service, state, digit):
    body = {**infer_body(digit), "parameters": {"patient_name": "Zacharias Canary", "patient_id": "CANARY-4711"}}
    service.client.post("/v2/models/digits-cnn/infer", json=body).raise_for_status()
    service.client.post("/v2/models/digits-cnn/infer", json={**body, "inputs": [{"name": "Zacharias Canary"}]})
    assert "Canary" not in service.client.get("/metrics").text
    for file in [service.log, *(state.folder / "audit").rglob("*")]:
        assert file.is_dir() or (b"Canary" not in file.read_bytes() and b"CANARY" not in file.read_bytes())


def test_receipt_proves_the_reply_and_no_other(service, state, digit, tmp_path):
    reply = service.client.post("/v2/models/digits-cnn/infer", json=infer_body(digit))
    subprocess.run(["sleep", "1.2"], check=True)
    service.client.get("/v2").raise_for_status()
    evidence = state.cli("audit", "prove", state.folder / "audit", reply.headers["governance-receipt"])
    (tmp_path / "evidence.json").write_text(evidence.stdout)
    (tmp_path / "reply").write_bytes(reply.content)
    arguments = ("audit", "check", tmp_path / "evidence.json", "--key", state.keys / "checkpoint.key.pub")
    checked = state.cli(*arguments, "--reply", tmp_path / "reply")
    assert checked.returncode == 0, checked.stderr
    assert "was answered for demo" in checked.stdout
    (tmp_path / "reply").write_bytes(reply.content + b" ")
    assert state.cli(*arguments, "--reply", tmp_path / "reply").returncode == 5


def test_audit_verify_names_the_entry_with_a_changed_byte(service, state, tmp_path):
    verified = state.verify_audit()
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("ok  digits/worker-0")
    shutil.copytree(state.folder / "audit", tmp_path / "audit")
    entries = tmp_path / "audit/worker-0/entries.jsonl"
    content = bytearray(entries.read_bytes())
    place = content.index(b"\n") + 30
    content[place] ^= 1
    entries.write_bytes(content)
    refused = state.cli("audit", "verify", tmp_path / "audit", "--key", state.keys / "checkpoint.key.pub")
    assert refused.returncode == 5
    assert "entry 1 at byte" in refused.stderr


def test_digits_policy_cases_pass():
    command = [str(BIN / "bento-governance"), "policy", "test", "bentos/digits/policy_cases.json"]
    done = subprocess.run(
        [*command, "--settings", "bentos/digits/governance.toml"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok  ") == len(json.loads((ROOT / "bentos/digits/policy_cases.json").read_text()))
