"""Every metric that there is: its name, kind, labels, what it means, and its buckets.

Labels come from closed sets only: routes, served models, outcomes, error codes, ids of loaded policies. docs/metrics.md
is held to this table by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

PREFIX = "governance_"

REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
PLUGIN_BUCKETS = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
QUEUE_BUCKETS = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
INFERENCE_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0)
BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
DISK_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
KEY_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
LOAD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

Kind = Literal["counter", "gauge", "histogram"]
# How a gauge's value is made of those of all living workers.
Merge = Literal["all", "livesum", "livemax", "livemin"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric; `name` is without the prefix."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    merge: Merge = "all"


def _counter(name: str, labels: str, help: str) -> Declared:
    return Declared(name, "counter", tuple(labels.split()), help)


def _gauge(name: str, labels: str, merge: Merge, help: str) -> Declared:
    return Declared(name, "gauge", tuple(labels.split()), help, merge=merge)


def _histogram(name: str, labels: str, buckets: tuple[float, ...], help: str) -> Declared:
    return Declared(name, "histogram", tuple(labels.split()), help, buckets)


_REQUESTS = (
    _counter(
        "requests_total",
        "method route model version outcome reason",
        "Requests; outcome is answered, refused or failed, reason the error's code.",
    ),
    _histogram(
        "request_seconds",
        "method route outcome",
        REQUEST_BUCKETS,
        "Time from the gate's first look to the answer, audit entry included.",
    ),
    _gauge("requests_in_flight", "", "livesum", "Requests under way now."),
    _histogram(
        "plugin_seconds",
        "plugin",
        PLUGIN_BUCKETS,
        "Time in each plugin itself, without what is inside it; 'server' is the innermost: the protocol or BentoML.",
    ),
    _histogram("queue_seconds", "", QUEUE_BUCKETS, "Time a request waited for a place; 0 where one was free."),
    _gauge("queue_length", "", "livesum", "Requests that wait for a place now."),
    _counter(
        "shed_total",
        "reason",
        "Requests shed: the queue was full, the wait too long, or the event loop itself late (lag).",
    ),
    _counter("limited_total", "limit", "Requests refused since their caller met a limit."),
    _gauge("event_loop_lag_seconds", "", "livemax", "How late the event loop is; the highest over all workers."),
)
_INFERENCE = (
    _histogram("inference_seconds", "model version", INFERENCE_BUCKETS, "Time inside the runtime alone."),
    _counter("inference_items_total", "model version", "Items of all batches."),
    _histogram("batch_items", "model version", BATCH_BUCKETS, "Items of each batch that a model ran."),
    _gauge(
        "model_ready",
        "model version device",
        "livemin",
        "1 if the model answers, 0 if it does not; the lowest over all workers.",
    ),
    _gauge(
        "model_degraded",
        "model version device",
        "livemax",
        "1 if the model runs on another device than asked for; the highest over all workers.",
    ),
    _gauge("model_info", "model version digest", "livemax", "1 for each model that is open, with its signed digest."),
    _counter(
        "model_loads_total", "model version outcome", "Models opened by workers: ready, degraded, not_ready or refused."
    ),
    _histogram("model_load_seconds", "model", LOAD_BUCKETS, "Time to verify, decrypt and prepare a model."),
    _counter("artifact_refusals_total", "model reason", "Artifacts that workers refused to open; the error's code."),
    _gauge("gpu_memory_bytes", "device state", "livemax", "Memory of a GPU that models may use: used, and total."),
    _gauge("gpu_utilization_ratio", "device", "livemax", "Share of time in which a GPU was busy, 0 to 1."),
)
_ACCESS = (
    _counter("decisions_total", "action decision", "Policy decisions."),
    _counter(
        "policy_decisions_total",
        "policy decision",
        "Decisions by each deciding policy's id; 'default-deny' where none decided.",
    ),
    _counter(
        "shadow_decisions_total",
        "action decision shadow",
        "Decisions of the candidate policies beside those in force.",
    ),
    _counter("break_glass_requests_total", "action", "Requests permitted by a grant alone."),
    _counter("obligations_total", "obligation", "Obligations of deciding permits, by kind."),
    _counter(
        "credential_refusals_total",
        "kind reason",
        "Requests refused since nobody could be known by their credential; reason revoked: a revoked key in use.",
    ),
    _gauge("stopped", "model", "livemax", "1 if the kill switch stops the model (or ALL)."),
    _gauge("policy_reload_failed", "", "livemax", "1 if changed policies were refused and old ones are in force."),
    _counter(
        "events_total",
        "event outcome",
        "What happened beside any request, in each worker: stops, policy changes, broken glass.",
    ),
    _gauge(
        "earliest_expiry_timestamp_seconds",
        "kind",
        "livemin",
        "When the first valid API key, certificate or grant expires, in Unix time; +Inf once none is left.",
    ),
    _gauge("expiring_soon", "kind", "livemax", "How many valid ones expire within 14 days."),
)
_KEYS = (
    _counter("key_operations_total", "provider operation outcome", "What was done with keys."),
    _histogram("key_operation_seconds", "provider operation", KEY_BUCKETS, "Time of each operation with a key."),
    _gauge("key_created_timestamp_seconds", "key", "livemin", "Since when a key's file lies there, in Unix time."),
)
_PRIVACY = (
    _counter("redactions_total", "operator", "Values of declared fields that were changed."),
    _counter(
        "entities_total",
        "entity",
        "Findings that were changed in free text, of requests and of answers; of streamed ones at their end.",
    ),
    _counter(
        "data_classes_total",
        "data_class outcome",
        "Requests in which data of a class was found; refused: by whatever refused the request.",
    ),
)
_AUDIT = (
    _counter("audit_entries_total", "", "Entries written to the audit log."),
    _counter("audit_failures_total", "", "Writes of the audit log that failed; each shuts the log."),
    _gauge("audit_size_bytes", "", "livesum", "Size of the audit logs that living workers write."),
    _gauge(
        "audit_checkpoint_timestamp_seconds",
        "",
        "livemin",
        "Since when each worker's log is promised to its end, in Unix time; the oldest over all workers.",
    ),
    _histogram("audit_write_seconds", "", DISK_BUCKETS, "Time to hand a group of entries to the operating system."),
    _histogram("audit_sync_seconds", "", DISK_BUCKETS, "Time until a group of entries is on the disk."),
)
_DRIFT = (
    _gauge("drift_psi", "model subject", "livemax", "Population stability index against the reference profile."),
    _gauge("drift_ks", "model subject", "livemax", "Kolmogorov-Smirnov distance to the reference profile."),
    _gauge("drift_chi2_p", "model subject", "livemax", "Probability of such counts if nothing changed (chi square)."),
    _gauge("drift_out_of_range_ratio", "model subject", "livemax", "Share of values outside the reference's range."),
    _gauge("drift_missing_ratio", "model subject", "livemax", "Share of values that are missing."),
    _gauge("drift_window_items", "model", "livemax", "Items in the window that is compared."),
    _gauge("drift_state", "model", "livemax", "0 steady, 1 to watch, 2 drifted."),
    _counter("drift_failures_total", "model", "Items that drift could not count; their answers left all the same."),
)
_BUILD = (_gauge("build_info", "version", "livemax", "1, with the version of bento-governance."),)

TABLE: Mapping[str, Declared] = MappingProxyType(
    {
        declared.name: declared
        for declared in (*_REQUESTS, *_INFERENCE, *_ACCESS, *_KEYS, *_PRIVACY, *_AUDIT, *_DRIFT, *_BUILD)
    }
)
