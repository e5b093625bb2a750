"""Models on a device, compared with the CPU and with ONNX Runtime alone: `python -m benchmarks gpu`.

Opens each model with the runtime that serves (`governance.runtime`), on the CPU and on the device: both digit models, a
graph of the size of ResNet-50 with random weights, and a model with 2 GiB of external data. For each: outputs against
the CPU's, the provider of each node by ONNX Runtime's profile, items a second against a session of ONNX Runtime alone,
and the memory that is free again after the model is closed. At last the GPU is hidden (`CUDA_VISIBLE_DEVICES=""`), and
the model must say so instead of running elsewhere.

It needs `governance`, `onnx` and a build of ONNX Runtime with the device's provider. Each model has a process of its
own, so that memory which one leaves behind is not counted for the next.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.graphs import GRAPHS, Graph
from governance.runtime.device import BOUND, PROVIDER_OF, provider_options
from governance.runtime.model import Model, open_model
from governance.runtime.proof import profile_folder, profiled_nodes
from governance.settings import RuntimeSettings

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/gpu.json"
SECONDS, ROUNDS, MODEL_SECONDS = 0.7, 3, 150
# Largest difference, relative to the largest output: devices add in another order, and half precision has 11 bits.
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2}
MIB = 2**20
# What a process may keep after a model is closed: a context, libraries, and free lists of the allocator.
KEPT_MIB = 600


def main(arguments: Sequence[str] = ()) -> None:
    """Measure every model and print a line for each; exit with what was wrong, or with 0."""
    options = _read_options(arguments)
    if options.inside:
        work = _hidden if options.hidden else _measure
        print(json.dumps(work(GRAPHS[options.only](), options)))
        return
    if options.device in BOUND and _gpu_name() is None:
        sys.exit(f"there is no GPU here for --device {options.device}; try --device cpu")
    started, names = time.monotonic(), [options.only] if options.only else list(GRAPHS)
    models = {name: _in_process(arguments, name) for name in names}
    hidden = _in_process(arguments, names[0], hidden=True)
    document = {
        "device": options.device,
        "precision": options.precision,
        "cuda_graphs": options.cuda_graphs,
        "hardware": _hardware(options.device),
        "onnxruntime": onnxruntime.__version__,
        "seconds": round(time.monotonic() - started),
        "models": models,
        "hidden": hidden,
    }
    print(f"{document['seconds']} s on {document['hardware']}")
    if options.write:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    parts = {**models, "hidden": hidden}
    faults = [f"{name}: {fault}" for name, found in parts.items() for fault in found["faults"]]
    if faults:
        sys.exit("\n".join(faults))


def _read_options(arguments: Sequence[str]) -> argparse.Namespace:
    here = set(onnxruntime.get_available_providers())
    best = next(device for device in ("cuda", "openvino", "cpu") if PROVIDER_OF[device] in here)
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--device", choices=tuple(PROVIDER_OF), default=best)
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32")
    parser.add_argument("--cuda-graphs", action="store_true")
    parser.add_argument("--only", choices=tuple(GRAPHS), help="one model")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hidden", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _in_process(arguments: Sequence[str], name: str, *, hidden: bool = False) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "gpu", *arguments, "--inside", "--only", name]
    environment = dict(os.environ)
    if hidden:
        command.append("--hidden")
        environment["CUDA_VISIBLE_DEVICES"] = ""
    found = _run(command, environment)
    print(f"{'hidden' if hidden else name}: {json.dumps(found)}", flush=True)
    return found


def _run(command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        result = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MODEL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"faults": [f"not done after {MODEL_SECONDS} s"]}
    if result.returncode:
        return {"faults": [f"ended with status {result.returncode}: {result.stderr[-800:]}"]}
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def _measure(graph: Graph, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one model: parity, memory, then its nodes and its speed next to ONNX Runtime alone."""
    settings = _settings(options.device, options)
    card_input = graph.card["inputs"][0]["name"]
    inputs = {card_input: np.random.default_rng(1).random(graph.shape, np.float32)}
    expected, cpu_speed = _on_cpu(graph, inputs, options)
    before = _memory_mib(options.device)
    model = _open(graph, settings)
    found: dict[str, Any] = {"device": model.device, "reason": model.reason, "bytes": graph.size}
    if not model.ready or model.degraded:
        return found | {"faults": [model.reason]}
    values = model.run(inputs)[0]
    found["difference"] = max(_difference(values[name], expected[name]) for name in expected)
    opened = _memory_mib(options.device)
    model.close()
    del model
    gc.collect()
    found["memory_mib"] = {"before": before, "open": opened, "closed": _memory_mib(options.device)}
    nodes, speeds = _side_by_side(graph, inputs, settings, options.device)
    found["nodes"] = nodes
    found["items_per_second"] = {"cpu": round(cpu_speed), **{name: round(one) for name, one in speeds.items()}}
    found["governed_to_alone"] = round(speeds["governed"] / speeds["alone"], 3)
    return found | {"faults": _faults(found, options.precision)}


def _difference(values: Any, expected: Any) -> float:
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def _on_cpu(graph: Graph, inputs: Mapping[str, Any], options: argparse.Namespace) -> tuple[dict[str, Any], float]:
    model = _open(graph, _settings("cpu", options))
    try:
        expected = model.run(inputs)[0]
        return expected, _speed(lambda: model.run(inputs), graph.shape[0])
    finally:
        model.close()


def _side_by_side(
    graph: Graph, inputs: Mapping[str, Any], settings: RuntimeSettings, device: str
) -> tuple[dict[str, int], dict[str, float]]:
    """Return how many nodes each provider ran, and items a second of both, in rounds that alternate."""
    model = _open(graph, settings)
    with profile_folder() as folder:
        session = _session_alone(graph, settings, device, f"{folder}/run")
        nodes = profiled_nodes(session, lambda: session.run(None, dict(inputs)))
    speeds: dict[str, list[float]] = {"governed": [], "alone": []}
    for _ in range(ROUNDS):
        speeds["governed"].append(_speed(lambda: model.run(inputs), graph.shape[0]))
        speeds["alone"].append(_speed(lambda: session.run(None, dict(inputs)), graph.shape[0]))
    model.close()
    counted = Counter(node.provider.removesuffix("ExecutionProvider") for node in nodes)
    return dict(counted), {name: statistics.median(found) for name, found in speeds.items()}


def _session_alone(graph: Graph, settings: RuntimeSettings, device: str, profile: str) -> Any:
    """Return a session as ONNX Runtime's documents make it, for the same provider and threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = settings.intra_op_threads, 4
    options.enable_profiling, options.profile_file_prefix = True, profile
    if graph.weights:
        files = graph.weights
        options.add_external_initializers_from_files_in_memory(
            list(files), list(files.values()), [len(content) for content in files.values()]
        )
    return onnxruntime.InferenceSession(graph.content, options, providers=provider_options(device, settings))


def _faults(found: Mapping[str, Any], precision: str) -> list[str]:
    faults = []
    if found["difference"] > TOLERANCE[precision]:
        faults.append(f"outputs differ from the CPU's by {found['difference']:.2g}")
    memory = found["memory_mib"]
    if memory["closed"] - memory["before"] > KEPT_MIB:
        faults.append(f"{memory['closed'] - memory['before']} MiB are not free after the model is closed")
    return faults


def _hidden(graph: Graph, options: argparse.Namespace) -> dict[str, Any]:
    """Open a model without its GPU: it must not be ready, or, where the CPU is allowed, be marked as degraded."""
    strict = _open(graph, _settings(options.device, options))
    allowed = {"providers": (options.device, "cpu"), "allow_fallback": True}
    fallback = _open(graph, RuntimeSettings(**allowed)) if options.device != "cpu" else strict
    found = {"ready": strict.ready, "reason": strict.reason, "fallback": fallback.device, "degraded": fallback.degraded}
    wanted = (False, "cpu", True) if options.device in BOUND else (True, options.device, False)
    if (strict.ready, fallback.device, fallback.degraded) != wanted:
        return found | {"faults": [f"without a GPU it says {found}"]}
    return found | {"faults": []}


def _settings(device: str, options: argparse.Namespace) -> RuntimeSettings:
    return RuntimeSettings(
        providers=(device,),
        require_device=device,
        precision=options.precision,
        cuda_graphs=options.cuda_graphs and device in BOUND,
        intra_op_threads=0,
    )


def _open(graph: Graph, settings: RuntimeSettings) -> Model:
    return open_model(graph.name, 1, "sha256:0", graph.content, graph.card, settings, graph.weights)


def _speed(run: Callable[[], object], items: int) -> float:
    """Return items a second over `SECONDS`, or over one run that takes longer."""
    run()
    runs, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < SECONDS or not runs:
        run()
        runs += 1
    return items * runs / took


def _memory_mib(device: str) -> int:
    """Return the used memory of the GPU by NVML, or of this process where there is no GPU."""
    if device in BOUND:
        import pynvml

        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).used) // MIB
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // MIB


def _hardware(device: str) -> str:
    if device in BOUND:
        return _gpu_name() or "no GPU"
    names = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{len(names)} cores of {names[0] if names else 'an unknown processor'}"


def _gpu_name() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)))
    except pynvml.NVMLError:
        return None
