"""Metrics: requests, decisions, latency, inference and model loads, for Prometheus.

Labels come from closed sets only (route templates, served models, outcomes, error codes): nothing that a
caller sends becomes a label. prometheus_client is imported when the plugin is opened, in a worker, because
BentoML chooses its multi-process folder before that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from governance.access.verdict import Decision
from governance.errors import GovernanceError, RefusedError
from governance.exchange import Event, Exchange, ModelLoad, Proceed, Reply, Sample, Usage
from governance.privacy.records import Redactions
from governance.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
INFERENCE_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0)


class MetricsPlugin:
    """Counts and times every exchange."""

    name = "metrics"
    needs: frozenset[type] = frozenset()
    gives: frozenset[type] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self._models = frozenset(settings.models)
        # Children are bound once for each closed combination: a look-up by label values costs more than the count.
        self._bound: dict[tuple[str, ...], Any] = {}

    async def open(self) -> None:
        """Register the metrics in the process's default registry, which BentoML sums over its workers."""
        self._bound.clear()
        self._instruments = _instruments()

    async def close(self) -> None:
        """Nothing to do: the values belong to the process."""

    def model_loaded(self, load: ModelLoad) -> None:
        """Count a model's opening, and show whether it is ready and on the device it should be on."""
        outcome = "degraded" if load.degraded else "ready" if load.ready else "not_ready"
        metrics = self._instruments
        metrics.model_loads.labels(load.model, load.version, outcome).inc()
        metrics.model_load_seconds.labels(load.model).observe(load.seconds)
        metrics.model_ready.labels(load.model, load.version, load.device).set(float(load.ready))
        metrics.model_degraded.labels(load.model, load.version, load.device).set(float(load.degraded))

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        outcome, reason = "failed", "internal"
        try:
            reply = await proceed(exchange)
            outcome, reason = _outcome_of_status(reply.status)
            return reply
        except GovernanceError as error:
            outcome, reason = ("refused" if isinstance(error, RefusedError) else "failed"), error.code
            raise
        finally:
            self._count(exchange, outcome, reason)

    def _count(self, exchange: Exchange, outcome: str, reason: str) -> None:
        route = exchange.route
        model = exchange.model if exchange.model in self._models else ""
        self._child("requests", route.method, route.template, str(model), outcome, reason).inc()
        seconds = (time.perf_counter_ns() - exchange.started_ns) * 1e-9
        self._child("request_seconds", route.method, route.template, outcome).observe(seconds)
        decision = exchange.find(Decision)
        if decision is not None:
            self._child("decisions", route.action, _word(decision.verdict.allowed)).inc()
            if decision.shadow is not None:
                enforced, shadow = _word(decision.verdict.allowed), _word(decision.shadow.allowed)
                self._child("shadow_decisions", route.action, enforced, shadow).inc()
            if decision.grant is not None:
                self._child("emergencies", route.action).inc()
            if decision.verdict.obligations.output is not None:
                self._child("obligations", "output").inc()
            for _ in decision.verdict.obligations.anonymize:
                self._child("obligations", "anonymize").inc()
        redactions = exchange.find(Redactions)
        if redactions is not None:
            for operator, count in redactions.counts.items():
                self._child("redactions", operator).inc(count)
            for entity, count in redactions.entities.items():
                self._child("entities", entity).inc(count)
        usage = exchange.find(Usage)
        if usage is not None:
            self._child("inference_seconds", usage.model, usage.version).observe(usage.inference_seconds)
            self._child("inference_items", usage.model, usage.version).inc(usage.items)

    async def event_happened(self, event: Event) -> None:
        """Count what happened beside any request, and show what is stopped."""
        self._instruments.events.labels(event.action, event.outcome).inc()
        if event.action in ("stop", "resume") and (event.subject == "ALL" or event.subject in self._models):
            self._instruments.stopped.labels(event.subject).set(float(event.action == "stop"))
        if event.action == "policy-reload":
            self._instruments.policy_stale.set(float(event.outcome == "refused"))

    def samples(self) -> Sequence[Sample]:
        """Return our metrics, summed over all workers."""
        from prometheus_client import REGISTRY, CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return [
            (sample.name, sample.labels, sample.value)
            for metric in registry.collect()
            if metric.name.startswith("governance_")
            for sample in metric.samples
        ]

    def _child(self, instrument: str, *labels: str) -> Any:
        key = (instrument, *labels)
        child = self._bound.get(key)
        if child is None:
            child = self._bound[key] = getattr(self._instruments, instrument).labels(*labels)
        return child


def _word(allowed: bool) -> str:
    return "allow" if allowed else "deny"


def _outcome_of_status(status: int) -> tuple[str, str]:
    """Name the outcome of an answer that the application behind the gate gave."""
    if status < 400:
        return "answered", ""
    return ("refused", "application") if status < 500 else ("failed", "application")


class _Instruments:
    """The metrics, once for each process."""

    requests: Counter
    request_seconds: Histogram
    decisions: Counter
    shadow_decisions: Counter
    emergencies: Counter
    obligations: Counter
    events: Counter
    stopped: Gauge
    policy_stale: Gauge
    inference_seconds: Histogram
    inference_items: Counter
    redactions: Counter
    entities: Counter
    model_loads: Counter
    model_load_seconds: Histogram
    model_ready: Gauge
    model_degraded: Gauge

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.requests = Counter(
            "governance_requests_total",
            "Requests by route, model, outcome and reason.",
            ("method", "route", "model", "outcome", "reason"),
        )
        self.request_seconds = Histogram(
            "governance_request_seconds",
            "Time from the gate's first look to the answer, audit entry included.",
            ("method", "route", "outcome"),
            buckets=REQUEST_BUCKETS,
        )
        self.decisions = Counter("governance_decisions_total", "Policy decisions by action.", ("action", "decision"))
        self.shadow_decisions = Counter(
            "governance_shadow_decisions_total",
            "Decisions of the candidate policies beside those in force.",
            ("action", "decision", "shadow"),
        )
        self.emergencies = Counter(
            "governance_break_glass_requests_total", "Requests that were permitted by a grant alone.", ("action",)
        )
        self.obligations = Counter(
            "governance_obligations_total", "Obligations of deciding permits, by kind.", ("obligation",)
        )
        self.events = Counter(
            "governance_events_total",
            "What happened beside any request, in each worker: stops, policy changes, broken glass.",
            ("event", "outcome"),
        )
        self.stopped = Gauge(
            "governance_stopped",
            "1 if the kill switch stops the model (or ALL); the highest over all workers.",
            ("model",),
            multiprocess_mode="livemax",
        )
        self.policy_stale = Gauge(
            "governance_policy_reload_failed",
            "1 if changed policies were refused and old ones are in force; the highest over all workers.",
            multiprocess_mode="livemax",
        )
        self.inference_seconds = Histogram(
            "governance_inference_seconds",
            "Time inside the runtime alone, by model.",
            ("model", "version"),
            buckets=INFERENCE_BUCKETS,
        )
        self.inference_items = Counter(
            "governance_inference_items_total", "Items of all batches, by model.", ("model", "version")
        )
        self.redactions = Counter(
            "governance_redactions_total", "Values of declared fields that were changed, by operator.", ("operator",)
        )
        self.entities = Counter(
            "governance_entities_total", "Findings in free text that were changed, by entity.", ("entity",)
        )
        self.model_loads = Counter(
            "governance_model_loads_total", "Sealed models opened, by outcome.", ("model", "version", "outcome")
        )
        self.model_load_seconds = Histogram(
            "governance_model_load_seconds", "Time to verify, decrypt and prepare a model.", ("model",)
        )
        self.model_ready = Gauge(
            "governance_model_ready",
            "1 if the model answers, 0 if it does not; the lowest over all workers.",
            ("model", "version", "device"),
            multiprocess_mode="livemin",
        )
        self.model_degraded = Gauge(
            "governance_model_degraded",
            "1 if the model runs on another device than asked for; the highest over all workers.",
            ("model", "version", "device"),
            multiprocess_mode="livemax",
        )


_process_instruments: list[_Instruments] = []


def _instruments() -> _Instruments:
    """Return this process's metrics; the default registry takes each name only once."""
    if not _process_instruments:
        _process_instruments.append(_Instruments())
    return _process_instruments[0]
