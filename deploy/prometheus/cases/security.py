"""Cases of security: refusals, credentials, artifacts, the kill switch, policies, emergency grants and keys."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case
from deploy.prometheus.cases.series import INFER, MINUTES, counter, gauge, growing, series, single_event

REFUSED = series("requests_total", f'{INFER},outcome="refused",reason="unauthenticated"')
RATE_LIMITED = series("requests_total", f'{INFER},outcome="refused",reason="rate_limited"')
PERSON = series("entities_total", 'entity="PERSON"')
UNKNOWN_KEY = 'kind="api-key",reason="unknown"'
UNWRAP = 'provider="vault",operation="unwrap"'
UNWRAP_SHOWN = {"provider": "vault", "operation": "unwrap"}

CASES = (
    Case(
        "GovernanceRefusalsSurge",
        {REFUSED: growing((61, MINUTES))},
        {REFUSED: growing((59, MINUTES))},
        9,
        10,
        "1.017",
        also_silent=({RATE_LIMITED: growing((600, MINUTES))}, {PERSON: growing((600, MINUTES))}),
    ),
    Case(
        "GovernanceRefusalsSurge",
        {REFUSED: growing((61, 1440), (61 * 5.36, 60))},
        {REFUSED: growing((61, 1440), (61 * 5.24, 60))},
        1440,
        1460,
        "5.449",
        step=10,
    ),
    Case(
        "GovernanceCredentialsGuessed",
        counter("credential_refusals_total", UNKNOWN_KEY, 31),
        counter("credential_refusals_total", UNKNOWN_KEY, 29),
        9,
        10,
        "516.7m",
        also_silent=(counter("credential_refusals_total", 'kind="none",reason="missing"', 600),),
    ),
    *single_event(
        "GovernanceRevokedCredentialUsed",
        "credential_refusals_total",
        'kind="api-key",reason="revoked"',
        10,
        other_labels='kind="api-key",reason="expired"',
        shown={"kind": "api-key"},
    ),
    *single_event(
        "GovernanceArtifactRefused",
        "artifact_refusals_total",
        'model="digits-cnn",reason="signature"',
        15,
        shown={"model": "digits-cnn", "reason": "signature"},
    ),
    Case(
        "GovernanceKillSwitchOn",
        {series("stopped", 'model="digits-cnn"'): "0x2 1x9 0x9"},
        gauge("stopped", 'model="digits-cnn"', 0),
        2,
        3,
        labels={"model": "digits-cnn"},
        resolved_at=13,
    ),
    Case(
        "GovernancePolicyReloadFailed", gauge("policy_reload_failed", "", 1), gauge("policy_reload_failed", "", 0), 0, 1
    ),
    *single_event(
        "GovernanceBreakGlassUsed", "break_glass_requests_total", 'action="infer"', 15, shown={"action": "infer"}
    ),
    *single_event(
        "GovernanceKeyServiceUnavailable",
        "key_operations_total",
        f'{UNWRAP},outcome="unavailable"',
        5,
        other_labels=f'{UNWRAP},outcome="done"',
        hold=2,
        shown=UNWRAP_SHOWN,
    ),
    *single_event(
        "GovernanceKeyRefused",
        "key_operations_total",
        f'{UNWRAP},outcome="refused"',
        15,
        other_labels=f'{UNWRAP},outcome="done"',
        shown=UNWRAP_SHOWN,
    ),
)
