"""Writes the cases as test files for `promtool test rules` (Prometheus documentation, "Unit testing for rules")."""

from __future__ import annotations

import re
from typing import Any

import yaml

from deploy.prometheus.cases import CASES
from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.rules import RULES, alerts, rule_groups

FOLDER = "deploy/prometheus/tests"
# From the folder of the tests to that of the rules.
RULES_FROM_TESTS = "../../../helm/bento-governance/files/rules"
HEAD = (
    "# Generated from deploy/prometheus/cases/ by `make generate`: change it there.\n"
    "# Run: promtool test rules deploy/prometheus/tests/*.yaml\n"
)


def files() -> dict[str, str]:
    """Return promtool's test files by path: `…/slo.yaml`, and `…/slo-every-5m.yaml` for cases with that step."""
    rules = alerts()
    tests: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for case in CASES:
        rule = rules[case.alert]
        tests.setdefault((rule["file"], case.step), []).extend(_tests(case, rule))
    return {_path(area, step): _text(area, step, written) for (area, step), written in tests.items()}


def _path(area: str, step: int) -> str:
    return f"{FOLDER}/{area}.yaml" if step == 1 else f"{FOLDER}/{area}-every-{step}m.yaml"


def _text(area: str, step: int, tests: list[dict[str, Any]]) -> str:
    names = ("thresholds", area)
    document = {
        "rule_files": [f"{RULES_FROM_TESTS}/{name}.yaml" for name in names],
        "evaluation_interval": f"{step}m",
        # Groups read the records of the groups before them.
        "group_eval_order": [group["name"] for name in names for group in rule_groups(RULES / f"{name}.yaml")],
        "tests": tests,
    }
    text: str = yaml.safe_dump(document, sort_keys=False, width=1000)
    return HEAD + text


def _tests(case: Case, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one test above the boundary, and one for each way to stay below it."""
    tests = []
    if case.fires_at > case.silent_at:
        checks = [_check(case, case.silent_at), _check(case, case.fires_at, _expected(case, rule))]
        if case.resolved_at is not None:
            checks.append(_check(case, case.resolved_at))
        tests.append(_test(f"{case.alert} fires", case.above, checks))
    at = case.fires_at if case.below_at is None else case.below_at
    for series in (case.below, *case.also_silent):
        tests.append(_test(f"{case.alert} does not fire", series, [_check(case, at)]))
    return tests


def _test(name: str, series: Series, checks: list[dict[str, Any]]) -> dict[str, Any]:
    inputs = [{"series": key, "values": values} for key, values in series.items()]
    return {"name": name, "interval": "1m", "input_series": inputs, "alert_rule_test": checks}


def _check(case: Case, minute: int, *expected: dict[str, Any]) -> dict[str, Any]:
    return {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": list(expected)}


def _expected(case: Case, rule: dict[str, Any]) -> dict[str, Any]:
    labels = {name: text for name, text in {"job": "governance", **case.labels}.items() if text}
    annotations = {name: rendered(text, labels, case.value) for name, text in rule["annotations"].items()}
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": annotations}


def rendered(text: str, labels: dict[str, str], value: str) -> str:
    """Fill in an annotation as Prometheus does.

    Args:
        text: the annotation's template.
        labels: the alert's labels.
        value: the alert's value, as the template's function prints it.

    Example:
        `rendered("{{ $labels.job }}: {{ $value | humanize }}", {"job": "a"}, "1.5")` is `a: 1.5`.
    """
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", value, text).replace("{{ $externalURL }}", "")
