"""Governance for BentoML services: sealed models, known callers, policies, a provable audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from governance.host.governance import Governance
    from governance.host.model import GovernedModel

__version__ = "0.1.0"
__all__ = ["Governance", "GovernedModel", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the host, and with it BentoML, at the first use: the command line needs neither."""
    if name == "Governance":
        from governance.host.governance import Governance

        return Governance
    if name == "GovernedModel":
        from governance.host.model import GovernedModel

        return GovernedModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
