"""Throughput and latency of governed inference, compared with a minimal ASGI server and a bare BentoML API.

Each server gets one core and the load generator the other one. Rounds alternate, so that other load affects all servers
equally.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.load import Measured, http_post, load
from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MODEL = ROOT / ".state/training/digits-cnn/export/model.onnx"
STATE = ROOT / "bentos/digits/state"
ROUNDS, CONNECTIONS = 3, 16


def main() -> None:
    """Measure, print a table, and write the figures to results/serving.json."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    image = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    requests = _requests(image)
    results: dict[str, list[Measured]] = {name: [] for name in requests}
    for _ in range(ROUNDS):
        for name, request in requests.items():
            with _serving(name, cores[0]) as port:
                measured = asyncio.run(load(port, request, connections=CONNECTIONS, warm_seconds=1.0, seconds=4.0))
            results[name].append(measured)
            print(
                f"{name:<22} {measured.per_second:>8,.0f}/s  "
                f"p50 {measured.p50_ms:6.2f} ms  p99 {measured.p99_ms:6.2f} ms"
            )
    _report(results, len(cores))


def _requests(image: np.ndarray) -> dict[str, bytes]:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": {"binary_data_size": 3136}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    body, key = head + image.tobytes(), (STATE / "keys/demo.api-key").read_text().strip()
    bare = json.dumps({"image": image.tolist()}).encode()
    length = {"Inference_Header_Content_Length": str(len(head))}
    return {
        "governed (OIP binary)": http_post(
            "/v2/models/digits-cnn/infer", body, Authorization=f"Bearer {key}", **length
        ),
        "least ASGI server": http_post("/", body),
        "bare BentoML (JSON)": http_post("/classify", bare, Content_Type="application/json"),
    }


@contextmanager
def _serving(name: str, core: int) -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MODEL": str(MODEL),
            "BENTOML_HOME": folder,
            "BENTOML_DO_NOT_TRACK": "True",
            "GOVERNANCE_AUDIT__DIRECTORY": f"{folder}/audit",
            "GOVERNANCE_DRIFT__DIRECTORY": f"{folder}/drift",
            "GOVERNANCE_LIMITS__RATE_PER_SECOND": "1000000",
            "GOVERNANCE_LIMITS__BURST": "1000000",
        }
        commands = {
            "governed (OIP binary)": [BIN / "bentoml", "serve", "bentos.digits.service:Digits"],
            "least ASGI server": [
                BIN / "uvicorn",
                "benchmarks.peers.least:app",
                "--log-level",
                "error",
                "--no-access-log",
            ],
            "bare BentoML (JSON)": [BIN / "bentoml", "serve", "benchmarks.peers.bare:Bare"],
        }
        command = ["taskset", "-c", str(core), *map(str, commands[name]), "--host", "127.0.0.1", "--port", str(port)]
        # The minimal server replies 500 to a request without a body.
        path, status = ("/", 500) if name.startswith("least") else ("/readyz", 200)
        ready = partial(answers, f"http://127.0.0.1:{port}{path}", status)
        with running(command, ready, cwd=ROOT, environment=environment):
            yield port


def _report(results: dict[str, list[Measured]], cores: int) -> None:
    median = {
        name: {
            "per_second": statistics.median(m.per_second for m in rounds),
            "p50_ms": statistics.median(m.p50_ms for m in rounds),
            "p99_ms": statistics.median(m.p99_ms for m in rounds),
        }
        for name, rounds in results.items()
    }
    ours, least, bare = median.values()
    ratios = {
        "throughput_to_least": ours["per_second"] / least["per_second"],
        "throughput_to_bare_bentoml": ours["per_second"] / bare["per_second"],
        "p99_to_least": ours["p99_ms"] / least["p99_ms"],
    }
    for name, ratio in ratios.items():
        print(f"{name:<28} {ratio:.2f}")
    document = {"connections": CONNECTIONS, "rounds": ROUNDS, "cores": cores, "median": median, "ratios": ratios}
    (ROOT / "benchmarks/results/serving.json").write_text(json.dumps(document, indent=2) + "\n")
