"""The reference of metrics, from the one table of them."""

from __future__ import annotations

from pathlib import Path

from governance.contract.measurements import Metric
from governance.plugins.metrics import table as metrics
from tools.reference.markdown import codes, page, table

PAGE = Path("docs/reference/metrics.md")
MERGES = {"livesum": "sum", "livemax": "highest", "livemin": "lowest", "all": "each"}
INTRODUCTION = """
`GET /metrics` answers these, summed over all workers. A gauge is merged over the workers as its type says. Values of
labels come only from closed sets: routes, served models, outcomes, error codes, ids of loaded policies. How they are
measured and who may read them is in [Metrics and traces](../metrics.md).
"""


def metrics_files() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: metrics_page()}


def metrics_page() -> str:
    """Return the page: one table for each subject, and the buckets of histograms."""
    parts = []
    for subject, declared in metrics.SUBJECTS.items():
        rows = [
            (f"`{metrics.PREFIX}{one.name}`", _kind(one), codes(one.labels) or "none", one.help) for one in declared
        ]
        parts.append(f"## {subject}\n\n{table(('Name', 'Type', 'Labels', 'Meaning'), rows)}")
    buckets = [
        (f"`{metrics.PREFIX}{one.name}`", ", ".join(f"{edge:g}" for edge in one.buckets))
        for one in metrics.TABLE.values()
        if one.buckets
    ]
    parts.append(f"## Buckets\n\nUpper bounds, besides `+Inf`.\n\n{table(('Histogram', 'Buckets'), buckets)}")
    return page("Metrics", "governance/plugins/metrics/table.py", INTRODUCTION, *parts)


def _kind(declared: Metric) -> str:
    return f"gauge ({MERGES[declared.merge]})" if declared.kind == "gauge" else declared.kind
