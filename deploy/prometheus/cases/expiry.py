"""Cases of expiry: credentials that expire soon. The times are Unix times; promtool starts at 0."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.cases.series import gauge

DAY_SECONDS = 86_400


def expires_at(kind: str, seconds: float) -> Series:
    """Return the earliest expiry of one kind of credential."""
    return gauge("earliest_expiry_timestamp_seconds", f'kind="{kind}"', seconds)


# Emergency grants expire within hours by design.
GRANT = expires_at("grant", 3600)

CASES = (
    Case(
        "GovernanceExpiresSoon",
        expires_at("api-key", 14 * DAY_SECONDS - 60),
        expires_at("api-key", 14 * DAY_SECONDS + 700),
        4,
        5,
        "13d 23h 54m 0s",
        {"kind": "api-key"},
        also_silent=(GRANT,),
    ),
    Case(
        "GovernanceExpiresVerySoon",
        expires_at("certificate", 2 * DAY_SECONDS - 60),
        expires_at("certificate", 2 * DAY_SECONDS + 700),
        4,
        5,
        "1d 23h 54m 0s",
        {"kind": "certificate"},
        also_silent=(GRANT,),
    ),
)
