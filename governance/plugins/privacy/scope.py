"""The scope of a request: within it, equal values get equal hashes and tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from governance.access.callers.caller import Caller
from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange
from governance.privacy.change.scope import PseudonymScope


def scope_of(exchange: Exchange, scope: PseudonymScope, now_seconds: float) -> str:
    """Return the scope's text for a request: `{caller}`, `{purpose}`, `{year}` and `{month}` are filled in.

    Example: `{purpose}/{year}` becomes `treatment/2026`.

    Args:
        exchange: the request, with its `Caller` and `Decision` if plugins in front have put them.
        scope: the scope of the settings.
        now_seconds: Unix time.
    """
    decision, caller = exchange.get(Decision), exchange.get(Caller)
    now = datetime.fromtimestamp(now_seconds, UTC)
    return scope.of(
        {
            "purpose": (decision.purpose if decision is not None else None) or "none",
            "caller": caller.id if caller is not None else "",
            "year": f"{now.year:04}",
            "month": f"{now.month:02}",
        }
    )
