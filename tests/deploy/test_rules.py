"""The alert rules: valid, tested on both sides of every boundary, and explained in the runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest

from deploy.prometheus.cases import CASES
from deploy.prometheus.cases.promtool import FOLDER
from deploy.prometheus.rules import ROOT, RULES, alerts, all_rules
from deploy.prometheus.runbook import PAGE, SOURCE, anchor
from tests.deploy.catalogue import CATALOGUE
from tests.deploy.conftest import need

ALERTS = alerts()
PROMTOOL_TESTS = ROOT / FOLDER
FOREIGN = {"up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}


def metrics_of(query):
    """Return the names of all metrics in a query; fail if it is not valid PromQL."""
    promql_parser.parse(query)
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", query)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^}]*\}", "", text)
    return set(re.findall(r"\b(?:governance|kubelet)[_:][A-Za-z0-9_:]+|\bup\b", text))


def known_metrics():
    known = set(FOREIGN) | {rule["record"] for rule in all_rules() if "record" in rule}
    for metric in CATALOGUE:
        known |= (
            {metric.name + part for part in ("_bucket", "_sum", "_count")}
            if metric.kind == "histogram"
            else {metric.name}
        )
    return known


def promtool(*arguments):
    need("promtool")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_rules_pass_promtool():
    status, said = promtool("check", "rules", *sorted(RULES.glob("*.yaml")))
    assert status == 0, said


def test_prometheus_configuration_passes_promtool(tmp_path):
    """Its absolute paths of the container are replaced by those of the test."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    (tmp_path / "prometheus.api-key").write_text("key")
    text = text.replace("/etc/prometheus/rules/", f"{RULES}/").replace(
        "/run/secrets/prometheus_api_key", f"{tmp_path}/prometheus.api-key"
    )
    (tmp_path / "prometheus.yml").write_text(text)
    status, said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert status == 0 and f"{len(list(RULES.glob('*.yaml')))} rule files found" in said, said


def test_alerts_have_cases_on_both_sides_of_their_boundary():
    for name, rule in ALERTS.items():
        cases = [case for case in CASES if case.alert == name]
        fires = [case for case in cases if case.fires_at > case.silent_at]
        assert fires and any(case.below for case in fires), name
        # `for` is part of the boundary: one evaluation before it has passed, the alert must not fire.
        hold = int(re.match(r"\d+", rule.get("for", "0"))[0]) * (60 if rule.get("for", "").endswith("h") else 1)
        assert any(case.fires_at - case.silent_at == case.step and case.fires_at >= hold for case in fires), name


def test_alerts_fire_and_do_not_fire_as_their_cases_say():
    status, said = promtool("test", "rules", *sorted(PROMTOOL_TESTS.glob("*.yaml")))
    assert status == 0, said


@pytest.mark.parametrize(("threshold", "moved", "file"), [("shed_ratio", "0.0102", "capacity"), ("shed_ratio", "0.0098", "capacity"), ("latency_objective", "0.9897", "slo")])  # fmt: skip
def test_rule_tests_fail_if_a_threshold_is_moved(tmp_path, threshold, moved, file):
    """A change of a threshold by two percent, up or down, makes promtool fail."""
    rules, tests = tmp_path / RULES.relative_to(ROOT), tmp_path / FOLDER
    shutil.copytree(RULES, rules)
    thresholds = rules / "thresholds.yaml"
    thresholds.write_text(re.sub(rf"({threshold}\", expr: vector)\([^)]*\)", rf"\1({moved})", thresholds.read_text()))
    tests.mkdir(parents=True)
    shutil.copy(PROMTOOL_TESTS / f"{file}.yaml", tests)
    status, said = promtool("test", "rules", tests / f"{file}.yaml")
    assert status != 0 and "FAILED" in said


def test_rule_queries_use_only_existing_metrics():
    known = known_metrics()
    for rule in all_rules():
        used = metrics_of(rule["expr"])
        assert used <= known, (rule, used - known)
        assert used or rule["record"].startswith("governance:threshold:")


def test_thresholds_are_each_used_by_an_alert():
    used = " ".join(rule["expr"] for rule in all_rules() if "alert" in rule)
    names = [rule["record"] for rule in all_rules() if rule.get("record", "").startswith("governance:threshold:")]
    assert len(names) > 20 and [name for name in names if name not in used] == []


def test_alerts_have_severity_summary_description_and_runbook_url():
    assert len(ALERTS) > 30
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info") and rule["labels"]["area"] == rule["file"]
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"} and len(notes["summary"]) < 130
        assert notes["runbook_url"].endswith(f"RUNBOOK.html#{anchor(name)}")
        # A number with ten digits is hard to read in a notification.
        for shown in re.findall(r"\{\{ \$value[^}]*\}\}", " ".join(notes.values())):
            assert "humanize" in shown or name == "GovernanceModelVersionsDiffer"


def sections():
    parts = re.split(r"^### (.*)$", SOURCE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_runbook_has_one_heading_for_each_alert():
    assert set(sections()) == set(ALERTS)


def test_runbook_headings_have_meaning_first_look_and_remedy():
    for name, text in sections().items():
        meaning, look, remedy = (text.index(f"**{word}.**") for word in ("Meaning", "First look", "Remedy"))
        assert 0 < meaning < look < remedy < len(text) - 40, name
        lines = re.search(r"```\n(.*?)```", text, re.DOTALL)[1].splitlines()
        queries = [line for line in lines if not line.startswith("#")]
        assert queries
        for query in queries:
            assert metrics_of(query) <= known_metrics(), (name, query)


def test_runbook_links_lead_to_headings():
    headings = {anchor(text) for text in re.findall(r"^#+ (.*)$", SOURCE.read_text(), re.MULTILINE)}
    links = re.findall(r"\]\(#([^)]*)\)", SOURCE.read_text())
    assert links and set(links) <= headings


def test_runbook_page_has_an_anchor_for_each_alert():
    html = PAGE.read_text()
    for name in ALERTS:
        assert f'<h3 id="{anchor(name)}">' in html


def test_deploy_files_contain_no_path_of_a_machine():
    for file in Path(ROOT / "deploy").rglob("*"):
        if file.is_file() and file.suffix in (".yaml", ".yml", ".md", ".json", ".sh", ".html"):
            assert not re.search(r"/(work|root|home)/", file.read_text()), file
