"""The dashboard Privacy: personal data found and changed, and data classes refused, for the data protection officer."""

from __future__ import annotations

from helm.dashboards.panels import Dashboard, Query, Row, graph, stat
from helm.dashboards.queries import INSTANCE, JOB, increase, quantile, rate

PLUGIN = f'{INSTANCE},plugin="privacy"'
FINDINGS_PER_ANSWER = (
    f"sum(rate(governance_entities_total{{{INSTANCE}}}[1h])) "
    f'/ sum(rate(governance_requests_total{{{INSTANCE},outcome="answered"}}[1h]))'
)

OVERVIEW = Row(
    "Overview",
    (
        stat(
            "Requests with forbidden data",
            "Requests, in the time range, with unmasked data of a class that the policy forbids for the model. They "
            "were refused.",
            increase("data_classes_total", f'{INSTANCE},outcome="refused"'),
            unit="none",
            limits=(0.5,),
            width=6,
            decimals=0,
        ),
        stat(
            "Findings in texts",
            "Names, numbers and addresses that were found in free text and changed, in the time range.",
            increase("entities_total"),
            width=6,
            decimals=0,
        ),
        stat(
            "Values changed",
            "Values of declared fields that were changed, in the time range.",
            increase("redactions_total"),
            width=6,
            decimals=0,
        ),
        stat(
            "Findings per answer",
            "Steady while traffic is steady. A fall to 0 means that detection is off.",
            FINDINGS_PER_ANSWER,
            width=6,
            decimals=2,
            none="no texts",
        ),
    ),
)

FINDINGS = Row(
    "Findings and operators",
    (
        graph(
            "Findings by kind",
            "A surge of one kind means that other texts are sent than before, perhaps a whole database.",
            Query(rate("entities_total", "entity"), "{{entity}}"),
            unit="ops",
            stacked=True,
            none="no texts",
        ),
        graph(
            "Values changed, by operator",
            "Operators that were applied to declared fields.",
            Query(rate("redactions_total", "operator"), "{{operator}}"),
            unit="ops",
            stacked=True,
        ),
        graph(
            "Data classes in requests",
            "Requests with data of a class, and whether the policy allowed it for the requested model.",
            Query(rate("data_classes_total", "data_class, outcome"), "{{data_class}}: {{outcome}}"),
            unit="ops",
            none="no classified data",
        ),
        graph(
            "Findings relative to the last day",
            "Findings now, as a multiple of the mean of the last 24 hours. Above 5, and above one per second, an alert "
            "fires.",
            Query(
                f"governance:entities:rate5m{{{JOB}}} / (governance:entities:rate1d{{{JOB}}} > 0)",
                "{{entity}}",
            ),
            unit="none",
            limits=(5,),
            none="no texts",
        ),
        graph(
            "Obligations",
            "Obligations of the permits that decided, such as anonymize.",
            Query(rate("obligations_total", "obligation"), "{{obligation}}"),
            unit="ops",
        ),
        graph(
            "Time in the privacy plugin",
            "50th and 99th percentile.",
            Query(quantile(0.5, "plugin_seconds", selector=PLUGIN), "p50"),
            Query(quantile(0.99, "plugin_seconds", selector=PLUGIN), "p99"),
            unit="s",
        ),
    ),
)

DASHBOARD = Dashboard(
    "privacy",
    "Privacy",
    "Which personal data arrives, and how is it changed? For the data protection officer.",
    (OVERVIEW, FINDINGS),
)
