"""The dashboard Audit: writes, checkpoints and size of the audit logs, for auditors and the person on call."""

from __future__ import annotations

from helm.dashboards.panels import Dashboard, Query, Row, graph, heatmap, stat
from helm.dashboards.queries import INSTANCE, INTERVAL, JOB, buckets, increase, quantile, rate

CHECKPOINT = f"governance_audit_checkpoint_timestamp_seconds{{{INSTANCE}}}"
SIZE = f"governance_audit_size_bytes{{{INSTANCE}}}"

OVERVIEW = Row(
    "Overview",
    (
        stat(
            "Failed writes",
            "Writes that failed, in the time range. Above 0, a worker answers nothing until it is restarted.",
            increase("audit_failures_total"),
            unit="none",
            limits=(0.5,),
            width=6,
            decimals=0,
        ),
        stat(
            "Age of the last checkpoint",
            "Age of the newest signed checkpoint, of the worker whose checkpoint is oldest. Normal: a second or two.",
            f"time() - min({CHECKPOINT})",
            unit="s",
            limits=(10, 60),
            width=6,
        ),
        stat(
            "Entries per second",
            "One entry for each request and each event.",
            f"sum(rate(governance_audit_entries_total{{{INSTANCE}}}[{INTERVAL}]))",
            unit="ops",
            width=6,
        ),
        stat("Size of all logs", "Sum over the logs of all workers.", f"sum({SIZE})", unit="bytes", width=6),
    ),
)

WRITES = Row(
    "Writes and checkpoints",
    (
        graph(
            "Entries by instance",
            "Entries written per second.",
            Query(rate("audit_entries_total", "instance"), "{{instance}}"),
            unit="ops",
        ),
        graph(
            "Write time",
            "Time to hand a group of entries to the operating system, 50th and 99th percentile.",
            Query(quantile(0.5, "audit_write_seconds"), "p50"),
            Query(quantile(0.99, "audit_write_seconds"), "p99"),
            unit="s",
        ),
        heatmap(
            "Sync time",
            "Time until a group of entries is on the disk. Each answer waits for one sync; many answers share it.",
            buckets("audit_sync_seconds"),
            unit="s",
        ),
        graph(
            "Age of the last checkpoint by instance",
            "Above one minute an alert fires.",
            Query(f"time() - min by (instance) ({CHECKPOINT})", "{{instance}}"),
            unit="s",
            limits=(60,),
        ),
        graph(
            "Size by instance",
            "Sum over the logs of the instance's workers.",
            Query(f"sum by (instance) ({SIZE})", "{{instance}}"),
            unit="bytes",
            stacked=True,
        ),
        graph(
            "Growth per day",
            "The growth of the last hour, extrapolated to a day.",
            Query(f"governance:audit_size_bytes:growth_per_day{{{JOB}}}", "{{job}}"),
            unit="bytes",
        ),
    ),
)

DASHBOARD = Dashboard(
    "audit",
    "Audit",
    "Is every decision recorded, and covered by a signed checkpoint? For auditors and the person on call.",
    (OVERVIEW, WRITES),
)
