"""The five Grafana dashboards as code; `make generate` writes their JSON to `helm/bento-governance/files/dashboards/`.

Read `panels.py` first (the kinds of panels), then `queries.py` (PromQL that panels share), then one dashboard, such as
`service.py`. `grafana.py` alone knows the Grafana SDK. The chart mounts the JSON files on a cluster,
`deploy/compose.yaml` mounts the same files on one machine.
"""

from __future__ import annotations

from helm.dashboards import audit, models, privacy, security, service
from helm.dashboards.grafana import dashboard_json

FOLDER = "helm/bento-governance/files/dashboards"
DASHBOARDS = (service.DASHBOARD, security.DASHBOARD, privacy.DASHBOARD, audit.DASHBOARD, models.DASHBOARD)


def files() -> dict[str, str]:
    """Return the JSON text of each dashboard by its path relative to the repository's root."""
    return {f"{FOLDER}/{dashboard.name}.json": dashboard_json(dashboard) for dashboard in DASHBOARDS}
