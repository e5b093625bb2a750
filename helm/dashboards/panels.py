"""Panels, rows and dashboards as plain values, and one function for each kind of panel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

GREEN, AMBER, RED, BLUE = "green", "orange", "red", "blue"

# Texts and colours of gauges whose numbers are states.
ON_OFF = {0: ("no", GREEN), 1: ("YES", RED)}
READY = {0: ("not ready", RED), 1: ("ready", GREEN)}
DRIFT = {0: ("steady", GREEN), 1: ("watch", AMBER), 2: ("drifted", RED)}


class Query(NamedTuple):
    """A PromQL query and the legend of its series, such as `{{model}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: a title, a description that says what is normal, and its queries.

    `limits` are the values from which the panel is amber, then red; with `good_above` they are the values from which it
    is amber, then green. `states` are texts and colours for whole numbers. `columns` maps labels to a table's column
    titles. `none` is shown where a query returns nothing. `width` is in 24ths of the row, `height` in grid units.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    kind: Literal["stat", "timeseries", "heatmap", "timeline", "table"]
    unit: str = "short"
    limits: tuple[float, ...] = ()
    good_above: bool = False
    states: dict[int, tuple[str, str]] = field(default_factory=dict)
    width: int = 8
    height: int = 8
    stacked: bool = False
    none: str = "none yet"
    columns: dict[str, str] = field(default_factory=dict)
    decimals: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: `name` is its file name and the end of its uid; `by_model` adds a variable for the model."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    by_model: bool = False


def stat(title: str, description: str, query: str | Query, **options: Any) -> Panel:
    """Return a panel that shows the last value as a number, five grid units high.

    Args:
        title: the panel's title.
        description: what the number is, and what is normal.
        query: the PromQL query.
        options: other fields of `Panel`.
    """
    queries = (query if isinstance(query, Query) else Query(query),)
    return Panel(title, description, queries, "stat", **{"height": 5, **options})


def graph(title: str, description: str, *queries: Query, **options: Any) -> Panel:
    """Return a panel that shows lines over time.

    Args:
        title: the panel's title.
        description: what the lines are, and what is normal.
        queries: the PromQL queries with the legends of their series.
        options: other fields of `Panel`.
    """
    return Panel(title, description, queries, "timeseries", **options)


def heatmap(title: str, description: str, query: str, **options: Any) -> Panel:
    """Return a panel that shows the buckets of a histogram over time.

    Args:
        title: the panel's title.
        description: what is counted, and what is normal.
        query: a query that returns one series for each `le`.
        options: other fields of `Panel`.
    """
    return Panel(title, description, (Query(query, "{{le}}"),), "heatmap", **options)


def timeline(title: str, description: str, query: Query, **options: Any) -> Panel:
    """Return a panel that shows states over time; `states` is required.

    Args:
        title: the panel's title.
        description: what the states mean.
        query: a query whose values are the numbers of `states`.
        options: other fields of `Panel`.
    """
    return Panel(title, description, (query,), "timeline", **options)


def table(title: str, description: str, query: str, columns: dict[str, str], **options: Any) -> Panel:
    """Return a panel that shows one row for each series.

    Args:
        title: the panel's title.
        description: what a row is, and what is normal.
        query: the PromQL query, evaluated once.
        columns: labels to their column titles, in their order, and `Value` for the number; other labels are hidden.
        options: other fields of `Panel`.
    """
    return Panel(title, description, (Query(query),), "table", columns=columns, **options)
