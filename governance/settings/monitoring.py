"""What operators see: metrics, traces, and drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, IPvAnyNetwork, model_validator

from governance.settings.section import Name, Section


class MetricsSettings(Section):
    """Who may read `/metrics`. All others need a credential and a policy that permits the action `metrics`."""

    trusted_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks that may read `/metrics` without a credential. The address of the connection itself "
        "counts, whatever a header says, and a request that a proxy has forwarded never counts. Default: none.",
        examples=[["10.42.0.0/16"]],
    )


class TracingSettings(Section):
    """Where traces go. A collector that does not answer loses spans and never delays a request."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = Field(
        default=None,
        description="URL of an OTLP/HTTP collector. Default: no traces are made.",
        examples=["https://collector:4318/v1/traces"],
    )
    sampling_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of requests that are recorded, from 0 to 1.",
        examples=[0.01],
    )
    parent_based: bool = Field(
        default=True,
        description="Let a caller's `traceparent` header decide whether its request is recorded. With `false`, "
        "`sampling_ratio` decides for every request.",
        examples=[False],
    )
    service_name: Name | None = Field(
        default=None,
        description="Name of the service in traces. Default: the service's name.",
        examples=["digits-production"],
    )
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(
        default_factory=dict,
        description="Header fields for the collector, each with the URI (`file:` or `env:`) that holds its value. A "
        "value that cannot be read stops the start.",
        examples=[{"authorization": "file:collector.token"}],
    )
    ca_file: Path | None = Field(
        default=None,
        description="File with the certificate authorities (PEM) that verify the collector's certificate. Default: "
        "the usual public ones.",
        examples=["collector-ca.pem"],
    )
    queue: int = Field(
        default=2048,
        ge=512,
        description="Spans that may wait to be sent. Spans beyond that are dropped.",
        examples=[8192],
    )
    timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Seconds after which an attempt to send spans is given up.",
        examples=[10.0],
    )


class DriftSettings(Section):
    """How recent inputs and outputs of a model are compared with those of its validation."""

    directory: Path | None = Field(
        default=None,
        description="Folder in which workers of one machine share their counts, and which `bento-governance drift "
        "report` reads. Default: each worker judges on its own, and there is no report.",
        examples=["state/drift"],
    )
    window_items: int = Field(
        default=1000,
        ge=100,
        le=10_000_000,
        description="Size of the window: about this number of the latest items is compared with the validation.",
        examples=[5000],
    )
    window_seconds: float = Field(
        default=86_400.0,
        ge=10,
        description="Age, in seconds, at which an item leaves the window. Default: one day.",
        examples=[3600.0],
    )
    requests_per_second: float = Field(
        default=200.0,
        gt=0,
        description="Requests to one model that a worker counts in a second, about. Of more, a random part is counted.",
        examples=[1000.0],
    )
    least_items: int = Field(
        default=200,
        ge=50,
        description="With fewer items in the window, the state is always `steady`. At most nine tenths of "
        "`window_items`.",
        examples=[500],
    )
    false_alarms: float = Field(
        default=0.001,
        gt=0,
        le=0.1,
        description="Probability that one look raises the state of a model although nothing has changed.",
        examples=[0.0001],
    )
    refresh_seconds: float = Field(
        default=2.0,
        ge=0.1,
        le=60,
        description="Seconds between two looks.",
        examples=[10.0],
    )

    @model_validator(mode="after")
    def _can_be_filled(self) -> DriftSettings:
        if self.least_items > self.window_items * 0.9:
            raise ValueError("least_items is more than a window surely holds: nine tenths of window_items")
        return self
