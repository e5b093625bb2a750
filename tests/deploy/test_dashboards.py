"""The dashboards: complete, consistent, and every query of every panel returns data."""

import json
import re

import promql_parser
import pytest

from deploy.prometheus.rules import ROOT
from helm.dashboards import FOLDER
from tests.deploy.conftest import eventually, watching
from tests.deploy.test_rules import known_metrics, metrics_of

# Metrics that a real service of these tests does not expose, and why.
MISSING = {
    "governance_gpu_memory_bytes": "this machine has no GPU",
    "governance_gpu_utilization_ratio": "this machine has no GPU",
    "governance_drift_failures_total": "its first series appears with the first item that drift cannot process",
}
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m", "$job": ".*", "$instance": ".*", "$model": ".*"}
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / FOLDER).glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries():
    """Yield dashboard, panel and expression of every query, annotations included, with the variables replaced."""
    for name, dashboard in DASHBOARDS.items():
        found = [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]
        found += [(f"annotation {note['name']}", note["expr"]) for note in dashboard["annotations"]["list"]]
        for title, expression in found:
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)  # noqa: PLW2901
            yield name, title, expression


def without_a_default(expression):
    """Remove `or vector(0)`, which would hide a misspelt metric."""
    return expression.removesuffix(" or vector(0)")


QUERIES = list(queries())


def test_dashboards_are_five_and_link_to_each_other_and_the_runbook():
    assert set(DASHBOARDS) == {"service", "security", "privacy", "audit", "models"}
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == 5
    for dashboard in DASHBOARDS.values():
        siblings, runbook = dashboard["links"]
        assert siblings["tags"] == dashboard["tags"] and siblings["includeVars"] and siblings["keepTime"]
        assert runbook["url"] == "${runbook}"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_panels_have_title_description_unit_and_data_source(name):
    dashboard = DASHBOARDS[name]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) and 1 <= sum(panel["type"] == "row" for panel in dashboard["panels"]) <= 4
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        assert panel["title"] and panel["description"].endswith(".") and panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["noValue"]
        # The data source is a variable, which the user of an imported dashboard sets.
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_panels_fill_their_rows_without_overlap(name):
    cells = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & own, panel["title"]
        cells |= own
    height = max(y for _, y in cells) + 1
    assert len(cells) == 24 * height, "a gap between panels"


def test_dashboard_variables_are_declared_and_used():
    for name, dashboard in DASHBOARDS.items():
        declared = {variable["name"] for variable in dashboard["templating"]["list"]} - {"datasource", "runbook"}
        text = json.dumps([dashboard["panels"], dashboard["annotations"]])
        used = set(re.findall(r"\$(?!__)(\w+)", text))
        assert declared == used, name


def test_dashboard_queries_are_promql_over_existing_metrics():
    known = known_metrics() | {"ALERTS"}
    assert len(QUERIES) > 80
    for name, title, expression in QUERIES:
        assert "$" not in expression
        promql_parser.parse(expression)
        assert metrics_of(expression) <= known, (name, title, metrics_of(expression) - known)


def test_dashboards_show_every_metric_of_the_catalogue():
    from tests.deploy.catalogue import CATALOGUE

    shown = " ".join(expression for *_, expression in QUERIES)
    unseen = {metric.name for metric in CATALOGUE if metric.name not in shown}
    # The number of keys that expire soon is on the status page; the dashboards show the earliest expiry.
    assert unseen == {"governance_build_info", "governance_expiring_soon", "governance_model_loads_total"}


@pytest.fixture(scope="module")
def prometheus(fake, tmp_path_factory):
    """Prometheus with the rules; it scrapes a fake service that exposes every metric of the catalogue."""
    with watching(tmp_path_factory.mktemp("prometheus"), fake[1]) as running:
        yield running


def empty_queries(prometheus):
    """Return the queries without data. Annotations mark moments, so they are evaluated over a time range."""
    found = {}
    for name, title, expression in QUERIES:
        ask = prometheus.within if title.startswith("annotation") else prometheus.query
        if not ask(without_a_default(expression)):
            found[name, title] = expression
    return found


def test_dashboard_queries_return_data_if_every_metric_exists(prometheus, fake):
    exporter, _ = fake

    def all_answer():
        exporter.simulate_traffic()
        return not empty_queries(prometheus)

    eventually(all_answer, every=1)
    assert empty_queries(prometheus) == {}


def test_dashboard_query_of_a_misspelt_metric_returns_nothing(prometheus):
    assert prometheus.query(without_a_default("sum(increase(governance_audit_failure_total[5m])) or vector(0)")) == []


def test_runbook_page_is_served_at_the_url_in_the_alerts(prometheus):
    reply = prometheus.client.get("/api/v1/rules").json()["data"]["groups"]
    assert sum(rule["type"] == "alerting" for group in reply for rule in group["rules"]) > 30
    alerts = prometheus.client.get("/api/v1/alerts").json()["data"]["alerts"]
    path, anchor = alerts[0]["annotations"]["runbook_url"].split("/user/")[1].split("#")
    page = prometheus.client.get(f"/user/{path}")
    assert (
        page.status_code == 200
        and page.headers["content-type"].startswith("text/html")
        and f'id="{anchor}"' in page.text
    )
