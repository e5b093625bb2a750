"""What operators see: metrics, traces, and drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, IPvAnyNetwork, model_validator

from governance.settings.section import Name, Section


class MetricsSettings(Section):
    """Who may read `/metrics` without a credential: whose own address (the socket's, whatever a header says) is in one
    of these networks, and whose request was not forwarded by a proxy. All others need the policy's permit."""

    trusted_networks: tuple[IPvAnyNetwork, ...] = ()


class TracingSettings(Section):
    """Where traces go: an OTLP/HTTP collector's URL, such as `https://collector:4318/v1/traces`; without it, nowhere.

    Of requests whose caller says nothing about it, the share `sampling_ratio` is recorded; with `parent_based`, a
    caller's own `traceparent` decides for its requests. `headers` name where each field's value lies, by the URI of a
    key: `{authorization = "file:collector.token"}`. `queue` spans wait at most; what does not fit is dropped.
    """

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    sampling_ratio: float = Field(default=0.1, ge=0, le=1)
    parent_based: bool = True
    service_name: Name | None = None
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(default_factory=dict)
    ca_file: Path | None = None
    queue: int = Field(default=2048, ge=512)
    timeout_seconds: float = Field(default=5.0, gt=0)


class DriftSettings(Section):
    """How what models see is compared with what they were validated on.

    A window is the last `window_items` items, none older than `window_seconds`; nothing is said of fewer than
    `least_items`. `false_alarms` is how likely chance alone may raise anything of a model in one look. In `directory`
    lie the windows' counts, by which the workers of one machine know each other's, and which
    `bento-governance drift report` reads; without it each worker judges alone.
    """

    directory: Path | None = None
    window_items: int = Field(default=1000, ge=100, le=10_000_000)
    window_seconds: float = Field(default=86_400.0, ge=10)
    least_items: int = Field(default=200, ge=50)
    false_alarms: float = Field(default=0.001, gt=0, le=0.1)
    refresh_seconds: float = Field(default=2.0, ge=0.1, le=60)

    @model_validator(mode="after")
    def _can_be_filled(self) -> DriftSettings:
        if self.least_items > self.window_items * 0.9:
            raise ValueError("least_items is more than a window surely holds: nine tenths of window_items")
        return self
