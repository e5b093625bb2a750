"""Public clients, unmodified, with a real service: Triton's, KServe's, and requests; BentoML's are in side by side."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import requests
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.e2e.conftest import ROOT

CLIENTS = Path(__file__).with_name("clients")
# KServe's package needs other versions of protobuf and psutil than ours: `make test` makes an environment for it.
KSERVE = ROOT / ".venv-kserve/bin/python"


def headers(state):
    return {"Authorization": f"Bearer {state.token}"}


def triton_input(kind, digit, binary=True):
    tensor = kind.InferInput("image", list(digit.shape), "FP32")
    tensor.set_data_from_numpy(digit, binary_data=binary)
    return tensor


@pytest.fixture(scope="module")
def expected(service, digit):
    body = {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": digit.ravel().tolist()}]}
    reply = service.client.post("/v2/models/digits-cnn/infer", json=body)
    return reply.json()["outputs"][0]["data"]


@pytest.mark.parametrize("binary", [True, False])
async def test_triton_client_for_asyncio(service, state, digit, expected, binary):
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready("digits-cnn", headers=headers(state))
        metadata = await client.get_model_metadata("digits-cnn", headers=headers(state))
        assert metadata["name"] == "digits-cnn"
        wanted = triton_aio.InferRequestedOutput("probabilities", binary_data=binary)
        result = await client.infer(
            "digits-cnn", [triton_input(triton_aio, digit, binary)], outputs=[wanted], headers=headers(state)
        )
        assert np.allclose(result.as_numpy("probabilities").ravel(), expected, atol=1e-6)
        with pytest.raises(InferenceServerException, match="API key"):
            await client.infer("digits-cnn", [triton_input(triton_aio, digit)])


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_triton_clients_with_compressed_requests(service, state, digit, expected, algorithm):
    client = triton.InferenceServerClient(f"127.0.0.1:{service.port}")
    wanted = {"headers": headers(state), "request_compression_algorithm": algorithm}
    wanted["response_compression_algorithm"] = algorithm
    result = client.infer("digits-cnn", [triton_input(triton, digit)], **wanted)
    assert np.allclose(result.as_numpy("probabilities").ravel(), expected, atol=1e-6)
    client.close()
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{service.port}") as waiting:
        wanted["headers"] = headers(state)
        result = await waiting.infer("digits-cnn", [triton_input(triton_aio, digit)], **wanted)
        assert np.allclose(result.as_numpy("probabilities").ravel(), expected, atol=1e-6)


def test_triton_client_with_many_calls_at_once_and_classification(service, state, digit, expected):
    client = triton.InferenceServerClient(f"127.0.0.1:{service.port}", concurrency=8)
    waiting = [
        client.async_infer("digits-cnn", [triton_input(triton, digit)], headers=headers(state)) for _ in range(32)
    ]
    for one in waiting:
        assert np.allclose(one.get_result().as_numpy("probabilities").ravel(), expected, atol=1e-6)
    wanted = triton.InferRequestedOutput("probabilities", class_count=2)
    result = client.infer("digits-cnn", [triton_input(triton, digit)], outputs=[wanted], headers=headers(state))
    score, index, label = result.as_numpy("probabilities").ravel()[0].decode().split(":")
    assert (int(index), label) == (int(np.argmax(expected)), "7")
    assert float(score) == pytest.approx(max(expected), abs=1e-5)
    client.close()


def test_requests_in_json_in_binary_and_with_an_upload(service, state, digit, expected):
    with requests.Session() as session:
        session.headers.update(headers(state))
        url = f"{service.url}/v2/models/digits-cnn/infer"
        tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32"}
        reply = session.post(url, json={"inputs": [{**tensor, "data": digit.tolist()}]}, timeout=30)
        assert np.allclose(reply.json()["outputs"][0]["data"], expected, atol=1e-6)
        tensor["parameters"] = {"binary_data_size": digit.nbytes}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        length = {"Inference-Header-Content-Length": str(len(head))}
        reply = session.post(url, data=head + digit.tobytes(), headers=length, timeout=30)
        tail = reply.content[int(reply.headers["Inference-Header-Content-Length"]) :]
        assert np.allclose(np.frombuffer(tail, np.float32), expected, atol=1e-6)
        picture = (state.folder / "digit.png").read_bytes()
        reply = session.post(f"{service.url}/classify", files={"image": ("7.png", picture)}, timeout=30)
        assert reply.json()["label"] == "7"
        chunks = (piece for piece in (head, digit.tobytes()))
        assert session.post(url, data=chunks, headers=length, timeout=30).status_code == 200


def run(python, program, *arguments):
    done = subprocess.run(
        [python, CLIENTS / program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_kserve_rest_client(service, state, digit, expected, tmp_path):
    if not KSERVE.exists():
        pytest.fail("KServe's environment is missing: run `make .venv-kserve/.installed`, or `make test`, which does")
    np.save(tmp_path / "digit.npy", digit)
    seen = run(KSERVE, "kserve_rest.py", service.url, state.token, tmp_path / "digit.npy")
    assert seen["live"] is seen["ready"] is seen["model ready"] is True
    for binary in (True, False):
        model, number, output, shape, values = seen[f"binary {binary}"]
        assert (model, number, output, shape) == ("digits-cnn", "17", "probabilities", [1, 10])
        assert np.allclose(values, expected, atol=1e-6)
    assert seen["stranger"] == [401, ["error"]] and seen["no model"] == [404, ["error"]]
