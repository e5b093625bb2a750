"""The dashboard Service: availability, latency, traffic and capacity, for the person on call."""

from __future__ import annotations

from helm.dashboards.panels import Dashboard, Query, Row, graph, heatmap, stat
from helm.dashboards.queries import INSTANCE, INTERVAL, JOB, MODEL, buckets, quantile, rate

ANSWERED = f'{INSTANCE},outcome="answered"'
BURN_RATE = (
    f"max(governance:unavailable:ratio_rate1h{{{JOB}}}) / (1 - scalar(governance:threshold:availability_objective))"
)
FIRING = f'sum (ALERTS{{alertname=~"Governance.*",alertstate="firing",{JOB}}}) or vector(0)'

OVERVIEW = Row(
    "Overview",
    (
        stat(
            "Availability",
            "Share of the admitted requests that were answered, over the last hour. Refused requests do not count. The "
            "objective is in thresholds.yaml. Normal: 99.9 % and more.",
            f"1 - max(governance:unavailable:ratio_rate1h{{{JOB}}})",
            unit="percentunit",
            limits=(0.99, 0.999),
            good_above=True,
            width=4,
            decimals=2,
        ),
        stat(
            "Answered within 250 ms",
            "Share of the answers that took 250 ms or less, over the last hour. Normal: 99 % and more.",
            f"1 - max(governance:slow:ratio_rate1h{{{JOB}}})",
            unit="percentunit",
            limits=(0.95, 0.99),
            good_above=True,
            width=4,
            decimals=2,
        ),
        stat(
            "Error budget burn rate",
            "Rate of failures over the last hour, as a multiple of the rate that the objective allows. At 1 the "
            "month's budget lasts exactly a month; from 14.4 on an alert fires at once.",
            BURN_RATE,
            unit="none",
            limits=(1, 6),
            width=4,
            decimals=1,
        ),
        stat(
            "Requests per second",
            "All requests, refused ones included.",
            f"sum(rate(governance_requests_total{{{INSTANCE}}}[{INTERVAL}]))",
            unit="reqps",
            width=4,
        ),
        stat(
            "Latency, 99th percentile",
            "Time of answered requests, from the first byte at the gate to the answer, its audit entry included.",
            quantile(0.99, "request_seconds", selector=ANSWERED),
            unit="s",
            limits=(0.25, 1),
            width=4,
        ),
        stat(
            "Alerts firing",
            "Alerts of this service. The runbook says what each one means.",
            FIRING,
            unit="none",
            limits=(1, 3),
            width=4,
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        graph(
            "Requests by outcome",
            "Answered; refused (the caller's fault); failed (the service's fault).",
            Query(rate("requests_total", "outcome"), "{{outcome}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Refusals and failures by reason",
            "The reason is the error's code. A few refusals are normal; not_ready, overloaded and internal are not.",
            Query(rate("requests_total", "outcome, reason", f'{INSTANCE},reason!=""'), "{{outcome}}: {{reason}}"),
            unit="reqps",
        ),
        graph(
            "Requests by route",
            "Routes are templates such as /v2/models/{model}/infer, so a caller cannot add a line here.",
            Query(rate("requests_total", "method, route"), "{{method}} {{route}}"),
            unit="reqps",
        ),
        heatmap(
            "Latency of answers",
            "Number of answers by their time. A second band means that one group of requests is slower than the rest. "
            "Dots are exemplars that link to traces, if tracing is on.",
            buckets("request_seconds", ANSWERED),
            unit="s",
            width=12,
        ),
        graph(
            "Latency of answers, percentiles",
            "50th, 95th and 99th percentile. The dashed line is the objective.",
            *(
                Query(quantile(share, "request_seconds", selector=ANSWERED), legend)
                for share, legend in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            unit="s",
            limits=(0.25,),
            width=12,
        ),
    ),
)

LATENCY = Row(
    "Latency by part",
    (
        graph(
            "Time in each plugin, 99th percentile",
            "Own time of each plugin, without the plugins inside it. The time of audit is the wait for the disk.",
            Query(quantile(0.99, "plugin_seconds", "plugin"), "{{plugin}}"),
            unit="s",
        ),
        graph(
            "Inference time, 99th percentile",
            "Time inside ONNX Runtime, by model.",
            Query(quantile(0.99, "inference_seconds", "model, version", MODEL), "{{model}} {{version}}"),
            unit="s",
        ),
        graph(
            "Queue wait, 99th percentile",
            "Time before a request is processed at all. Normal: close to 0; after 2 s a request is shed with 503.",
            Query(quantile(0.99, "queue_seconds"), "wait"),
            unit="s",
            limits=(0.5, 2),
        ),
    ),
)

CAPACITY = Row(
    "Capacity",
    (
        graph(
            "Requests in flight and in the queue",
            "Requests that are processed now, and requests that wait, by instance.",
            Query(f"sum by (instance) (governance_requests_in_flight{{{INSTANCE}}})", "in flight, {{instance}}"),
            Query(f"sum by (instance) (governance_queue_length{{{INSTANCE}}})", "waiting, {{instance}}"),
            width=6,
        ),
        graph(
            "Requests shed",
            "Requests answered 503 at once: queue full, wait too long, or event loop late. Normal: none.",
            Query(rate("shed_total", "reason"), "{{reason}}"),
            unit="reqps",
            width=4,
        ),
        graph(
            "Connections refused",
            "Refused before there was a request: malformed, or the head too large or late. Normal: none.",
            Query(rate("connections_refused_total", "reason"), "{{reason}}"),
            unit="reqps",
            width=4,
        ),
        graph(
            "Requests over a limit",
            "Requests answered 429: the caller exceeded its own rate limit or quota.",
            Query(rate("limited_total", "limit"), "{{limit}}"),
            unit="reqps",
            width=4,
        ),
        graph(
            "Event loop lag",
            "How late the event loop is: the delay before a worker processes its next request.",
            Query(f"max by (instance) (governance_event_loop_lag_seconds{{{INSTANCE}}})", "{{instance}}"),
            unit="s",
            limits=(0.1,),
            width=6,
        ),
    ),
)

DASHBOARD = Dashboard(
    "service",
    "Service",
    "Is the service available, fast, and large enough? For the person on call.",
    (OVERVIEW, TRAFFIC, LATENCY, CAPACITY),
    by_model=True,
)
