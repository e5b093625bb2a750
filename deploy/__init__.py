"""Deployment on one machine: container image, compose file, Prometheus, Alertmanager, Grafana, and the runbook.

Alert rules and dashboards are in the Helm chart, `helm/bento-governance/files/`, because Helm reads nothing outside the
chart; the compose file and `local.sh` read them there.
"""
