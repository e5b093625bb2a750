"""Thin doors from a craft to a request; no plugin knows another.

The built-in ones are listed here as well as in the entry-point group `bento_governance.plugins`, since a built
bento carries this package as source, without the metadata of an installed distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "audit": "governance.plugins.audit:AuditPlugin",
        "tracing": "governance.plugins.tracing:TracingPlugin",
        "metrics": "governance.plugins.metrics:MetricsPlugin",
        "identity": "governance.plugins.identity:IdentityPlugin",
        "stop": "governance.plugins.stop:StopPlugin",
        "limits": "governance.plugins.limits:LimitsPlugin",
        "policy": "governance.plugins.policy:PolicyPlugin",
        "privacy": "governance.plugins.privacy:PrivacyPlugin",
        "drift": "governance.plugins.drift:DriftPlugin",
    }
)
