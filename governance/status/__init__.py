"""The status page: what an operator asks first, for those without Grafana."""
