"""Plugins connect one domain package (access, audit, ...) to the request pipeline; they never import each other.

One module or folder for each plugin; read `governance/contract/plugin.py` first. They must not know BentoML or an ASGI
server. The built-in plugins are listed here and in the entry-point group `bento_governance.plugins`, since a
built bento contains this package as source, without the metadata of an installed distribution.
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
