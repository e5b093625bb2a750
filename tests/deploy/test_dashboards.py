"""The dashboards: current, well made, and every query of every panel answers with something."""

import json
import re

import promql_parser
import pytest

from deploy.prometheus.rules import ROOT
from helm.dashboards import FOLDER
from tests.deploy.conftest import eventually, watching
from tests.deploy.test_rules import known_metrics, metrics_of

# What is rightly empty at a real service of this test, by the metric that is missing, and why.
MISSING = {
    "governance_gpu_memory_bytes": "this machine has no GPU",
    "governance_gpu_utilization_ratio": "this machine has no GPU",
    "governance_drift_failures_total": "it begins with the first item that drift cannot look at, and there is none",
}
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m", "$job": ".*", "$instance": ".*", "$model": ".*"}
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / FOLDER).glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries():
    """Yield dashboard, panel and expression of every query, those of annotations included; variables are substituted."""
    for name, dashboard in DASHBOARDS.items():
        found = [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]
        found += [(f"annotation {note['name']}", note["expr"]) for note in dashboard["annotations"]["list"]]
        for title, expression in found:
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)  # noqa: PLW2901
            yield name, title, expression


def without_a_default(expression):
    """Drop `or vector(0)`: with it a misspelt metric would look like one that is there."""
    return expression.removesuffix(" or vector(0)")


QUERIES = list(queries())


def test_there_are_five_and_each_knows_the_others():
    assert set(DASHBOARDS) == {"service", "security", "privacy", "audit", "models"}
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == 5
    for dashboard in DASHBOARDS.values():
        siblings, runbook = dashboard["links"]
        assert siblings["tags"] == dashboard["tags"] and siblings["includeVars"] and siblings["keepTime"]
        assert runbook["url"] == "${runbook}"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows(name):
    dashboard = DASHBOARDS[name]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) and 1 <= sum(panel["type"] == "row" for panel in dashboard["panels"]) <= 4
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        assert panel["title"] and panel["description"].endswith(".") and panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["noValue"]
        # No data source is named: whoever imports it chooses.
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fill_their_rows_and_do_not_overlap(name):
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
    assert len(cells) == 24 * height, "a hole"


def test_every_variable_that_is_used_is_declared_and_the_other_way_round():
    for name, dashboard in DASHBOARDS.items():
        declared = {variable["name"] for variable in dashboard["templating"]["list"]} - {"datasource", "runbook"}
        text = json.dumps([dashboard["panels"], dashboard["annotations"]])
        used = set(re.findall(r"\$(?!__)(\w+)", text))
        assert declared == used, name


def test_every_query_is_promql_over_metrics_that_exist():
    known = known_metrics() | {"ALERTS"}
    assert len(QUERIES) > 80
    for name, title, expression in QUERIES:
        assert "$" not in expression
        promql_parser.parse(expression)
        assert metrics_of(expression) <= known, (name, title, metrics_of(expression) - known)


def test_every_metric_of_the_catalogue_is_shown():
    from tests.deploy.catalogue import CATALOGUE

    shown = " ".join(expression for *_, expression in QUERIES)
    unseen = {metric.name for metric in CATALOGUE if metric.name not in shown}
    # How many keys end soon stands on the service's own page; here the earliest end says more.
    assert unseen == {"governance_build_info", "governance_expiring_soon", "governance_model_loads_total"}


@pytest.fixture(scope="module")
def prometheus(fake, tmp_path_factory):
    """Prometheus with the rules, watching an exporter that shows every metric of the catalogue."""
    with watching(tmp_path_factory.mktemp("prometheus"), fake[1]) as running:
        yield running


def empty_queries(prometheus):
    """Return the queries that answer with nothing; annotations are asked over a while, for they mark moments."""
    found = {}
    for name, title, expression in QUERIES:
        ask = prometheus.within if title.startswith("annotation") else prometheus.query
        if not ask(without_a_default(expression)):
            found[name, title] = expression
    return found


def test_every_query_answers_where_every_metric_is_shown(prometheus, fake):
    exporter, _ = fake

    def all_answer():
        exporter.live()
        return not empty_queries(prometheus)

    eventually(all_answer, every=1)
    assert empty_queries(prometheus) == {}


def test_a_misspelt_metric_would_be_found(prometheus):
    assert prometheus.query(without_a_default("sum(increase(governance_audit_failure_total[5m])) or vector(0)")) == []


def test_the_runbook_is_served_where_alerts_say_it_is(prometheus):
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
