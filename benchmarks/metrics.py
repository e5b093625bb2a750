"""Cost of the metrics plugin per request in multi-process mode, compared with direct calls of prometheus_client.

Each request has a decision, an inference and the times of seven plugins. The peer makes the same counts with
`.labels(…).inc()` and `.observe()`. The periodic flush is included, once per 1,000 requests.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from governance.access.policies.verdict import Decision, Verdict
from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Usage
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import RouteTable
from governance.gate.pipeline import Pipeline
from governance.oip.routes import oip_routes
from governance.settings import Settings
from governance.testing import make_exchange

RESULTS = Path(__file__).resolve().parent / "results/metrics.json"
ROUTES = RouteTable(oip_routes(1000))
CALLS, ROUNDS, FLUSH_EVERY, BUDGET_MICROSECONDS = 20_000, 5, 1_000, 10
VERDICT = Verdict(True, ("classifiers-may-infer",), "sha256:x")


class Nothing(Plugin):
    """A plugin that only proceeds, as the baseline of a chain without metrics."""

    name = "nothing"

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Let the request pass."""
        return await proceed(exchange)


class Naive(Nothing):
    """The same counts, made as the documentation of prometheus_client shows."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram

        super().__init__("naive")
        labels = ("method", "route", "model", "version", "outcome", "reason")
        self.requests = Counter("naive_requests_total", "x", labels)
        self.seconds = Histogram("naive_request_seconds", "x", ("method", "route", "outcome"))
        self.plugins = Histogram("naive_plugin_seconds", "x", ("plugin",))
        self.decisions = Counter("naive_decisions_total", "x", ("action", "decision"))
        self.policies = Counter("naive_policies_total", "x", ("policy", "decision"))
        self.inference = Histogram("naive_inference_seconds", "x", ("model", "version"))
        self.items = Counter("naive_items_total", "x", ("model", "version"))
        self.batch = Histogram("naive_batch", "x", ("model", "version"))

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Let the request pass, and count it with labels looked up each time."""
        reply = await proceed(exchange)
        route, usage = exchange.route, exchange.require(Usage)
        self.requests.labels(route.method, route.template, "m", "1", "answered", "").inc()
        self.seconds.labels(route.method, route.template, "answered").observe(0.001)
        for number in range(8):
            self.plugins.labels(f"p{number}").observe(0.00001)
        self.decisions.labels(route.action, "allow").inc()
        self.policies.labels("classifiers-may-infer", "allow").inc()
        self.inference.labels(usage.model, usage.version).observe(usage.inference_seconds)
        self.items.labels(usage.model, usage.version).inc(usage.items)
        self.batch.labels(usage.model, usage.version).observe(usage.items)
        return reply


def main() -> None:
    """Measure in a child process, because the multi-process folder must be set before prometheus_client is imported."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.metrics"], env=environment, check=True, capture_output=True, text=True
        )
    results = json.loads(done.stdout)
    for what, value in results.items():
        print(f"{what:<40} {value:>8.2f}")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


async def _measure() -> dict[str, float]:
    from governance.plugins.metrics.plugin import MetricsPlugin

    settings = Settings.model_validate({"service": {"name": "s"}, "models": {"m": {"artifact": "x"}}})
    plugin = MetricsPlugin(settings)
    names = ("audit", "identity", "stop", "limits", "policy", "privacy")
    nothings = [Nothing(name) for name in names]
    counted, bare = Pipeline([plugin, *nothings]), Pipeline(nothings)
    naive = Pipeline([Naive(), *nothings])
    await counted.open()
    best = dict.fromkeys(("bare", "metrics", "naive"), float("inf"))
    for _ in range(ROUNDS):
        best["bare"] = min(best["bare"], await _per_call(bare))
        best["metrics"] = min(best["metrics"], await _per_call(counted, plugin))
        best["naive"] = min(best["naive"], await _per_call(naive))
    await counted.close()
    cost, peer = best["metrics"] - best["bare"], best["naive"] - best["bare"]
    return {
        "chain without it, µs a call": best["bare"],
        "metrics plugin, flushes included, µs a call": cost,
        "prometheus_client naively, µs a call": peer,
        "plugin_to_budget": cost / BUDGET_MICROSECONDS,
        "plugin_to_naive": cost / peer,
    }


async def _per_call(pipeline: Pipeline, plugin: Any = None) -> float:
    handler = pipeline.around(_answer)
    match = ROUTES.match("POST", "/v2/models/m/infer")
    exchanges = [make_exchange("POST", "/", route=match.route, model="m") for _ in range(CALLS)]
    started = time.process_time()
    for number, exchange in enumerate(exchanges):
        await handler(exchange)
        if plugin is not None and number % FLUSH_EVERY == 0:
            plugin._flush()
    return (time.process_time() - started) / CALLS * 1e6


async def _answer(exchange: Exchange) -> Reply:
    exchange.put(Decision(VERDICT, lambda classes: VERDICT))
    exchange.put(Usage("m", "1", "sha256:x", 1, 0.0002))
    return Reply(200, (), ())


async def _nothing() -> bytes:
    return b""


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure())))
