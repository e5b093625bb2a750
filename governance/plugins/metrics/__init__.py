"""The metrics plugin: what happened to every request, for Prometheus."""

from governance.plugins.metrics.plugin import MetricsPlugin

__all__ = ["MetricsPlugin"]
