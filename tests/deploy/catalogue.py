"""Every metric that the service exposes, for the fake exporter and the checks of rules and dashboards.

`test_catalogue.py` compares this table with the metrics that the plugin declares.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its labels, label values of some series, and a gauge's value (`None`: a time 30 days from now)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    value: float | None = 1.0


MODELS = (("digits-cnn", "1"), ("digits-rnn", "1"))
ON_CPU = tuple((*model, "cpu") for model in MODELS)
ROUTES = (("POST", "/v2/models/{model}/infer"), ("POST", "/classify"))
SUBJECTS = tuple(("digits-cnn", subject) for subject in ("brightness", "confidence", "class"))
OUTCOMES = (("answered", ""), ("refused", "forbidden"), ("refused", "unauthenticated"), ("refused", "rate_limited"), ("failed", "not_ready"))  # fmt: skip
DAY = 86_400.0


def counter(name: str, labels: tuple[str, ...] = (), *series: tuple[str, ...]) -> Metric:
    return Metric(f"governance_{name}", "counter", labels, series or ((),))


def gauge(name: str, labels: tuple[str, ...] = (), *series: tuple[str, ...], value: float | None = 1.0) -> Metric:
    return Metric(f"governance_{name}", "gauge", labels, series or ((),), value)


def histogram(name: str, labels: tuple[str, ...] = (), *series: tuple[str, ...]) -> Metric:
    return Metric(f"governance_{name}", "histogram", labels, series or ((),))


CATALOGUE = (
    counter("requests_total", ("method", "route", "model", "version", "outcome", "reason"), *((*route, *model, *outcome) for route in ROUTES for model in MODELS for outcome in OUTCOMES)),
    histogram("request_seconds", ("method", "route", "outcome"), *((*route, outcome) for route in ROUTES for outcome in ("answered", "refused", "failed"))),
    gauge("requests_in_flight", value=3),
    histogram("plugin_seconds", ("plugin",), ("audit",), ("identity",), ("policy",), ("privacy",)),
    histogram("queue_seconds"),
    gauge("queue_length", value=2),
    counter("shed_total", ("reason",), ("queue",), ("wait",), ("lag",), ("memory",)),
    counter("connections_refused_total", ("reason",), ("malformed",), ("too_large",), ("timeout",)),
    counter("limited_total", ("limit",), ("rate",), ("concurrency",), ("requests_per_day",), ("items_per_day",)),
    gauge("event_loop_lag_seconds", value=0.004),
    histogram("inference_seconds", ("model", "version"), *MODELS),
    counter("inference_items_total", ("model", "version"), *MODELS),
    histogram("batch_items", ("model", "version"), *MODELS),
    gauge("model_ready", ("model", "version", "device"), *ON_CPU),
    gauge("model_degraded", ("model", "version", "device"), *ON_CPU, value=0),
    gauge("model_info", ("model", "version", "digest"), *((*model, f"sha256:{number:064x}") for number, model in enumerate(MODELS))),
    counter("model_loads_total", ("model", "version", "outcome"), *((*model, "ready") for model in MODELS)),
    histogram("model_load_seconds", ("model",), *((model,) for model, _ in MODELS)),
    counter("artifact_refusals_total", ("model", "reason"), ("digits-cnn", "signature"), ("digits-rnn", "rollback")),
    gauge("gpu_memory_bytes", ("device", "state"), ("0", "used"), ("0", "total"), value=8e9),
    gauge("gpu_utilization_ratio", ("device",), ("0",), value=0.4),
    counter("decisions_total", ("action", "decision"), ("infer", "allow"), ("infer", "deny"), ("metrics", "allow")),
    counter("policy_decisions_total", ("policy", "decision"), ("viewers-see-labels", "allow"), ("default-deny", "deny")),
    counter("shadow_decisions_total", ("action", "decision", "shadow"), ("infer", "allow", "deny"), ("infer", "allow", "allow")),
    counter("break_glass_requests_total", ("action",), ("infer",)),
    counter("obligations_total", ("obligation",), ("output",), ("anonymize",)),
    counter("credential_refusals_total", ("kind", "reason"), ("none", "missing"), ("api-key", "unknown"), ("api-key", "revoked"), ("api-key", "expired"), ("token", "untrusted"), ("token", "malformed")),
    gauge("stopped", ("model",), ("digits-rnn",), ("ALL",), value=0),
    gauge("policy_reload_failed", value=0),
    counter("events_total", ("event", "outcome"), ("stop", "done"), ("resume", "done"), ("policy-reload", "done"), ("policy-reload", "refused"), ("break-glass", "done")),
    gauge("earliest_expiry_timestamp_seconds", ("kind",), ("api-key",), ("certificate",), ("grant",), value=None),
    gauge("expiring_soon", ("kind",), ("api-key",), ("certificate",), value=1),
    counter("key_operations_total", ("provider", "operation", "outcome"), ("file", "sign", "done"), ("vault", "unwrap", "unavailable"), ("vault", "unwrap", "refused")),
    histogram("key_operation_seconds", ("provider", "operation"), ("file", "sign"), ("vault", "unwrap")),
    gauge("key_created_timestamp_seconds", ("key",), ("recipient",), ("checkpoint",), ("api-key-hash",), value=1.76e9),
    counter("redactions_total", ("operator",), ("hash",), ("drop",)),
    counter("entities_total", ("entity",), ("PERSON",), ("PHONE",)),
    counter("data_classes_total", ("data_class", "outcome"), ("health", "refused"), ("contact", "answered")),
    counter("audit_entries_total"),
    counter("audit_failures_total"),
    gauge("audit_size_bytes", value=3e8),
    gauge("audit_checkpoint_timestamp_seconds", value=None),
    histogram("audit_write_seconds"),
    histogram("audit_sync_seconds"),
    gauge("drift_psi", ("model", "subject"), *SUBJECTS, value=0.05),
    gauge("drift_ks", ("model", "subject"), *SUBJECTS, value=0.04),
    gauge("drift_chi2_p", ("model", "subject"), ("digits-cnn", "class"), value=0.6),
    gauge("drift_out_of_range_ratio", ("model", "subject"), *SUBJECTS, value=0.01),
    gauge("drift_missing_ratio", ("model", "subject"), *SUBJECTS, value=0),
    gauge("drift_window_items", ("model",), ("digits-cnn",), value=1000),
    gauge("drift_state", ("model",), ("digits-cnn",), value=0),
    counter("drift_failures_total", ("model",), ("digits-cnn",)),
    gauge("build_info", ("version",), ("0.1.0",)),
)  # fmt: skip


class Exporter:
    """A fake service on loopback that exposes every metric of the table; gauges can be set."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        self.instruments = {
            metric.name: kinds[metric.kind](metric.name, "x", metric.labels, registry=self._registry)
            for metric in CATALOGUE
        }
        self._chance = random.Random(0)
        self.simulate_traffic()

    def simulate_traffic(self) -> None:
        """Change every metric, as a service with traffic does."""
        for metric in CATALOGUE:
            for values in metric.series:
                child = self.child(metric.name, *values)
                if metric.kind == "counter":
                    child.inc(self._chance.randint(1, 5))
                elif metric.kind == "histogram":
                    child.observe(self._chance.expovariate(20))
                else:
                    child.set(time.time() + 30 * DAY if metric.value is None else metric.value)

    def child(self, name: str, *values: str):
        instrument = self.instruments[name]
        return instrument.labels(*values) if values else instrument

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        server, thread = start_http_server(port, "127.0.0.1", self._registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
