"""Every metric says what it means, and is on the page with its labels and buckets."""

import pytest

from governance.contract.measurements import Metric
from governance.plugins.metrics.table import PREFIX, TABLE
from tools.reference.metrics import metrics_page


def faults(metric: Metric) -> list[str]:
    found = []
    if not metric.help.endswith("."):
        found.append("no sentence")
    if (metric.kind == "histogram") != bool(metric.buckets):
        found.append("buckets")
    if (metric.kind == "counter") != metric.name.endswith("_total"):
        found.append("name")
    return found


@pytest.mark.parametrize("name", TABLE)
def test_metrics_reference_every_metric_is_documented(name):
    assert faults(TABLE[name]) == []
    assert f"| `{PREFIX}{name}` | " in metrics_page()
    assert all(f"`{label}`" in metrics_page() for label in TABLE[name].labels)


def test_metrics_reference_check_detects_an_undocumented_metric():
    assert faults(Metric("x_total", "counter", (), "")) == ["no sentence"]
    assert faults(Metric("x", "counter", (), "X.")) == ["name"]
    assert faults(Metric("x_seconds", "histogram", (), "X.")) == ["buckets"]
