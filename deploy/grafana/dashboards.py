"""The five dashboards as code: `python -m deploy.grafana.dashboards` writes the JSON files that Grafana is given."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.panels import AMBER, GREEN, RED, Panel, Row, built_dashboard

FOLDER = Path(__file__).parent / "dashboards"
HERE = 'job=~"$job",instance=~"$instance"'
JOB = 'job=~"$job"'
MODEL = f'{HERE},model=~"$model"'
EVERY = "$__rate_interval"


def rate(metric: str, by: str, selector: str = HERE) -> str:
    """Write so many a second, by these labels."""
    return f"sum by ({by}) (rate(governance_{metric}{{{selector}}}[{EVERY}]))"


def quantile(share: float, histogram: str, by: str = "", selector: str = HERE) -> str:
    """Write what so large a share of a histogram stays below."""
    labels = f"le, {by}" if by else "le"
    return (
        f"histogram_quantile({share}, sum by ({labels}) (rate(governance_{histogram}_bucket{{{selector}}}[{EVERY}])))"
    )


def grown(metric: str, by: str = "", selector: str = HERE) -> str:
    """Write how much a counter grew in the time that is shown; nothing counted is 0."""
    return f"sum{f' by ({by})' if by else ''} (increase(governance_{metric}{{{selector}}}[$__range])) or vector(0)"


ON_OFF = {0: ("no", GREEN), 1: ("YES", RED)}
READY = {0: ("not ready", RED), 1: ("ready", GREEN)}
DRIFT = {0: ("steady", GREEN), 1: ("watch", AMBER), 2: ("drifted", RED)}
FIRING = f'sum (ALERTS{{alertname=~"Governance.*",alertstate="firing",{JOB}}}) or vector(0)'

SERVICE = (
    Row("Is it well?", (
        Panel("Answered, of what was admitted", "Over the last hour. Refusals are right answers and do not count; the line is the objective of thresholds.yaml. Normal: 99.9 % and more.", ((f"1 - max(governance:unavailable:ratio_rate1h{{{JOB}}})", ""),), "stat", "percentunit", (0.99, 0.999), good_above=True, width=4, height=5, decimals=2),
        Panel("Answered within 250 ms", "Over the last hour. Normal: 99 % and more.", ((f"1 - max(governance:slow:ratio_rate1h{{{JOB}}})", ""),), "stat", "percentunit", (0.95, 0.99), good_above=True, width=4, height=5, decimals=2),
        Panel("Error budget burns", "How many times faster than the objective allows, over an hour. 1 uses the month's budget in exactly a month; 14.4 rings at once.", ((f"max(governance:unavailable:ratio_rate1h{{{JOB}}}) / (1 - scalar(governance:threshold:availability_objective))", ""),), "stat", "none", (1, 6), width=4, height=5, decimals=1),
        Panel("Requests a second", "All of them, refused ones too.", ((f"sum(rate(governance_requests_total{{{HERE}}}[{EVERY}]))", ""),), "stat", "reqps", width=4, height=5),
        Panel("Slowest hundredth", "p99 of answered requests, from the gate's first look to the audited answer.", ((quantile(0.99, "request_seconds", selector=f'{HERE},outcome="answered"'), ""),), "stat", "s", (0.25, 1), width=4, height=5),
        Panel("Alerts that ring", "Of this service; the runbook says what each means.", ((FIRING, ""),), "stat", "none", (1, 3), width=4, height=5),
    )),
    Row("Traffic", (
        Panel("Requests by outcome", "Answered, refused (the caller's doing), failed (ours).", ((rate("requests_total", "outcome"), "{{outcome}}"),), unit="reqps", stacked=True),
        Panel("Refusals and failures by reason", "The error's code. A few refusals are normal; not_ready, overloaded and internal are not.", ((rate("requests_total", "outcome, reason", f'{HERE},reason!=""'), "{{outcome}}: {{reason}}"),), unit="reqps"),
        Panel("Requests by route", "Routes are templates: no caller can make a new line here.", ((rate("requests_total", "method, route"), "{{method}} {{route}}"),), unit="reqps"),
        Panel("Latency of answers", "How many answers took how long; a second band that appears says more than any mean. Dots are exemplars: they lead to traces where those are on.", ((f'sum by (le) (increase(governance_request_seconds_bucket{{{HERE},outcome="answered"}}[{EVERY}]))', "{{le}}"),), "heatmap", "s", width=12),
        Panel("Latency of answers, quantiles", "p50, p95, p99. The dashed line is the objective.", tuple((quantile(share, "request_seconds", selector=f'{HERE},outcome="answered"'), name) for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))), unit="s", limits=(0.25,), width=12),
    )),
    Row("Where the time goes", (
        Panel("Own time of each plugin, p99", "Without what lies inside it. audit is the wait for the disk.", ((quantile(0.99, "plugin_seconds", "plugin"), "{{plugin}}"),), unit="s"),
        Panel("Inference, p99", "Inside the runtime alone, by model.", ((quantile(0.99, "inference_seconds", "model, version", MODEL), "{{model}} {{version}}"),), unit="s"),
        Panel("Waiting for a place, p99", "Before anything else is done for a request. Normal: next to nothing; from 2 s on it is shed.", ((quantile(0.99, "queue_seconds"), "wait"),), unit="s", limits=(0.5, 2)),
    )),
    Row("Room for more", (
        Panel("In flight and waiting", "Requests under way, and requests in the queue, by instance.", ((f"sum by (instance) (governance_requests_in_flight{{{HERE}}})", "in flight, {{instance}}"), (f"sum by (instance) (governance_queue_length{{{HERE}}})", "waiting, {{instance}}")), width=6),
        Panel("Shed", "Answered 503 at once, because the queue was full, the wait too long or the event loop late. Normal: none.", ((rate("shed_total", "reason"), "{{reason}}"),), unit="reqps", width=6),
        Panel("Limited", "Answered 429: over a caller's own limit.", ((rate("limited_total", "limit"), "{{limit}}"),), unit="reqps", width=6),
        Panel("Event loop is late by", "What keeps a worker from looking at its next request.", ((f"max by (instance) (governance_event_loop_lag_seconds{{{HERE}}})", "{{instance}}"),), unit="s", limits=(0.1,), width=6),
    )),
)  # fmt: skip

SECURITY = (
    Row("Is anybody at the door?", (
        Panel("Refused a second", "All refusals but rate limits.", ((f'sum(rate(governance_requests_total{{{HERE},outcome="refused",reason!="rate_limited"}}[{EVERY}])) or vector(0)', ""),), "stat", "reqps", (1, 10), width=4, height=5),
        Panel("Revoked credentials used", "In the time shown. Anything but 0 is a stolen or forgotten key.", ((grown("credential_refusals_total", selector=f'{HERE},reason="revoked"'), ""),), "stat", "none", (0.5,), width=4, height=5, decimals=0),
        Panel("Kill switch", "On: an operator stopped something, or the stop file cannot be verified.", ((f"max(governance_stopped{{{HERE}}}) or vector(0)", ""),), "stat", states=ON_OFF, width=4, height=5),
        Panel("Old policies in force", "Changed policies were refused as not valid.", ((f"max(governance_policy_reload_failed{{{HERE}}}) or vector(0)", ""),), "stat", states=ON_OFF, width=4, height=5),
        Panel("Glass broken", "Requests that an emergency grant alone permitted, in the time shown.", ((grown("break_glass_requests_total"), ""),), "stat", "none", (0.5,), width=4, height=5, decimals=0),
        Panel("Next expiry", "The first API key or certificate that ends.", ((f'min by (kind) (governance_earliest_expiry_timestamp_seconds{{{HERE},kind!="grant"}} < Inf) - time()', "{{kind}}"),), "stat", "dtdurations", (2 * 86400, 14 * 86400), good_above=True, width=4, height=5),
    )),
    Row("Who was let in, and who was not", (
        Panel("Decisions", "Of the policies, by action.", ((rate("decisions_total", "action, decision"), "{{action}}: {{decision}}"),), unit="ops"),
        Panel("Credentials that were refused", "unknown and malformed are guesses, expired and revoked are former callers, untrusted is another issuer's.", ((rate("credential_refusals_total", "kind, reason"), "{{kind}}: {{reason}}"),), unit="ops"),
        Panel("Refusals by reason", "As callers saw them.", ((rate("requests_total", "reason", f'{HERE},outcome="refused"'), "{{reason}}"),), unit="reqps"),
        Panel("Policies that decided", "Each decision by the id of each policy that decided it; default-deny where none did.", ((f"sort_desc(sum by (policy, decision) (increase(governance_policy_decisions_total{{{HERE}}}[$__range])))", ""),), "table", "short", columns={"policy": "Policy", "decision": "Decision", "Value": "Decisions"}, decimals=0),
        Panel("Candidate policies beside those in force", "Shadow decisions that differ would change with the candidates: look at them before taking them over.", ((rate("shadow_decisions_total", "action, decision, shadow"), "{{action}}: {{decision}}, candidate {{shadow}}"),), unit="ops", none="no shadow policies"),
        Panel("Obligations", "What permits obliged to: limited answers, masked data.", ((rate("obligations_total", "obligation"), "{{obligation}}"),), unit="ops"),
    )),
    Row("What protects", (
        Panel("Stopped models", "When the kill switch was on, by model; ALL is everything.", ((f"max by (model) (governance_stopped{{{HERE}}})", "{{model}}"),), "timeline", states=ON_OFF, limits=(1,), width=12, none="nothing was ever stopped"),
        Panel("What happened", "Stops, policy changes, broken glass, shared limits, in the time shown; each worker counts for itself.", ((f"sort_desc(sum by (event, outcome) (increase(governance_events_total{{{HERE}}}[$__range])))", ""),), "table", columns={"event": "Event", "outcome": "Outcome", "Value": "Times"}, width=6, decimals=0),
        Panel("Artifacts that were refused", "Not what trusted people signed, in the time shown. Must be empty.", ((f"sum by (model, reason) (increase(governance_artifact_refusals_total{{{HERE}}}[$__range]))", ""),), "table", columns={"model": "Model", "reason": "Reason", "Value": "Times"}, limits=(0.5,), width=6, none="none", decimals=0),
        Panel("Key operations", "By provider; unavailable and refused must not be there.", ((rate("key_operations_total", "provider, operation, outcome"), "{{provider}} {{operation}}: {{outcome}}"),), unit="ops"),
        Panel("Key operations, p99", "How long the key provider takes.", ((quantile(0.99, "key_operation_seconds", "provider, operation"), "{{provider}} {{operation}}"),), unit="s"),
        Panel("Age of keys", "Since the key's file was made, where that is known. Rotate what is older than your rules permit.", ((f"time() - min by (key) (governance_key_created_timestamp_seconds{{{HERE}}})", ""),), "table", "dtdurations", columns={"key": "Key", "Value": "Age"}),
    )),
)  # fmt: skip

PRIVACY = (
    Row("Is data where it may be?", (
        Panel("Forbidden data", "Requests, in the time shown, with unmasked data of a class that the policy forbids at that model. They were refused.", ((grown("data_classes_total", selector=f'{HERE},outcome="refused"'), ""),), "stat", "none", (0.5,), width=6, height=5, decimals=0),
        Panel("Findings in texts", "Names, numbers, addresses that were found and changed, in the time shown.", ((grown("entities_total"), ""),), "stat", "short", width=6, height=5, decimals=0),
        Panel("Values changed", "Of declared fields, in the time shown.", ((grown("redactions_total"), ""),), "stat", "short", width=6, height=5, decimals=0),
        Panel("Findings for each answer", "Steady for steady traffic. A fall to nothing means that detection is off.", ((f'sum(rate(governance_entities_total{{{HERE}}}[1h])) / sum(rate(governance_requests_total{{{HERE},outcome="answered"}}[1h]))', ""),), "stat", "short", width=6, height=5, decimals=2, none="no texts"),
    )),
    Row("What was found, and what was done", (
        Panel("Findings by kind", "A surge of one kind is another kind of text, or a whole data base.", ((rate("entities_total", "entity"), "{{entity}}"),), unit="ops", stacked=True, none="no texts"),
        Panel("Values changed, by operator", "What declared fields went through.", ((rate("redactions_total", "operator"), "{{operator}}"),), unit="ops", stacked=True),
        Panel("Classes of data in requests", "And whether the policy let them pass at the model that was asked.", ((rate("data_classes_total", "data_class, outcome"), "{{data_class}}: {{outcome}}"),), unit="ops", none="no classified data"),
        Panel("Findings against the day's mean", "How many times the mean of a day; the surge alert rings at 5, from one a second on.", ((f"governance:entities:rate5m{{{JOB}}} / (governance:entities:rate1d{{{JOB}}} > 0)", "{{entity}}"),), unit="none", limits=(5,), none="no texts"),
        Panel("Obligations to mask", "What permits obliged to.", ((rate("obligations_total", "obligation"), "{{obligation}}"),), unit="ops"),
        Panel("Time of the privacy plugin", "p50 and p99.", ((quantile(0.5, "plugin_seconds", selector=f'{HERE},plugin="privacy"'), "p50"), (quantile(0.99, "plugin_seconds", selector=f'{HERE},plugin="privacy"'), "p99")), unit="s"),
    )),
)  # fmt: skip

AUDIT = (
    Row("Is everything on record?", (
        Panel("Could not be written", "Entries, in the time shown. Anything but 0: such a worker answers nothing until it is started again.", ((grown("audit_failures_total"), ""),), "stat", "none", (0.5,), width=6, height=5, decimals=0),
        Panel("Last checkpoint", "How old the oldest worker's signed promise is. Normal: a second or two.", ((f"time() - min(governance_audit_checkpoint_timestamp_seconds{{{HERE}}})", ""),), "stat", "s", (10, 60), width=6, height=5),
        Panel("Entries a second", "One for each request and each event.", ((f"sum(rate(governance_audit_entries_total{{{HERE}}}[{EVERY}]))", ""),), "stat", "ops", width=6, height=5),
        Panel("Size of the log", "Of all workers' logs together.", ((f"sum(governance_audit_size_bytes{{{HERE}}})", ""),), "stat", "bytes", width=6, height=5),
    )),
    Row("How it is written", (
        Panel("Entries", "By instance.", ((rate("audit_entries_total", "instance"), "{{instance}}"),), unit="ops"),
        Panel("Time of a write", "Handed to the operating system.", ((quantile(0.5, "audit_write_seconds"), "p50"), (quantile(0.99, "audit_write_seconds"), "p99")), unit="s"),
        Panel("Time until it is on the disk", "Every answer waits for one of these; many share it.", ((f"sum by (le) (increase(governance_audit_sync_seconds_bucket{{{HERE}}}[{EVERY}]))", "{{le}}"),), "heatmap", "s"),
        Panel("Age of the last checkpoint", "By instance. Above a minute the alert rings.", ((f"time() - min by (instance) (governance_audit_checkpoint_timestamp_seconds{{{HERE}}})", "{{instance}}"),), unit="s", limits=(60,)),
        Panel("Size", "By instance.", ((f"sum by (instance) (governance_audit_size_bytes{{{HERE}}})", "{{instance}}"),), unit="bytes", stacked=True),
        Panel("Grows by, a day", "At the last hour's speed.", ((f"governance:audit_size_bytes:growth_per_day{{{JOB}}}", "{{job}}"),), unit="bytes"),
    )),
)  # fmt: skip

MODELS = (
    Row("What is served", (
        Panel("Models", "What each instance serves, by the digest that was signed. More than one digest of a model is a roll-out under way.", ((f"count by (model, version, digest) (governance_model_info{{{MODEL}}})", ""),), "table", columns={"model": "Model", "version": "Version", "digest": "Digest", "Value": "Instances"}, width=12, decimals=0),
        Panel("Ready", "By model and device, the worst of all workers.", ((f"min by (model, device) (governance_model_ready{{{MODEL}}})", "{{model}} on {{device}}"),), "timeline", states=READY, limits=(1,), good_above=True, width=6),
        Panel("Fell back to a slower device", "Asked for a GPU, runs on the CPU.", ((f"max by (model, device) (governance_model_degraded{{{MODEL}}})", "{{model}} on {{device}}"),), "timeline", states=ON_OFF, limits=(1,), width=6),
    )),
    Row("Inference", (
        Panel("Items", "Of all batches, by model.", ((rate("inference_items_total", "model, version", MODEL), "{{model}} {{version}}"),), unit="ops", width=6),
        Panel("Time inside the runtime", "p50 and p99, by model.", ((quantile(0.5, "inference_seconds", "model", MODEL), "{{model}} p50"), (quantile(0.99, "inference_seconds", "model", MODEL), "{{model}} p99")), unit="s", width=6),
        Panel("Batch sizes", "Items that shared one run.", ((f"sum by (le) (increase(governance_batch_items_bucket{{{MODEL}}}[{EVERY}]))", "{{le}}"),), "heatmap", "none", width=6),
        Panel("Mean time to open", "Verified, decrypted and prepared, by model.", ((f"sum by (model) (governance_model_load_seconds_sum{{{MODEL}}}) / sum by (model) (governance_model_load_seconds_count{{{MODEL}}})", "{{model}}"),), "stat", "s", width=6),
        Panel("GPU memory", "In use, of all there is.", ((f'max by (instance, device) (governance_gpu_memory_bytes{{{HERE},state="used"}}) / max by (instance, device) (governance_gpu_memory_bytes{{{HERE},state="total"}})', "{{device}} of {{instance}}"),), unit="percentunit", limits=(0.95,), width=12, height=6, none="no GPU"),
        Panel("GPU at work", "Share of the time.", ((f"max by (instance, device) (governance_gpu_utilization_ratio{{{HERE}}})", "{{device}} of {{instance}}"),), unit="percentunit", width=12, height=6, none="no GPU"),
    )),
    Row("Is the world still what it was at training?", (
        Panel("Drift", "The verdict on each model's stream against the reference profile in its sealed artifact.", ((f"max by (model) (governance_drift_state{{{MODEL}}})", "{{model}}"),), "timeline", states=DRIFT, limits=(1, 2), width=16, height=6, none="no reference profile"),
        Panel("Items in the window", "Too few say little.", ((f"min by (model) (governance_drift_window_items{{{MODEL}}})", "{{model}}"),), "stat", "none", width=4, height=6, decimals=0),
        Panel("Could not be counted", "Items, in the time shown, that drift could not look at. Their answers left all the same.", ((grown("drift_failures_total", selector=MODEL), ""),), "stat", "none", (0.5,), width=4, height=6, decimals=0),
        Panel("Population stability index", "Below 0.1 steady, above 0.25 another population.", ((f"max by (model, subject) (governance_drift_psi{{{MODEL}}})", "{{model}}: {{subject}}"),), limits=(0.1, 0.25), width=12),
        Panel("Kolmogorov–Smirnov distance", "The widest gap between the two cumulative distributions.", ((f"max by (model, subject) (governance_drift_ks{{{MODEL}}})", "{{model}}: {{subject}}"),), width=12),
        Panel("Chi²: how likely by chance", "Small is suspicious: the classes are not as frequent as they were.", ((f"min by (model, subject) (governance_drift_chi2_p{{{MODEL}}})", "{{model}}: {{subject}}"),), unit="percentunit"),
        Panel("Outside the range of training", "Share of values that training never saw.", ((f"max by (model, subject) (governance_drift_out_of_range_ratio{{{MODEL}}})", "{{model}}: {{subject}}"),), unit="percentunit"),
        Panel("Missing values", "Share of values that are missing or no number.", ((f"max by (model, subject) (governance_drift_missing_ratio{{{MODEL}}})", "{{model}}: {{subject}}"),), unit="percentunit"),
    )),
)  # fmt: skip

DASHBOARDS = (
    ("service", "Service", "Is it up, fast and big enough? For whoever is on call.", SERVICE, True),
    ("security", "Security", "Who tries to come in, and is what keeps them out whole? For the security officer.", SECURITY, False),
    ("privacy", "Privacy", "What personal data comes, and what is done to it? For whoever answers for the data.", PRIVACY, False),
    ("audit", "Audit", "Is every decision on record, and promised? For auditors and whoever is on call.", AUDIT, False),
    ("models", "Models and drift", "What is served, on what, and does it still fit the world? For the ML engineer.", MODELS, True),
)  # fmt: skip


def files() -> dict[str, str]:
    """Return the dashboards' JSON by file name."""
    written = {}
    for name, title, description, rows, by_model in DASHBOARDS:
        made = built_dashboard(name, title, description, rows, by_model=by_model)
        written[f"{name}.json"] = json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return written


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in files().items():
        (FOLDER / file).write_text(text)
