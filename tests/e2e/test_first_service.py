"""A first service as a newcomer makes it: `init` in an empty folder, its own test, and `dev` while files change."""

import json
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from governance.testing import answers, eventually, free_port, running

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
EXISTING = """
from __future__ import annotations

from collections.abc import AsyncGenerator

import bentoml
from PIL.Image import Image
from pydantic import BaseModel


class Patient(BaseModel):
    age: float


@bentoml.service(name="ward")
class Ward:
    @bentoml.api
    def assess(self, patient: Patient, threshold: int = 3) -> dict:
        return {"risk": patient.age / 100}

    @bentoml.api
    def size(self, image: Image, label: str) -> dict:
        return {"size": list(image.size), "label": label}

    @bentoml.api
    async def tell(self, words: int) -> AsyncGenerator[str, None]:
        for number in range(words):
            yield f"{number} "

    @bentoml.task
    def train(self, rounds: int) -> int:
        return rounds
"""


def save_model(path: Path, factor: float) -> None:
    """Write a model that multiplies two features by a number."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["features", "factor"], ["scores"])],
        "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def environment(folder):
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ, "PATH": path, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def shell(line, folder):
    done = subprocess.run(
        ["bash", "-euc", line], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def printed_call(text, port):
    (line,) = re.findall(r"^  (curl .*)$", text, re.MULTILINE)
    return re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", line)


def init(folder, kind):
    if kind == "model":
        save_model(folder / "risk.onnx", 2)
        return shell("bento-governance init first --model risk.onnx", folder)
    if kind == "existing":
        (folder / "service.py").write_text(EXISTING)
        return shell("bento-governance init first --service service:Ward", folder)
    return shell("bento-governance init first", folder)


@pytest.mark.parametrize("kind", ["plain", "model", "existing"])
def test_first_service_answers_the_printed_call_and_passes_its_own_test(tmp_path, kind):
    said, port = init(tmp_path, kind), free_port()
    folder = tmp_path / "first"
    command = [BIN / "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", port]
    ready = f"http://127.0.0.1:{port}/readyz"
    with running(command, lambda: answers(ready), cwd=folder, environment=environment(tmp_path)):
        answer = json.loads(shell(printed_call(said, port), folder))
        expected = {
            "plain": {"the": 2, "quick": 1, "fox": 1, "and": 1, "lazy": 1, "dog": 1},
            "model": {"scores": [[0.0, 0.0]]},
            "existing": {"risk": 0.01},
        }
        assert answer == expected[kind]
        if kind == "existing":
            _check_existing(f"http://127.0.0.1:{port}", (folder / "state/first-caller.api-key").read_text().strip())
    shell("python -m pytest -q -p no:cacheprovider", folder)


def _check_existing(url, key):
    """Routes, files, streams and tasks are those of the service, and all are guarded."""
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        _check_calls(client)
    for path in ("/assess", "/size", "/tell", "/train/submit"):
        assert httpx.post(f"{url}{path}", json={}, timeout=30).status_code == 401, path


def _check_calls(client):
    stream = BytesIO()
    Image.new("L", (3, 2)).save(stream, "PNG")
    sized = client.post("/size", files={"image": ("a.png", stream.getvalue())}, data={"label": "x"})
    assert sized.json() == {"size": [3, 2], "label": "x"}
    assert client.post("/tell", json={"words": 3}).text.split() == ["0", "1", "2"]
    assert client.post("/train/submit", json={"rounds": 1}).status_code == 200


def test_dev_serves_follows_changes_of_model_and_code_and_ends_with_its_service(tmp_path):
    init(tmp_path, "model")
    folder, port = tmp_path / "first", free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    key = (folder / "state/first-caller.api-key").read_text().strip()

    def scores(route="/predict"):
        try:
            reply = httpx.post(f"{url}{route}", json={"features": [[1, 3]]}, headers={"authorization": f"Bearer {key}"})
        except httpx.HTTPError:
            return None
        return reply.json().get("scores") if reply.status_code == 200 else None

    command = [BIN / "bento-governance", "dev", "--port", port]
    with running(command, scores, log=log, cwd=folder, environment=environment(tmp_path), seconds=120):
        assert scores() == [[2.0, 6.0]]
        save_model(folder / "models/first/model.onnx", 5)
        assert eventually(lambda: scores() == [[5.0, 15.0]], 120)
        code = (folder / "service.py").read_text()
        (folder / "service.py").write_text(f"{code}\n)")
        assert eventually(lambda: "Waiting for a change" in log.read_text(), 120)
        (folder / "service.py").write_text(code.replace("values.tolist()", "(values * 10).tolist()"))
        assert eventually(lambda: scores() == [[50.0, 150.0]], 120)
    assert scores() is None and not answers(f"{url}/livez")
