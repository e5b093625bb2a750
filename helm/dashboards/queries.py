"""PromQL that the panels share: selectors of the dashboard's variables, and rates, increases and quantiles."""

from __future__ import annotations

JOB = 'job=~"$job"'
INSTANCE = f'{JOB},instance=~"$instance"'
MODEL = f'{INSTANCE},model=~"$model"'
INTERVAL = "$__rate_interval"


def rate(metric: str, by: str, selector: str = INSTANCE) -> str:
    """Return the query for a counter's rate per second, summed by labels.

    Args:
        metric: the counter's name without the prefix `governance_`.
        by: labels to keep, such as `"outcome, reason"`.
        selector: label matchers, without braces.

    Example:
        `rate("shed_total", "reason", 'job="a"')` is
        `sum by (reason) (rate(governance_shed_total{job="a"}[$__rate_interval]))`.
    """
    return f"sum by ({by}) (rate(governance_{metric}{{{selector}}}[{INTERVAL}]))"


def increase(metric: str, selector: str = INSTANCE) -> str:
    """Return the query for a counter's increase over the dashboard's time range; 0 if it has no series."""
    return f"sum(increase(governance_{metric}{{{selector}}}[$__range])) or vector(0)"


def increase_by(metric: str, by: str, selector: str = INSTANCE) -> str:
    """Return the query for a counter's increase over the dashboard's time range, summed by labels."""
    return f"sum by ({by}) (increase(governance_{metric}{{{selector}}}[$__range]))"


def quantile(share: float, histogram: str, by: str = "", selector: str = INSTANCE) -> str:
    """Return the query for a histogram's quantile.

    Args:
        share: the quantile, 0 to 1.
        histogram: the histogram's name without the prefix `governance_`.
        by: labels to keep; none by default.
        selector: label matchers, without braces.
    """
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate(governance_{histogram}_bucket{{{selector}}}[{INTERVAL}]))"
    return f"histogram_quantile({share}, {buckets})"


def buckets(histogram: str, selector: str = INSTANCE) -> str:
    """Return the query for a heatmap of a histogram: the increase of each bucket."""
    return f"sum by (le) (increase(governance_{histogram}_bucket{{{selector}}}[{INTERVAL}]))"
