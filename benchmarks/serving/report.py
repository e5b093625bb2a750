"""The figures of a run: medians and spreads of each cell, the ratios that have budgets, and facts of the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.load import Measured
from benchmarks.peers.models import NAMES
from benchmarks.serving.servers import ALL, LEAST, TRITON_PYTHON, Server

CNN, LSTM = NAMES
SYNCS = 100
VERSIONS = ("bentoml", "onnxruntime", "uvicorn", "uvloop", "httptools", "numpy")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is asked: a model, a format, and how many connections ask at a time."""

    model: str
    form: str
    connections: int


@dataclass(slots=True)
class Run:
    """What is measured so far."""

    rounds: int
    seconds: float
    minutes: float = 0.0
    idle_busy: float = 0.0
    ceiling: dict[int, Measured] = field(default_factory=dict)
    inside: dict[str, dict[str, float]] = field(default_factory=dict)
    servers: dict[str, dict[str, str]] = field(default_factory=dict)
    found: dict[tuple[str, Cell], list[Measured]] = field(default_factory=lambda: defaultdict(list))

    def note(self, server: Server, missing: str) -> None:
        """Keep how a server is set up, and why it is missing, if it is."""
        package = server.needs.packages[0].partition("==")[0] if server.needs else ""
        number = server.needs.version(package) if server.needs and not missing else ""
        self.servers[server.name] = {"setting": server.setting, "version": number, "missing": missing}

    def add(self, server: Server, cell: Cell, measured: Measured) -> None:
        """Keep one measurement."""
        self.found[server.name, cell].append(measured)


def write_results(run: Run, file: Path | None) -> None:
    """Print the ratios, and write all figures into a file if one is given."""
    cells = [_row(name, cell, measured) for (name, cell), measured in run.found.items()]
    ratios = _ratios(run)
    for name, ratio in ratios.items():
        print(f"{name:<34} {ratio:.2f}")
    for model, costs in run.inside.items():
        print(f"{model}, µs of CPU a call: " + ", ".join(f"{name} {cost:.0f}" for name, cost in costs.items()))
    if file is None:
        return
    document = {
        "machine": machine_facts(),
        "rounds": run.rounds,
        "seconds": run.seconds,
        "minutes": round(run.minutes, 1),
        "idle_busy": round(run.idle_busy, 3),
        "ceiling": {str(count): round(found.per_second) for count, found in run.ceiling.items()},
        "servers": run.servers,
        "cells": cells,
        "inside": {model: {k: round(v, 1) for k, v in costs.items()} for model, costs in run.inside.items()},
        "ratios": ratios,
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine_facts() -> dict[str, Any]:
    """Return what a reader needs to judge figures: processor, cores, memory, system and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.split("\t: ", 1) for line in (line.replace("\t\t", "\t") for line in lines) if "\t: " in line)
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "sync_ms": round(_sync_ms(), 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in VERSIONS},
    }


def _sync_ms() -> float:
    """Return the median ms that the disk of the temporary folder takes to sync one short write, as a log does."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(400))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _row(name: str, cell: Cell, measured: list[Measured]) -> dict[str, Any]:
    rates = [one.per_second for one in measured]
    tails = [one.p99_ms for one in measured]
    return {
        "server": name,
        "model": cell.model,
        "format": cell.form,
        "connections": cell.connections,
        "per_second": round(statistics.median(rates)),
        "per_second_range": [round(min(rates)), round(max(rates))],
        "p50_ms": round(statistics.median(one.p50_ms for one in measured), 3),
        "p99_ms": round(statistics.median(tails), 3),
        "p99_ms_range": [round(min(tails), 3), round(max(tails), 3)],
        "load_busy": round(max(one.load_busy for one in measured), 2),
        "reconnects": sum(one.reconnects for one in measured),
    }


def _ratios(run: Run) -> dict[str, float]:
    """Return the ratios that have budgets, each as the median over the rounds of the ratio within a round."""
    found: dict[str, float] = {}
    for model, connections in ((CNN, 16), (LSTM, 16), (CNN, 64), (LSTM, 64)):
        cell = Cell(model, "binary", connections)
        ours = run.found.get((ALL, cell), [])
        for peer, name in ((LEAST, "least"), (TRITON_PYTHON, "triton")):
            theirs = run.found.get((peer, cell), [])
            pairs = list(zip(ours, theirs, strict=True)) if theirs else []
            if pairs:
                found[f"{model} {connections} throughput to {name}"] = statistics.median(
                    a.per_second / b.per_second for a, b in pairs
                )
                found[f"{model} {connections} p99 to {name}"] = statistics.median(a.p99_ms / b.p99_ms for a, b in pairs)
    return found | {f"{model} governance µs": costs["governance"] for model, costs in run.inside.items()}
