"""Opening a sealed model, compared with ONNX Runtime loading the same plaintext, each in a new process.

Time is measured from the first byte read to a usable session, without imports. Memory is the peak of the process
(VmHWM), and for workers the sum of their proportional shares (Pss). Needs about 12 GiB in the temporary folder.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, WORKERS, WIDTH = 3, 4, 4096
GIB, MIB = 2**30, 2**20


def main() -> None:
    """Measure, print a table, and write the figures to results/artifacts.json."""
    with tempfile.TemporaryDirectory(prefix="bench-artifacts-") as name:
        folder = Path(name)
        _make_keys(folder)
        report = {"cores": len(os.sched_getaffinity(0)), "rounds": ROUNDS}
        for label, layers, external in (("1 GiB", 16, False), ("4 GiB", 64, True)):
            _make_model(folder / label, layers, external)
            _seal(folder, label)
            report[label] = _compare(folder, label, rounds=ROUNDS if layers == 16 else 1)
        report["workers"] = _measure(folder, "workers", "1 GiB")
        report["rewrap"] = {label: _rewrap(folder, label) for label in ("1 GiB", "4 GiB")}
    _print(report)
    (ROOT / "benchmarks/results/artifacts.json").write_text(json.dumps(report, indent=2) + "\n")


def _make_keys(folder: Path) -> None:
    from governance.keys import generate_recipient_key, generate_signing_key
    from governance.keys.key_files import write_new

    signing = generate_signing_key()
    write_new(folder / "signing.pub", signing.public_key.pem, mode=0o644)
    write_new(folder / "signing.key", signing.to_pem(), mode=0o600)
    write_new(folder / "recipient.key", generate_recipient_key("x-wing", os.urandom).to_pem(), mode=0o600)


def _make_model(folder: Path, layers: int, external: bool) -> None:
    import onnx
    from onnx import helper, numpy_helper

    folder.mkdir()
    base = np.random.default_rng(0).standard_normal((WIDTH, WIDTH), dtype=np.float32) * 0.01
    graph = helper.make_graph(
        [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(layers)],
        "layers",
        [helper.make_tensor_value_info("x0", 1, ["batch", WIDTH])],
        [helper.make_tensor_value_info(f"x{layers}", 1, ["batch", WIDTH])],
        [numpy_helper.from_array(base * (1 + i / 100), f"w{i}") for i in range(layers)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, folder / "model.onnx", save_as_external_data=external, location="model.onnx.data")
    card = {
        "inputs": [{"name": "x0", "datatype": "FP32", "shape": [-1, WIDTH]}],
        "outputs": [{"name": f"x{layers}", "datatype": "FP32", "shape": [-1, WIDTH]}],
    }
    (folder / "card.json").write_text(json.dumps(card))


def _seal(folder: Path, label: str) -> None:
    from governance.artifacts.seal import SealOptions, seal_folder
    from governance.artifacts.trust.signing import ModelSigner
    from governance.keys import RecipientKey, open_signing_key

    recipient = RecipientKey.from_pem((folder / "recipient.key").read_bytes(), "recipient")
    started = time.perf_counter()
    seal_folder(
        folder / label,
        folder / f"{label}.sealed",
        SealOptions(
            name="big",
            version=1,
            signers=[ModelSigner(open_signing_key(f"file:{folder}/signing.key"))],
            recipients=[recipient.public_key],
            created=datetime.now(UTC),
        ),
    )
    print(f"sealed {label} in {time.perf_counter() - started:.1f} s")


def _compare(folder: Path, label: str, rounds: int) -> dict[str, object]:
    kinds = ("plain path", "plain bytes", "sealed") if label == "1 GiB" else ("plain path", "sealed")
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            # Read the files once, so that all kinds find them in the page cache.
            subprocess.run(["cat", *map(str, _files(folder, label, kind))], stdout=subprocess.DEVNULL, check=True)
            runs[kind].append(_measure(folder, kind, label))
    size = sum(file.stat().st_size for file in (folder / label).iterdir())
    result: dict[str, object] = {"model_bytes": size}
    for kind, measured in runs.items():
        seconds = statistics.median(run["seconds"] for run in measured)
        peak = statistics.median(run["peak_bytes"] for run in measured)
        result[kind] = {"seconds": seconds, "peak_bytes": peak, "peak_to_size": peak / size}
    result["sealed_to_plain_path"] = statistics.median(
        ours["seconds"] / plain["seconds"] for ours, plain in zip(runs["sealed"], runs["plain path"], strict=True)
    )
    return result


def _files(folder: Path, label: str, kind: str) -> list[Path]:
    return [folder / f"{label}.sealed"] if kind == "sealed" else sorted((folder / label).iterdir())


def _measure(folder: Path, kind: str, label: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.artifacts", str(folder), kind, label]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(output)
    return measured


def _rewrap(folder: Path, label: str) -> dict[str, float]:
    from governance.artifacts.amend import rewrap
    from governance.keys import generate_recipient_key, open_recipient_key

    started = time.perf_counter()
    rewrap(
        folder / f"{label}.sealed",
        recipient_key=open_recipient_key(f"file:{folder}/recipient.key"),
        add=[generate_recipient_key("x-wing", os.urandom).public_key],
    )
    return {"seconds": time.perf_counter() - started}


def _print(report: dict[str, object]) -> None:
    for label in ("1 GiB", "4 GiB"):
        part = report[label]
        for kind, value in part.items():
            if isinstance(value, dict):
                print(
                    f"{label}  {kind:<12} {value['seconds']:6.2f} s   peak {value['peak_bytes'] / GIB:5.2f} GiB  "
                    f"({value['peak_to_size']:.2f} of the model)"
                )
        print(f"{label}  sealed / plain path: {part['sealed_to_plain_path']:.2f} of the time")
    print(f"{WORKERS} workers together: {report['workers']['pss_to_size']:.2f} of the size of the model")
    for label, value in report["rewrap"].items():
        print(f"rewrap of {label}: {value['seconds'] * 1000:.0f} ms")


# ---- the functions below run in the measured process


def _measured(folder: Path, kind: str, label: str) -> dict[str, float]:
    import onnxruntime

    file = str(folder / label / "model.onnx")
    if kind == "plain path":
        started = time.perf_counter()
        kept: object = onnxruntime.InferenceSession(file)
    elif kind == "plain bytes":
        started = time.perf_counter()
        kept = onnxruntime.InferenceSession(Path(file).read_bytes())
    else:
        registry = _registry(folder, label)
        if kind == "workers":
            return _workers(registry)
        started = time.perf_counter()
        kept = registry.open()
    seconds = time.perf_counter() - started
    assert kept
    return {"seconds": seconds, "peak_bytes": _status("/proc/self/status", "VmHWM")}


def _registry(folder: Path, label: str):
    from governance.runtime.registry import ModelRegistry
    from governance.settings import Settings

    settings = Settings.model_validate(
        {
            "service": {"name": "bench"},
            "models": {"big": {"artifact": str(folder / f"{label}.sealed")}},
            "artifacts": {
                "recipient_key": f"file:{folder}/recipient.key",
                "trusted_signers": [str(folder / "signing.pub")],
            },
        }
    )
    return ModelRegistry(settings, Path)


def _workers(registry) -> dict[str, float]:
    """Share one plaintext with several workers that each run a session; return the sum of their memory shares."""
    registry.open()
    size = sum(artifact.memory.size for artifact in registry._artifacts.values())
    registry.share()
    command = [sys.executable, "-m", "benchmarks.artifacts", sys.argv[1], "worker", sys.argv[3]]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=False)
        for _ in range(WORKERS)
    ]
    seconds = [float(worker.stdout.readline()) for worker in workers]
    together = sum(_pss(pid) for pid in (os.getpid(), *(worker.pid for worker in workers)))
    for worker in workers:
        worker.communicate("\n")
    return {"pss_bytes": together, "pss_to_size": together / size, "seconds_each": statistics.median(seconds)}


def _worker(folder: Path, label: str) -> None:
    registry = _registry(folder, label)
    started = time.perf_counter()
    registry.open()
    model = registry.get("big")
    model.run({"x0": np.ones((1, WIDTH), np.float32)})
    print(time.perf_counter() - started, flush=True)
    sys.stdin.readline()


def _pss(pid: int) -> int:
    return _status(f"/proc/{pid}/smaps_rollup", "Pss")


def _status(file: str, field: str) -> int:
    """Return a field of a /proc file, converted from KiB to bytes."""
    lines = Path(file).read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    if sys.argv[2] == "worker":
        _worker(Path(sys.argv[1]), sys.argv[3])
    else:
        print(json.dumps(_measured(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
