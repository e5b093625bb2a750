"""The few kinds of panels that all dashboards are made of, so that equal things look equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, AMBER, RED, BLUE = "green", "orange", "red", "blue"
WIDTH = 24

# The first event of its kind is a new series, and has no increase yet.
EVENTS = """sum by (event, outcome) (
  (increase(governance_events_total{job=~"$job"}[$__rate_interval]) > 0)
  or (governance_events_total{job=~"$job"} > 0 unless governance_events_total{job=~"$job"} offset $__rate_interval)
)"""

Query = tuple[str, str]
"""A query, and how its series are called in the legend."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it shows, and what a person should think of it.

    `limits` are values from which on it is amber, and red (or green and amber, if `good_above`); `states` are words and
    colours for whole numbers.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
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


def built(panel: Panel) -> Any:
    """Return the panel as the SDK's builder."""
    made = _MAKERS[panel.kind](panel)
    made = made.title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit)
    made = made.span(panel.width).height(panel.height).no_value(panel.none)
    if panel.decimals is not None:
        made = made.decimals(panel.decimals)
    instant = panel.kind == "table"
    for letter, (expression, legend) in zip("ABCDEFGH", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(expression).ref_id(letter).legend_format(legend).datasource(SOURCE)
        if panel.kind == "heatmap":
            target = target.format(prometheus_models.PromQueryFormat.HEATMAP).exemplar(True)
        elif instant:
            target = target.format(prometheus_models.PromQueryFormat.TABLE).instant()
        else:
            target = target.range()
        made = made.with_target(target)
    return made


def _limits(panel: Panel) -> dashboard.ThresholdsConfig:
    colours = (RED, AMBER, GREEN) if panel.good_above else (GREEN, AMBER, RED)
    # With one limit there is no amber: it is good, or it is not.
    colours = (colours[0], colours[-1]) if len(panel.limits) == 1 else colours
    steps = [models.Threshold(value=None, color=colours[0] if panel.limits else BLUE)]
    steps += [
        models.Threshold(value=limit, color=colour) for limit, colour in zip(panel.limits, colours[1:], strict=False)
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _states(panel: Panel) -> list[Any]:
    if not panel.states:
        return []
    options = {
        str(number): models.ValueMappingResult(text=text, color=colour, index=place)
        for place, (number, (text, colour)) in enumerate(panel.states.items())
    }
    return [models.ValueMap(options=options)]


def _stat(panel: Panel) -> Any:
    made = stat.Panel().thresholds(_limits(panel)).mappings(_states(panel))
    made = made.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    return (
        made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(kinds.BigValueGraphMode.NONE if panel.states else kinds.BigValueGraphMode.AREA)
        .color_mode(kinds.BigValueColorMode.VALUE)
    )


def _timeseries(panel: Panel) -> Any:
    made = timeseries.Panel().fill_opacity(10).line_width(1).show_points(kinds.VisibilityMode.NEVER)
    made = made.legend(
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(True)
    ).tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    if panel.stacked:
        made = made.fill_opacity(40).stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if panel.limits:
        style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        made = made.thresholds(_limits(panel)).thresholds_style(style)
    return made.min(0)


def _heatmap(panel: Panel) -> Any:
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Turbo").steps(64)
    axis = heatmap.YAxisConfig().unit(panel.unit).axis_placement(kinds.AxisPlacement.LEFT)
    return heatmap.Panel().calculate(False).color(colour).y_axis(axis).cell_gap(1).show_legend()


def _timeline(panel: Panel) -> Any:
    made = statetimeline.Panel().mappings(_states(panel)).thresholds(_limits(panel)).merge_values(True).fill_opacity(80)
    made = made.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    return made.show_value(kinds.VisibilityMode.AUTO).row_height(0.8)


def _table(panel: Panel) -> Any:
    """Rows are series, columns their labels by the names that `columns` gives; all others are left out."""
    made = table.Panel().thresholds(_limits(panel)).mappings(_states(panel))
    keep = "^(" + "|".join(panel.columns) + ")$"
    names = {"renameByName": panel.columns, "indexByName": {name: n for n, name in enumerate(panel.columns)}}
    made = made.with_transformation(
        models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"pattern": keep}})
    ).with_transformation(models.DataTransformerConfig(id_val="organize", options=names))
    if panel.limits or panel.states:
        cell = models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
        made = made.override_by_name(panel.columns["Value"], [cell])
    return made


_MAKERS = {"stat": _stat, "timeseries": _timeseries, "heatmap": _heatmap, "timeline": _timeline, "table": _table}


def query_variable(name: str, label: str, query: str) -> Any:
    """Return a variable that offers a label's values, all of them by default."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def built_dashboard(name: str, title: str, description: str, rows: Iterable[Row], *, by_model: bool) -> Any:
    """Return a whole dashboard: variables, links to its siblings and the runbook, events as annotations."""
    made = (
        dashboard.Dashboard(f"Governance / {title}")
        .uid(f"governance-{name}")
        .description(description)
        .tags(["bento-governance"])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(query_variable("job", "Service", "label_values(governance_build_info, job)"))
        .with_variable(
            query_variable("instance", "Instance", 'label_values(governance_build_info{job=~"$job"}, instance)')
        )
    )
    if by_model:
        made = made.with_variable(
            query_variable("model", "Model", 'label_values(governance_model_ready{job=~"$job"}, model)')
        )
    made = made.with_variable(dashboard.TextBoxVariable("runbook").label("Runbook").default_value("/user/RUNBOOK.html"))
    siblings = dashboard.DashboardLink("Governance").type(models.DashboardLinkType.DASHBOARDS)
    made = made.link(siblings.tags(["bento-governance"]).as_dropdown(False).include_vars(True).keep_time(True))
    runbook = dashboard.DashboardLink("Runbook").type(models.DashboardLinkType.LINK).url("${runbook}")
    made = made.link(runbook.icon("doc").target_blank(True).tooltip("What each alert means, and what to do"))
    for label, expression, colour in (
        ("Stops, policies, broken glass", EVENTS, BLUE),
        ("Alerts", 'max by (alertname, severity) (ALERTS{alertname=~"Governance.*",alertstate="firing",severity=~"critical|warning"})', RED),
    ):  # fmt: skip
        annotation = dashboard.AnnotationQuery().name(label).datasource(SOURCE).enable(True).icon_color(colour)
        made = made.annotation(annotation.expr(expression))
    # Numbers of their own, so that a link to one panel stays good until the panels' order changes.
    number = count(1)
    for row in rows:
        made = made.with_row(dashboard.Row(row.title).id(next(number)))
        for panel in row.panels:
            made = made.with_panel(built(panel).id(next(number)))
    return made.build()
