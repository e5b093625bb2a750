"""All metrics: name, kind, labels, meaning, buckets. `docs/reference/metrics.md` is generated from this table.

Label values come from closed sets only: routes, served models, outcomes, error codes, ids of loaded policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from governance.contract.measurements import Merge, Metric

PREFIX = "governance_"

REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
PLUGIN_BUCKETS = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
QUEUE_BUCKETS = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
INFERENCE_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0)
BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
DISK_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
KEY_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
LOAD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def _counter(name: str, labels: str, help: str) -> Metric:
    return Metric(name, "counter", tuple(labels.split()), help)


def _gauge(name: str, labels: str, merge: Merge, help: str) -> Metric:
    return Metric(name, "gauge", tuple(labels.split()), help, merge=merge)


def _histogram(name: str, labels: str, buckets: tuple[float, ...], help: str) -> Metric:
    return Metric(name, "histogram", tuple(labels.split()), help, buckets)


_REQUESTS = (
    _counter(
        "requests_total",
        "method route model version outcome reason",
        "Requests. `outcome` is answered, refused or failed; `reason` is the error code.",
    ),
    _histogram(
        "request_seconds",
        "method route outcome",
        REQUEST_BUCKETS,
        "Seconds from the arrival of a request to its answer, audit entry included.",
    ),
    _gauge("requests_in_flight", "", "livesum", "Requests in progress."),
    _histogram(
        "plugin_seconds",
        "plugin",
        PLUGIN_BUCKETS,
        "Seconds in each plugin alone, without the plugins inside it. `server` is the protocol or BentoML. Of the "
        "requests, a random eighth is timed; all, if traces are sent.",
    ),
    _histogram("queue_seconds", "", QUEUE_BUCKETS, "Seconds that a request waited in the queue; 0 if it did not wait."),
    _gauge("queue_length", "", "livesum", "Requests that wait in the queue."),
    _counter(
        "shed_total",
        "reason",
        "Requests refused by an overloaded worker: full queue, too long a wait, late event loop (lag), or too many "
        "bytes of incomplete bodies (memory).",
    ),
    _counter(
        "connections_refused_total",
        "reason",
        "Connections refused before there was a request: malformed, too_large (431) or timeout (408 for a late head).",
    ),
    _counter("limited_total", "limit", "Requests refused because the caller had reached a limit."),
    _gauge(
        "event_loop_lag_seconds", "", "livemax", "Seconds by which the event loop is late; the highest of all workers."
    ),
)
_INFERENCE = (
    _histogram("inference_seconds", "model version", INFERENCE_BUCKETS, "Seconds in ONNX Runtime alone."),
    _counter("inference_items_total", "model version", "Items in all batches."),
    _histogram("batch_items", "model version", BATCH_BUCKETS, "Items in each batch."),
    _gauge(
        "model_ready",
        "model version device",
        "livemin",
        "1 if the model answers, else 0; the lowest of all workers.",
    ),
    _gauge(
        "model_degraded",
        "model version device",
        "livemax",
        "1 if the model runs on another device than configured, else 0; the highest of all workers.",
    ),
    _gauge("model_info", "model version digest", "livemax", "1 for each loaded model, with its signed digest."),
    _counter(
        "model_loads_total",
        "model version outcome",
        "Models loaded by workers. `outcome` is ready, degraded, not_ready or refused.",
    ),
    _histogram("model_load_seconds", "model", LOAD_BUCKETS, "Seconds to verify, decrypt and load a model."),
    _counter(
        "artifact_refusals_total", "model reason", "Artifacts that workers refused to open. `reason` is the error code."
    ),
    _gauge(
        "gpu_memory_bytes", "device state", "livemax", "Memory of a GPU that models may use. `state` is used or total."
    ),
    _gauge("gpu_utilization_ratio", "device", "livemax", "Share of time in which a GPU was busy, from 0 to 1."),
)
_ACCESS = (
    _counter("decisions_total", "action decision", "Policy decisions. `decision` is allow or deny."),
    _counter(
        "policy_decisions_total",
        "policy decision",
        "Decisions by the id of each deciding policy; default-deny if no policy decided.",
    ),
    _counter(
        "shadow_decisions_total",
        "action decision shadow",
        "Decisions of the policies in force, with that of the candidate policies in `shadow`.",
    ),
    _counter("break_glass_requests_total", "action", "Requests that only an emergency grant permitted."),
    _counter("obligations_total", "obligation", "Obligations of deciding policies, by kind."),
    _counter(
        "credential_refusals_total",
        "kind reason",
        "Requests refused because authentication failed. `reason` revoked: a revoked key is still in use.",
    ),
    _gauge("stopped", "model", "livemax", "1 if the kill switch stops the model (or ALL), else 0."),
    _gauge(
        "policy_reload_failed",
        "",
        "livemax",
        "1 if changed policies are invalid and the old ones stay in force, else 0.",
    ),
    _counter(
        "events_total",
        "event outcome",
        "Events outside of requests, in each worker: stops, policy changes, emergency grants.",
    ),
    _gauge(
        "earliest_expiry_timestamp_seconds",
        "kind",
        "livemin",
        "Unix time at which the first valid API key, certificate or grant expires; +Inf if none is left.",
    ),
    _gauge("expiring_soon", "kind", "livemax", "Valid API keys, certificates or grants that expire within 14 days."),
)
_KEYS = (
    _counter("key_operations_total", "provider operation outcome", "Operations with keys."),
    _histogram("key_operation_seconds", "provider operation", KEY_BUCKETS, "Seconds of each operation with a key."),
    _gauge("key_created_timestamp_seconds", "key", "livemin", "Unix time at which the file of a key was written."),
)
_PRIVACY = (
    _counter("redactions_total", "operator", "Values of declared fields that were changed."),
    _counter(
        "entities_total",
        "entity",
        "Findings changed in free text of requests and answers; those of a stream are counted at its end.",
    ),
    _counter(
        "data_classes_total",
        "data_class outcome",
        "Requests that contained data of a class. `outcome` refused: the request was refused, for any reason.",
    ),
)
_AUDIT = (
    _counter("audit_entries_total", "", "Entries written to the audit log."),
    _counter(
        "audit_failures_total",
        "",
        "Failed writes of the audit log; after one, the worker answers 503 until it is restarted.",
    ),
    _gauge("audit_size_bytes", "", "livesum", "Size of the audit logs of running workers."),
    _gauge(
        "audit_checkpoint_timestamp_seconds",
        "",
        "livemin",
        "Unix time up to which a checkpoint covers all entries; the oldest of all workers.",
    ),
    _histogram("audit_write_seconds", "", DISK_BUCKETS, "Seconds to hand a group of entries to the operating system."),
    _histogram("audit_sync_seconds", "", DISK_BUCKETS, "Seconds until a group of entries is on the disk."),
)
_DRIFT = (
    _gauge("drift_psi", "model subject", "livemax", "Population stability index against the reference profile."),
    _gauge("drift_ks", "model subject", "livemax", "Kolmogorov-Smirnov distance to the reference profile."),
    _gauge(
        "drift_chi2_p",
        "model subject",
        "livemax",
        "Probability of such counts if nothing has changed (chi-squared test).",
    ),
    _gauge(
        "drift_out_of_range_ratio",
        "model subject",
        "livemax",
        "Share of values outside the range of the reference profile.",
    ),
    _gauge("drift_missing_ratio", "model subject", "livemax", "Share of values that are missing."),
    _gauge("drift_window_items", "model", "livemax", "Items in the window."),
    _gauge("drift_state", "model", "livemax", "0 steady, 1 watch, 2 drifted."),
    _counter(
        "drift_failures_total",
        "model",
        "Times that items could not be counted; the requests were answered anyway.",
    ),
)
_BUILD = (_gauge("build_info", "version", "livemax", "1, with the version of bento-governance."),)

SUBJECTS: Mapping[str, tuple[Metric, ...]] = MappingProxyType(
    {
        "Requests": _REQUESTS,
        "Inference": _INFERENCE,
        "Access": _ACCESS,
        "Keys": _KEYS,
        "Privacy": _PRIVACY,
        "Audit": _AUDIT,
        "Drift": _DRIFT,
        "Build": _BUILD,
    }
)
TABLE: Mapping[str, Metric] = MappingProxyType(
    {declared.name: declared for subject in SUBJECTS.values() for declared in subject}
)
