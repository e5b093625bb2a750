"""The table that the fake exporter, the rules and the dashboards are held to is what the service declares."""

from governance.plugins.metrics.table import PREFIX, TABLE
from tests.deploy.catalogue import CATALOGUE


def test_the_catalogue_is_what_the_metrics_plugin_declares():
    declared = {(PREFIX + metric.name, metric.kind, metric.labels) for metric in TABLE.values()}
    assert {(metric.name, metric.kind, metric.labels) for metric in CATALOGUE} == declared
    assert len(CATALOGUE) == len(TABLE)


def test_the_latency_objective_is_a_bucket():
    assert 0.25 in TABLE["request_seconds"].buckets
