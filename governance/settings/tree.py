"""The whole configuration: every section by its name in `governance.toml`."""

from __future__ import annotations

from pydantic import Field

from governance.settings.access import GrantSettings, LimitsSettings, PolicySettings, StopSettings
from governance.settings.audit import AuditSettings
from governance.settings.identity import IdentitySettings
from governance.settings.models import ArtifactSettings, ModelSettings, RuntimeSettings
from governance.settings.monitoring import DriftSettings, MetricsSettings, TracingSettings
from governance.settings.privacy import PrivacySettings
from governance.settings.section import Name, Section
from governance.settings.service import RouteSettings, ServiceSettings


class Settings(Section):
    """Everything. Built by `load_settings` alone, so that paths are absolute and the environment is in."""

    service: ServiceSettings
    models: dict[Name, ModelSettings] = Field(default_factory=dict)
    artifacts: ArtifactSettings | None = None
    runtime: RuntimeSettings = RuntimeSettings()
    identity: IdentitySettings | None = None
    policy: PolicySettings | None = None
    break_glass: GrantSettings | None = None
    stop: StopSettings | None = None
    limits: LimitsSettings = LimitsSettings()
    audit: AuditSettings | None = None
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    privacy: PrivacySettings = PrivacySettings()
    drift: DriftSettings = DriftSettings()
    routes: tuple[RouteSettings, ...] = ()
