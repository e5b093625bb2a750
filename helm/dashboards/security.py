"""The dashboard Security: credentials, policy decisions, kill switch, artifacts and keys, for the security officer."""

from __future__ import annotations

from helm.dashboards.panels import ON_OFF, Dashboard, Query, Row, graph, stat, table, timeline
from helm.dashboards.queries import INSTANCE, INTERVAL, increase, increase_by, quantile, rate

REFUSED = f'{INSTANCE},outcome="refused"'
NEXT_EXPIRY = f'min by (kind) (governance_earliest_expiry_timestamp_seconds{{{INSTANCE},kind!="grant"}} < Inf) - time()'

OVERVIEW = Row(
    "Overview",
    (
        stat(
            "Refusals per second",
            "All refused requests, except those over a rate limit.",
            f'sum(rate(governance_requests_total{{{REFUSED},reason!="rate_limited"}}[{INTERVAL}])) or vector(0)',
            unit="reqps",
            limits=(1, 10),
            width=4,
        ),
        stat(
            "Revoked credentials used",
            "Requests with a revoked credential, in the time range. Above 0, a key was stolen, or a client kept it.",
            increase("credential_refusals_total", f'{INSTANCE},reason="revoked"'),
            unit="none",
            limits=(0.5,),
            width=4,
            decimals=0,
        ),
        stat(
            "Kill switch",
            "YES: an operator stopped a model or everything, or the stop file cannot be verified.",
            f"max(governance_stopped{{{INSTANCE}}}) or vector(0)",
            states=ON_OFF,
            width=4,
        ),
        stat(
            "Old policies in force",
            "YES: changed policy files are not valid, and the service keeps the old policies.",
            f"max(governance_policy_reload_failed{{{INSTANCE}}}) or vector(0)",
            states=ON_OFF,
            width=4,
        ),
        stat(
            "Break-glass requests",
            "Requests that only an emergency grant permitted, in the time range.",
            increase("break_glass_requests_total"),
            unit="none",
            limits=(0.5,),
            width=4,
            decimals=0,
        ),
        stat(
            "Next expiry",
            "Time until the first API key or certificate of a caller expires.",
            Query(NEXT_EXPIRY, "{{kind}}"),
            unit="dtdurations",
            limits=(2 * 86400, 14 * 86400),
            good_above=True,
            width=4,
        ),
    ),
)

DECISIONS = Row(
    "Authentication and authorization",
    (
        graph(
            "Policy decisions",
            "Allowed and denied requests, by action.",
            Query(rate("decisions_total", "action, decision"), "{{action}}: {{decision}}"),
            unit="ops",
        ),
        graph(
            "Refused credentials",
            "unknown and malformed: guesses. expired and revoked: former callers. untrusted: another issuer's token.",
            Query(rate("credential_refusals_total", "kind, reason"), "{{kind}}: {{reason}}"),
            unit="ops",
        ),
        graph(
            "Refusals by reason",
            "The error's code, as the caller received it.",
            Query(rate("requests_total", "reason", REFUSED), "{{reason}}"),
            unit="reqps",
        ),
        table(
            "Deciding policies",
            "Decisions by the id of each policy that determined them; default-deny if no policy matched.",
            f"sort_desc({increase_by('policy_decisions_total', 'policy, decision')})",
            {"policy": "Policy", "decision": "Decision", "Value": "Decisions"},
            decimals=0,
        ),
        graph(
            "Shadow decisions of candidate policies",
            "Decisions of the policies in force next to those of the candidates. Where they differ, the candidates "
            "would change the answer: review these before you put them in force.",
            Query(
                rate("shadow_decisions_total", "action, decision, shadow"),
                "{{action}}: {{decision}}, candidate {{shadow}}",
            ),
            unit="ops",
            none="no shadow policies",
        ),
        graph(
            "Obligations",
            "Obligations of the permits that decided: limited answers, masked data.",
            Query(rate("obligations_total", "obligation"), "{{obligation}}"),
            unit="ops",
        ),
    ),
)

PROTECTION = Row(
    "Kill switch, artifacts and keys",
    (
        timeline(
            "Stopped models",
            "When the kill switch was on, by model; ALL means every model.",
            Query(f"max by (model) (governance_stopped{{{INSTANCE}}})", "{{model}}"),
            states=ON_OFF,
            limits=(1,),
            width=12,
            none="nothing was stopped",
        ),
        table(
            "Events",
            "Stops, policy changes, break-glass use and failures of shared limits, in the time range. Each worker "
            "counts an event once.",
            f"sort_desc({increase_by('events_total', 'event, outcome')})",
            {"event": "Event", "outcome": "Outcome", "Value": "Times"},
            width=6,
            decimals=0,
        ),
        table(
            "Refused artifacts",
            "Sealed artifacts that did not pass verification, in the time range. Must be empty.",
            increase_by("artifact_refusals_total", "model, reason"),
            {"model": "Model", "reason": "Reason", "Value": "Times"},
            limits=(0.5,),
            width=6,
            none="none",
            decimals=0,
        ),
        graph(
            "Key operations",
            "Operations by key provider. The outcomes unavailable and refused must not appear.",
            Query(
                rate("key_operations_total", "provider, operation, outcome"), "{{provider}} {{operation}}: {{outcome}}"
            ),
            unit="ops",
        ),
        graph(
            "Key operation time, 99th percentile",
            "Time that the key provider takes for an operation.",
            Query(quantile(0.99, "key_operation_seconds", "provider, operation"), "{{provider}} {{operation}}"),
            unit="s",
        ),
        table(
            "Age of keys",
            "Time since the key's file was created, if it is known. Rotate keys that are older than your rules allow.",
            f"time() - min by (key) (governance_key_created_timestamp_seconds{{{INSTANCE}}})",
            {"key": "Key", "Value": "Age"},
            unit="dtdurations",
        ),
    ),
)

DASHBOARD = Dashboard(
    "security",
    "Security",
    "Which credentials and requests were refused, and are kill switch, artifacts and keys in order? For the security "
    "officer.",
    (OVERVIEW, DECISIONS, PROTECTION),
)
