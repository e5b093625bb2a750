"""The Helm chart and the programs that generate its files.

`bento-governance/` is the chart itself; Helm reads nothing outside it. `dashboards/` generates the chart's Grafana
dashboards, `values/` its values schema and the table of values in its README.
"""
