"""Cases of the audit log: failed writes, old checkpoints, slow syncs, growth, and a full volume."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.cases.series import MINUTES, constant, counter, growing, histogram, series

LIMIT_BYTES_PER_MINUTE = 10 * 2**30 / 1440
CHECKPOINT = series("audit_checkpoint_timestamp_seconds")
SIZE = series("audit_size_bytes")
CLAIM = 'job="kubelet",namespace="prod",persistentvolumeclaim="governance-audit-0"'


def volume(free: float) -> Series:
    """Return the kubelet's metrics of an audit volume of 100 bytes with that many bytes free."""
    return {
        f"kubelet_volume_stats_available_bytes{{{CLAIM}}}": constant(free),
        f"kubelet_volume_stats_capacity_bytes{{{CLAIM}}}": constant(100),
    }


CASES = (
    Case(
        "GovernanceAuditNotWritable",
        {series("audit_failures_total"): "0x3 1x60 0x9"},
        counter("audit_failures_total", "", 0),
        3,
        4,
        "1",
        {"instance": "a"},
        resolved_at=66,
    ),
    # The checkpoint is always 61 or 59 seconds old.
    Case(
        "GovernanceAuditCheckpointStale",
        {CHECKPOINT: "-61+60x180"},
        {CHECKPOINT: "-59+60x180"},
        0,
        1,
        "1m 1s",
        {"instance": "a"},
    ),
    Case(
        "GovernanceAuditSyncSlow",
        histogram("audit_sync_seconds", ("0.25", "0.5"), 0.0102),
        histogram("audit_sync_seconds", ("0.25", "0.5"), 0.0099),
        10,
        11,
        "254.9ms",
    ),
    Case(
        "GovernanceAuditGrowsFast",
        {SIZE: growing((LIMIT_BYTES_PER_MINUTE * 1.01, MINUTES))},
        {SIZE: growing((LIMIT_BYTES_PER_MINUTE * 0.99, MINUTES))},
        60,
        61,
        "10.1Gi",
    ),
    Case(
        "GovernanceAuditVolumeFilling",
        volume(14.9),
        volume(15.1),
        4,
        5,
        "14.9%",
        {"job": "kubelet", "namespace": "prod", "persistentvolumeclaim": "governance-audit-0"},
    ),
)
