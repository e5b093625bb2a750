"""The section about serving, and its picture, from `benchmarks/results/serving.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.performance.bars import Panel, draw_bars

PICTURE = "serving.svg"
OURS = "governed"
MODELS = {"digits-cnn": "CNN", "digits-rnn": "LSTM"}
# What the project allows itself: a ratio of `benchmarks/results/serving.json`, its budget, and what it says.
BUDGETS = (
    ("digits-cnn 16 throughput to least", 0.60, "CNN, 16 connections: calls/s, governed / least ASGI server"),
    ("digits-rnn 16 throughput to least", 0.60, "LSTM, 16 connections: calls/s, governed / least ASGI server"),
    ("digits-cnn 64 throughput to least", 0.75, "CNN, 64 connections: calls/s, governed / least ASGI server"),
    ("digits-rnn 64 throughput to least", 0.75, "LSTM, 64 connections: calls/s, governed / least ASGI server"),
    ("digits-cnn 16 p99 to least", 1.5, "CNN, 16 connections: p99, governed / least ASGI server"),
    ("digits-rnn 16 p99 to least", 1.5, "LSTM, 16 connections: p99, governed / least ASGI server"),
    ("digits-cnn 16 throughput to triton", 3.0, "CNN, 16 connections: calls/s, governed / Triton, Python backend"),
    ("digits-rnn 16 throughput to triton", 1.0, "LSTM, 16 connections: calls/s, governed / Triton, Python backend"),
    ("digits-cnn 64 throughput to triton", 1.0, "CNN, 64 connections: calls/s, governed / Triton, Python backend"),
    ("digits-rnn 64 throughput to triton", 1.0, "LSTM, 64 connections: calls/s, governed / Triton, Python backend"),
    ("digits-cnn governance µs", 35.0, "CNN: µs of CPU a call, all but HTTP and ONNX Runtime"),
    ("digits-rnn governance µs", 35.0, "LSTM: µs of CPU a call, all but HTTP and ONNX Runtime"),
)

TEXT = """\
## Serving

`python -m benchmarks serving` (`--quick` for a look of a minute): the same two digit models behind every server. All
servers are started on one core; the load has another core and asks one server after the other, {rounds} rounds of
{seconds} s for each figure, with a warm-up before each. Servers that are not asked use {idle} of the core together
(LitServe polls, and is stopped meanwhile). Each connection sends an image of its own, and answers are
compared with those of ONNX Runtime alone. A figure is the median of the rounds, with the lowest and the highest.

![Calls a second and p99 of each server]({picture})

{machine}

Against a server that answers without reading, the load generator reaches {ceiling} calls/s with 16
connections, so it is not what limits the figures below; with the fastest of them its core is {busy} busy.

{servers}

Triton's own ONNX Runtime backend is not compared: the package `nvidia-pytriton` carries the Python backend alone.

{tables}

### What a plugin costs

Calls/s and p99: CNN, binary, 16 connections, the service with one plugin alone (`limits` and `policy` stand behind
`identity`, which they need). The last columns are µs of CPU for a call inside one process, without HTTP and without
what the least ASGI server needs for the model ({cnn_least} µs for the CNN, {lstm_least} µs for the LSTM); the threads
that write the audit log are counted, and calls do not share batches here. A plugin's row is what it adds to the gate
and the protocol.

| plugin | calls/s | p99 | CNN, µs a call | LSTM, µs a call |
|---|---|---|---|---|
{plugins}

### Budgets of serving

A ratio is the median over the rounds, each with both servers measured seconds apart.

| what | measured | budget | |
|---|---|---|---|
{ratios}

### Where a call's time goes, and what stands in the way

`python -m benchmarks profile` prints the µs of CPU of each plugin in a minute, for work on the hot path.

- **The disk.** With `durability = "group"` no call is answered before its entry is synced. With few connections, most
  of a call's time is one sync; a sync also takes about 0.1 ms of CPU, which the calls of its group share.
- **Python.** Each plugin is a few microseconds of Python, and the model's run in between empties the processor's
  caches, so the same code costs two to three times what it does in a loop alone. Modules compiled by Cython were slower
  ([decision 0094](decisions/0094-the-hot-path-is-not-compiled.md)).
- **HTTP.** uvicorn writes eight header fields where the least server has two; each passes two regular expressions.
- **One core.** The thread that writes the log, and the kernel's work for it, run on the server's core here."""


def serving_section(results: dict[str, Any]) -> str:
    """Return the section as Markdown.

    Args:
        results: the content of `serving.json`.
    """
    largest = max(row["load_busy"] for row in results["cells"] if row["connections"] == 16)
    return TEXT.format(
        rounds=results["rounds"],
        seconds=f"{results['seconds']:g}",
        picture=PICTURE,
        machine=_machine(results["machine"]),
        ceiling=f"{results['ceiling']['16']:,}",
        busy=f"{largest:.0%}",
        servers="\n".join(_servers(results["servers"])),
        tables="\n\n".join(_tables(results)),
        idle=f"{results['idle_busy']:.0%}",
        cnn_least=f"{results['inside']['digits-cnn']['least']:.0f}",
        lstm_least=f"{results['inside']['digits-rnn']['least']:.0f}",
        plugins="\n".join(_plugins(results)),
        ratios="\n".join(_ratios(results["ratios"])),
    )


def serving_picture(results: dict[str, Any]) -> str:
    """Return the picture as SVG: the CNN with 16 connections, binary tensors where a server knows them.

    Args:
        results: the content of `serving.json`.
    """
    rows = {}
    for row in _cells(results, "digits-cnn", "JSON") + _cells(results, "digits-cnn", "binary"):
        if row["connections"] == 16:
            rows[row["server"]] = row
    shown = [rows[name] for name in results["servers"] if name in rows]
    labels = [row["server"] + (" (JSON)" if row["format"] == "JSON" else "") for row in shown]
    return draw_bars(
        "Digits CNN, binary tensors, 16 connections, one core",
        labels,
        [row["server"].startswith(OURS) for row in shown],
        (
            Panel("calls/s", [(row["per_second"], f"{row['per_second']:,}") for row in shown]),
            Panel("p99, ms (shorter is better)", [(row["p99_ms"], f"{row['p99_ms']:.1f}") for row in shown]),
        ),
    )


def _machine(facts: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return (
        f"Measured on {facts['cores']} cores of {facts['processor']}, {facts['memory_gib']} GiB, {facts['system']}, "
        f"Python {facts['python']}; {packages}. The state of all servers is on the disk of its temporary folder; "
        f"it takes {facts['sync_ms']:.1f} ms to sync one short write, for which each call with audit waits."
    )


def _servers(servers: dict[str, Any]) -> Iterator[str]:
    yield "| server | version | setting |"
    yield "|---|---|---|"
    for name, facts in servers.items():
        setting = f"not measured: {facts['missing']}" if facts["missing"] else facts["setting"]
        yield f"| {name} | {facts['version']} | {setting} |"


def _tables(results: dict[str, Any]) -> Iterator[str]:
    for model, title in MODELS.items():
        for form in ("binary", "JSON"):
            yield "\n".join([f"### {title}, {form}", "", *_table(results, model, form)])


def _table(results: dict[str, Any], model: str, form: str) -> Iterator[str]:
    counts = (1, 16, 64)
    heads = " | ".join(f"{count}: calls/s | p50 / p99, ms" for count in counts)
    yield f"| server, connections | {heads} |"
    yield "|---" * (1 + 2 * len(counts)) + "|"
    rows = {(row["server"], row["connections"]): row for row in _cells(results, model, form)}
    for name, facts in results["servers"].items():
        if (name, 16) not in rows:
            why = "not measured" if facts["missing"] else "not offered"
            yield f"| {name} | {why} " + "| " * (2 * len(counts) - 1) + "|"
            continue
        yield f"| {name} | " + " | ".join(_figures(rows[name, count]) for count in counts) + " |"


def _figures(row: dict[str, Any]) -> str:
    low, high = row["per_second_range"]
    return f"**{row['per_second']:,}** ({low:,}–{high:,}) | {_ms(row['p50_ms'])} / {_ms(row['p99_ms'])}"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _cells(results: dict[str, Any], model: str, form: str) -> list[dict[str, Any]]:
    return [row for row in results["cells"] if row["model"] == model and row["format"] == form]


def _plugins(results: dict[str, Any]) -> Iterator[str]:
    rows = {row["server"]: row for row in _cells(results, "digits-cnn", "binary") if row["connections"] == 16}
    cnn, lstm = (results["inside"][model] for model in MODELS)
    names = {"none: gate and protocol": (f"{OURS}, plugins off", "gate and protocol")}
    names |= {name: (f"plugin {name}", name) for name in cnn if f"plugin {name}" in rows}
    names |= {"all, with gate and protocol": (f"{OURS}, all plugins", "governance")}
    for name, (server, cost) in names.items():
        row = rows[server]
        yield f"| {name} | {row['per_second']:,} | {row['p99_ms']:.1f} ms | {cnn[cost]:.0f} | {lstm[cost]:.0f} |"


def _ratios(ratios: dict[str, float]) -> Iterator[str]:
    for key, budget, name in BUDGETS:
        if key not in ratios:
            yield f"| {name} | not measured | {budget:g} | |"
            continue
        at_least = "throughput" in key
        reached = ratios[key] >= budget if at_least else ratios[key] <= budget
        bound = "at least" if at_least else "at most"
        verdict = "reached" if reached else "not reached"
        yield f"| {name} | {ratios[key]:.2f} | {bound} {budget:g} | {verdict} |"
