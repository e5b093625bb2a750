"""The order of the measurements: all servers are started on one core, and each cell asks one after the other.

So whatever else the machine does falls on all servers of a cell alike, and in every round. A server that polls is
stopped (SIGSTOP) while it is not asked.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.load import Ask, Measured, measure
from benchmarks.peers.models import NAMES
from benchmarks.serving.calls import DIALECTS, Array, Format, asks, expected_answers, make_images
from benchmarks.serving.inside import measure_inside
from benchmarks.serving.report import Cell, Run, write_results
from benchmarks.serving.servers import ML, MODELS, ROOT, Served, Server, all_servers, serve, single_plugins
from governance.testing import free_port, listens, running

CNN, LSTM = NAMES
CONNECTIONS = (1, 16, 64)
FORMATS: tuple[Format, ...] = ("JSON", "binary")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often each cell is measured.
        seconds: of one measurement, after `warm_seconds` of warm-up.
        first_seconds: of the first load on a new server, which is not measured.
        cells: model, format and connections of each row of the large table.
    """

    rounds: int
    seconds: float
    warm_seconds: float
    first_seconds: float
    cells: tuple[tuple[str, Format, int], ...]


FULL = Plan(3, 1.2, 0.3, 2.0, tuple(product(NAMES, FORMATS, CONNECTIONS)))
QUICK = Plan(1, 0.8, 0.2, 0.5, ((CNN, "binary", 16), (CNN, "binary", 64), (LSTM, "binary", 16)))
IDLE_SECONDS = 4.0
# Where one plugin is compared with none and with all.
SINGLE = (CNN, "binary", 16)


class Asker:
    """Makes the requests of every cell, once, with the answers that are right."""

    def __init__(self) -> None:
        self._images = make_images(max(CONNECTIONS))
        self._answers: dict[str, Array] = {
            name: expected_answers(MODELS / name / "export/model.onnx", self._images) for name in NAMES
        }
        self._asks: dict[tuple[str, str, Format], list[Ask]] = {}

    def asks(self, server: Server, model: str, form: Format, connections: int) -> list[Ask]:
        """Return one request for each connection."""
        key = (server.name, model, form)
        if key not in self._asks:
            dialect = DIALECTS[server.dialect][form]
            self._asks[key] = asks(dialect, model, self._images, self._answers[model], **server.headers)
        return self._asks[key][:connections]


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, print each figure, and write results/serving.json unless it was a quick look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, without the peers of other environments")
    parser.add_argument("--rounds", type=int, help="how often each cell is measured")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("this benchmark needs two cores: one for the servers, one for the load")
    os.sched_setaffinity(0, {cores[-1]})
    started, plan = time.monotonic(), QUICK if options.quick else FULL
    run = Run(rounds=options.rounds or plan.rounds, seconds=plan.seconds)
    try:
        run.ceiling = _ceiling(cores[0], plan)
        present = [server for server in all_servers() if _is_there(server, run, quick=options.quick)]
        singles = [] if options.quick else single_plugins()
        _measure_all(present, singles, plan, cores[0], run)
        run.inside = {model: measure_inside(model, cores[0]) for model in (NAMES[:1] if options.quick else NAMES)}
    finally:
        os.sched_setaffinity(0, set(cores))
    run.minutes = (time.monotonic() - started) / 60
    write_results(run, None if options.quick else ROOT / "benchmarks/results/serving.json")


def _is_there(server: Server, run: Run, *, quick: bool) -> bool:
    """Make a peer's environment; note in the results why a peer is missing."""
    reason = ""
    if server.needs is not None:
        reason = "left out of a quick look" if quick else server.needs.make()
    run.note(server, reason)
    return not reason


def _measure_all(present: list[Server], singles: list[Server], plan: Plan, core: int, run: Run) -> None:
    asker = Asker()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        started: dict[str, Served] = {}
        for server in (*present, *singles):
            try:
                served = stack.enter_context(serve(server, core, Path(folder)))
                form: Format = "binary" if _speaks(server, "binary") else "JSON"
                measure(served.port, asker.asks(server, CNN, form, 16), warm_seconds=0, seconds=plan.first_seconds)
            except RuntimeError as error:
                if server.needs is None:
                    raise
                run.note(server, f"does not start: {str(error).splitlines()[-1][:200]}")
                continue
            served.pause()
            started[server.name] = served
            print(f"started: {server.name}", flush=True)
        run.idle_busy = _idle_busy(list(started.values()))
        print(f"all servers together use {run.idle_busy:.1%} of their core while nobody asks", flush=True)
        for number, server, cell in _order(present, singles, plan, run.rounds):
            if server.name in started:
                found = _measure(server, cell, started[server.name], asker, plan)
                run.add(server, Cell(*cell), found)
                print(f"{number} {server.name:<28} {cell[0]} {cell[1]:<6} {cell[2]:>2}: {_figures(found)}", flush=True)


def _idle_busy(started: list[Served]) -> float:
    """Return the share of a core that all servers use while nobody asks."""
    time.sleep(1)
    before = sum(served.cpu_seconds() for served in started)
    time.sleep(IDLE_SECONDS)
    return (sum(served.cpu_seconds() for served in started) - before) / IDLE_SECONDS


def _order(
    present: list[Server], singles: list[Server], plan: Plan, rounds: int
) -> Iterator[tuple[int, Server, tuple[str, Format, int]]]:
    for number in range(1, rounds + 1):
        for cell in plan.cells:
            for server in (*present, *(singles if cell == SINGLE else ())):
                if _speaks(server, cell[1]):
                    yield number, server, cell


def _speaks(server: Server, form: Format) -> bool:
    """Return whether a server knows the format; MLServer speaks our dialect, without its binary tensors."""
    return form in DIALECTS[server.dialect] and not (server.name == ML and form == "binary")


def _measure(server: Server, cell: tuple[str, Format, int], served: Served, asker: Asker, plan: Plan) -> Measured:
    model, form, connections = cell
    served.resume()
    try:
        return measure(
            served.port,
            asker.asks(server, model, form, connections),
            warm_seconds=plan.warm_seconds,
            seconds=plan.seconds,
        )
    except RuntimeError as error:
        raise RuntimeError(f"{server.name}, {model}, {form}, {connections} connections: {error}") from None
    finally:
        served.pause()


def _ceiling(core: int, plan: Plan) -> dict[int, Measured]:
    """Measure the load generator against a server that answers without reading."""
    port, images = free_port(), make_images(max(CONNECTIONS))
    nothing = [Ask(ask.request, lambda body: None) for ask in asks(DIALECTS["least"]["binary"], CNN, images, images)]
    command = ["taskset", "-c", str(core), sys.executable, "-m", "benchmarks.peers.constant", str(port)]
    with running([*command, str(len(nothing[0].request))], lambda: listens(port), cwd=ROOT):
        found = {}
        for connections in CONNECTIONS:
            found[connections] = measure(port, nothing[:connections], warm_seconds=0.2, seconds=plan.seconds)
            print(f"load generator alone, {connections} connections: {_figures(found[connections])}", flush=True)
        return found


def _figures(found: Measured) -> str:
    return (
        f"{found.per_second:>9,.0f}/s  p50 {found.p50_ms:7.2f} ms  p99 {found.p99_ms:7.2f} ms  "
        f"load {100 * found.load_busy:3.0f} %"
    )
