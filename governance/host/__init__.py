"""The host: the only package that imports BentoML; it puts the gate in front of a service."""

from governance.host.governance import Governance, GovernedModel

__all__ = ["Governance", "GovernedModel"]
