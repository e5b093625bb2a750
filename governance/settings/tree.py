"""The whole configuration: every section by its name in `governance.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from governance.settings.access import GrantSettings, LimitsSettings, PolicySettings, StopSettings
from governance.settings.audit import AuditSettings
from governance.settings.connections import HttpSettings, LogSettings
from governance.settings.identity import IdentitySettings
from governance.settings.mistakes import Sources
from governance.settings.models import ArtifactSettings, ModelSettings, RuntimeSettings
from governance.settings.monitoring import DriftSettings, MetricsSettings, TracingSettings
from governance.settings.privacy import PrivacySettings
from governance.settings.section import Name, Section
from governance.settings.service import CorsSettings, RouteSettings, ServiceSettings


class Settings(Section):
    """The configuration of one service.

    Use `load_settings` to make one: it applies the environment and makes every path absolute.
    """

    service: ServiceSettings = Field(description="The service itself. Required.")
    models: dict[Name, ModelSettings] = Field(
        default_factory=dict, description="Models to serve, by the name that callers use."
    )
    artifacts: ArtifactSettings | None = Field(
        default=None, description="Trust and the key for sealed artifacts. Needed wherever there are models."
    )
    runtime: RuntimeSettings = Field(default=RuntimeSettings(), description="Where models run. Default: on the CPU.")
    identity: IdentitySettings | None = Field(
        default=None, description="Authentication. Needed by the plugin `identity`."
    )
    policy: PolicySettings | None = Field(default=None, description="Cedar policies. Needed by the plugin `policy`.")
    break_glass: GrantSettings | None = Field(
        default=None, description="Emergency grants, for the plugin `policy`. Default: none are valid."
    )
    stop: StopSettings | None = Field(default=None, description="The kill switch. Needed by the plugin `stop`.")
    limits: LimitsSettings = Field(default=LimitsSettings(), description="Limits, for the plugin `limits`.")
    audit: AuditSettings | None = Field(default=None, description="The audit log. Needed by the plugin `audit`.")
    metrics: MetricsSettings = Field(default=MetricsSettings(), description="Metrics, for the plugin `metrics`.")
    tracing: TracingSettings = Field(default=TracingSettings(), description="Traces. Default: none are made.")
    privacy: PrivacySettings = Field(
        default=PrivacySettings(), description="Personal data, for the plugin `privacy`. Default: none is declared."
    )
    drift: DriftSettings = Field(default=DriftSettings(), description="Drift of models, for the plugin `drift`.")
    routes: tuple[RouteSettings, ...] = Field(
        default=(),
        description="The service's own routes that callers may use; each is one `[[routes]]`. Default: none is open.",
    )
    cors: CorsSettings | None = Field(
        default=None, description="Pages of other origins. Default: none may read answers."
    )
    http: HttpSettings = Field(default=HttpSettings(), description="HTTP connections, and the end of a worker.")
    logs: LogSettings = Field(default=LogSettings(), description="What the console shows.")
    plugins: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="Settings of plugins from other packages, as `[plugins.NAME]`. The plugin's own model validates "
        "them when the service starts; a section of a plugin that `service.plugins` does not name stops the start.",
        examples=[{"greeting": {"word": "hello"}}],
    )
    # The folder of the settings file, against which relative paths are resolved.
    _folder: Path = PrivateAttr(default=Path())
    _sources: Sources = PrivateAttr(default=Sources())

    @model_validator(mode="after")
    def _tracing_is_named(self) -> Settings:
        if self.tracing.endpoint is not None and "tracing" not in self.service.plugins:
            raise ValueError("[tracing] has an endpoint, and [service] plugins does not name 'tracing': put it first")
        return self
