"""The catalogue of metrics, which rules and dashboards are checked against, equals what the service declares."""

from governance.plugins.metrics.table import PREFIX, TABLE
from tests.deploy.catalogue import CATALOGUE


def test_catalogue_equals_the_metrics_that_the_plugin_declares():
    declared = {(PREFIX + metric.name, metric.kind, metric.labels) for metric in TABLE.values()}
    assert {(metric.name, metric.kind, metric.labels) for metric in CATALOGUE} == declared
    assert len(CATALOGUE) == len(TABLE)


def test_latency_objective_is_a_histogram_bucket():
    assert 0.25 in TABLE["request_seconds"].buckets
