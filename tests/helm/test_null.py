"""A value that null removes: Helm drops it, and a template would read it as 0, false or an empty text."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "bento-governance"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
MINIMAL = CHART / "ci" / "minimal-values.yaml"
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Tables whose keys the user chooses, so none can be required: a label of a ConfigMap, and Kubernetes' own affinity.
FREE = (("dashboards", "labels"), ("affinity", "nodeAffinity"))


def paths(tree, prefix=()):
    for key, value in tree.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, key))


def is_free(path):
    return any(path[: len(free)] == free and len(path) > len(free) for free in FREE)


def with_null(path):
    tree = None
    for key in reversed(path):
        tree = {key: tree}
    return tree


def coalesced(values, defaults):
    """Merge values over defaults as Helm does: null removes a default, and stays where there is none."""
    merged = dict(defaults)
    for key, value in values.items():
        if value is None and key in defaults:
            merged.pop(key)
        elif isinstance(value, dict):
            below = defaults.get(key)
            merged[key] = coalesced(value, below if isinstance(below, dict) else {})
        else:
            merged[key] = value
    return merged


def overwritten(values, path):
    key, *rest = path
    return {**values, key: overwritten(values[key], rest) if rest else None}


def test_every_value_of_the_chart_that_null_removes_is_refused(helm, tmp_path):
    def rendered(path):
        file = tmp_path / f"{'.'.join(path).replace('/', '_')}.yaml"
        file.write_text(yaml.safe_dump(with_null(path)))
        try:
            helm.template("-f", MINIMAL, "-f", file)
        except Exception as refusal:
            return "don't meet the specifications of the schema" not in str(refusal)
        return True

    tried = [path for path in paths(DEFAULTS) if not is_free(path)]
    with ThreadPoolExecutor(2) as pool:
        survivors = [path for path, done in zip(tried, pool.map(rendered, tried), strict=True) if done]
    assert len(tried) > 150 and survivors == []


@pytest.mark.parametrize("file", CI, ids=lambda file: file.stem)
def test_every_value_of_a_user_that_null_removes_is_refused(file):
    given = yaml.safe_load(file.read_text())
    validator = jsonschema.Draft7Validator(SCHEMA)
    assert validator.is_valid(coalesced(given, DEFAULTS))
    tried = [path for path in paths(given) if not is_free(path)]
    survivors = [path for path in tried if validator.is_valid(coalesced(overwritten(given, path), DEFAULTS))]
    assert tried and survivors == []


def test_a_label_that_null_removes_is_only_a_label(helm):
    watched = CHART / "ci" / "watched-values.yaml"
    whole = helm.template("-f", watched)
    less = helm.template("-f", watched, "--set", "dashboards.labels.grafana_dashboard=null")
    assert [d for d in whole if "-dashboard-" not in d["metadata"]["name"]] == [
        d for d in less if "-dashboard-" not in d["metadata"]["name"]
    ]
