"""The configuration of a service: `governance.toml`, overridden by `GOVERNANCE_<SECTION>__<KEY>` variables.

Settings are frozen, and an unknown key is an error. Paths in the file are relative to the file. Reading opens no key
and no model.

Reading order: `tree` (all sections), then `service`, `connections`, `models`, `identity`, `access`, `privacy`, `audit`,
`monitoring` (the sections by subject), `section` (their base class), `reading` (the file and the environment) and
`mistakes` (what is wrong with them, in words).

This package must not know HTTP, plugins, or what is done with a setting.
"""

from __future__ import annotations

from governance.settings.access import GrantSettings, LimitSettings, LimitsSettings, PolicySettings, StopSettings
from governance.settings.audit import AuditSettings
from governance.settings.connections import HttpSettings, LogSettings
from governance.settings.identity import CertificateSettings, IdentitySettings, IssuerSettings
from governance.settings.models import STORE_PREFIX, ArtifactSettings, ModelSettings, RuntimeSettings
from governance.settings.monitoring import DriftSettings, MetricsSettings, TracingSettings
from governance.settings.privacy import ImageSettings, PrivacyField, PrivacySettings, TextSettings
from governance.settings.reading import ENVIRONMENT_PREFIX, SETTINGS_VARIABLE, load_settings, plugin_settings
from governance.settings.section import Section
from governance.settings.service import DEFAULT_PLUGINS, CorsSettings, RouteSettings, ServiceSettings
from governance.settings.tree import Settings

__all__ = [
    "DEFAULT_PLUGINS",
    "ENVIRONMENT_PREFIX",
    "SETTINGS_VARIABLE",
    "STORE_PREFIX",
    "ArtifactSettings",
    "AuditSettings",
    "CertificateSettings",
    "CorsSettings",
    "DriftSettings",
    "GrantSettings",
    "HttpSettings",
    "IdentitySettings",
    "ImageSettings",
    "IssuerSettings",
    "LimitSettings",
    "LimitsSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "PolicySettings",
    "PrivacyField",
    "PrivacySettings",
    "RouteSettings",
    "RuntimeSettings",
    "Section",
    "ServiceSettings",
    "Settings",
    "StopSettings",
    "TextSettings",
    "TracingSettings",
    "load_settings",
    "plugin_settings",
]
