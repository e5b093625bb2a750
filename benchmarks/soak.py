"""`python -m benchmarks.soak MINUTES`: load the digits service and judge whether its memory grows.

The resident memory of the master and of each worker is recorded every few seconds. The first third of the time is left
out: caches fill there. Over the rest a line is fitted; memory is flat if what the line adds over that time is less than
`SHARE` of the memory, or `LEAST_MIB`. Figures go to `build/soak.json`, a picture to `build/soak.svg`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import numpy as np
import psutil

from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[1]
BIN, STATE, OUT = Path(sys.executable).parent, ROOT / "bentos/digits/state", ROOT / "build"
CONNECTIONS, EVERY_SECONDS, PAUSE_SECONDS = 8, 5.0, 0.01
SHARE, LEAST_MIB = 0.02, 4.0
Series = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """The memory of one process.

    Attributes:
        begin_mib: at the begin of what is judged.
        end_mib: at its end.
        mib_per_hour: the slope of the line.
        is_flat: whether it grows less than is allowed.
    """

    begin_mib: float
    end_mib: float
    mib_per_hour: float
    is_flat: bool


def judge(series: Sequence[tuple[float, float]]) -> Judged:
    """Fit a line to the last two thirds of a process' memory.

    Args:
        series: seconds and MiB, in the order of time.
    """
    times, sizes = np.array(series[len(series) // 3 :]).T
    slope, start = np.polyfit(times - times[0], sizes, 1)
    grown = slope * (times[-1] - times[0])
    return Judged(float(start), float(start + grown), float(slope * 3600), bool(grown < max(SHARE * start, LEAST_MIB)))


def main() -> None:
    """Run, print a line for each process, and end with status 1 if one grows."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    requests = good_requests((STATE / "keys/demo.api-key").read_text().strip())
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(folder)
        command = [BIN / "bentoml", "serve", "bentos.digits.service:Digits", "--host", "127.0.0.1", "--port", str(port)]
        with running(
            command, lambda: answers(f"http://127.0.0.1:{port}/readyz"), cwd=ROOT, environment=environment
        ) as server:
            count, memory = asyncio.run(_soak(server.pid, port, requests, minutes * 60))
    judged = {name: judge(series) for name, series in memory.items()}
    _write(judged, memory, minutes, count)
    print(f"{count:,} requests in {minutes:g} minutes")
    for name, one in judged.items():
        print(f"{name:<12} {one.begin_mib:7.1f} -> {one.end_mib:7.1f} MiB, {one.mib_per_hour:+7.2f} MiB an hour")
    growing = [name for name, one in judged.items() if not one.is_flat]
    if growing:
        sys.exit(f"memory grows: {', '.join(growing)}")


def good_requests(key: str) -> list[bytes]:
    """Return requests of the protocol in binary and in JSON, of both models, and one that is refused."""
    image = np.zeros((1, 1, 28, 28), np.float32)
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32"}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": image.nbytes}}]}).encode()
    whole = json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}]}).encode()
    made = []
    for model in ("digits-cnn", "digits-rnn"):
        path = f"/v2/models/{model}/infer"
        made.append(_post(path, head + image.tobytes(), key, f"inference-header-content-length: {len(head)}\r\n"))
        made.append(_post(path, whole, key, "content-type: application/json\r\n"))
    return [*made, _post("/v2/models/digits-cnn/infer", b"{", key, "content-type: application/json\r\n")]


def _post(path: str, body: bytes, key: str, fields: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{fields}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _environment(folder: str) -> dict[str, str]:
    return {
        **os.environ,
        "BENTOML_HOME": folder,
        "BENTOML_DO_NOT_TRACK": "True",
        "GOVERNANCE_AUDIT__DIRECTORY": f"{folder}/audit",
        "GOVERNANCE_DRIFT__DIRECTORY": f"{folder}/drift",
        "GOVERNANCE_LIMITS__RATE_PER_SECOND": "1000000",
        "GOVERNANCE_LIMITS__BURST": "1000000",
    }


async def _soak(master: int, port: int, requests: Sequence[bytes], seconds: float) -> tuple[int, Mapping[str, Series]]:
    started = time.monotonic()
    memory: dict[str, Series] = defaultdict(list)
    count = 0

    async def connection(number: int) -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() - started < seconds:
            writer.write(requests[count % len(requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith((b"http/1.1 200", b"http/1.1 400")):
                raise RuntimeError(f"connection {number}: {head[:100]!r}")
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            count += 1
            await asyncio.sleep(PAUSE_SECONDS)
        writer.close()

    async def watch() -> None:
        while True:
            for name, size in _memory_of(master).items():
                memory[name].append((time.monotonic() - started, size))
            await asyncio.sleep(EVERY_SECONDS)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(connection(number) for number in range(CONNECTIONS)))
    watching.cancel()
    return count, memory


def _memory_of(master: int) -> dict[str, float]:
    process = psutil.Process(master)
    workers = {f"worker {child.pid}": child for child in process.children(recursive=True)}
    return {name: one.memory_info().rss / 2**20 for name, one in {"master": process, **workers}.items()}


def _write(judged: Mapping[str, Judged], memory: Mapping[str, Series], minutes: float, count: int) -> None:
    OUT.mkdir(exist_ok=True)
    figures = {"minutes": minutes, "requests": count, "processes": {name: asdict(one) for name, one in judged.items()}}
    (OUT / "soak.json").write_text(json.dumps(figures, indent=1) + "\n")
    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    for name, series in memory.items():
        axes.plot([seconds / 60 for seconds, _ in series], [size for _, size in series], label=name)
    axes.set(xlabel="minutes", ylabel="resident memory in MiB", ylim=(0, None), title=f"{count:,} requests")
    axes.legend()
    figure.savefig(OUT / "soak.svg")


if __name__ == "__main__":
    main()
