"""Turns our dashboards into Grafana's JSON; the only module that knows the Grafana SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
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
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from helm.dashboards.panels import AMBER, BLUE, GREEN, RED, Dashboard, Panel, Row

# A variable, so that the reader of an imported dashboard chooses the data source.
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "bento-governance"

# The first event of a kind is a new series, which has no increase yet: the second half of the query finds it.
EVENTS = """sum by (event, outcome) (
  (increase(governance_events_total{job=~"$job"}[$__rate_interval]) > 0)
  or (governance_events_total{job=~"$job"} > 0 unless governance_events_total{job=~"$job"} offset $__rate_interval)
)"""
ALERTS = (
    'max by (alertname, severity) (ALERTS{alertname=~"Governance.*",alertstate="firing",severity=~"critical|warning"})'
)
ANNOTATIONS = (("Stops, policy changes, break-glass", EVENTS, BLUE), ("Alerts", ALERTS, RED))


def dashboard_json(described: Dashboard) -> str:
    """Return a dashboard as the JSON text that Grafana reads, with sorted keys so that changes are easy to review."""
    made = _with_rows(_with_annotations(_with_links(_with_variables(_empty(described), described))), described.rows)
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _empty(described: Dashboard) -> Any:
    return (
        dashboard.Dashboard(f"Governance / {described.title}")
        .uid(f"governance-{described.name}")
        .description(described.description)
        .tags([TAG])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
    )


def _with_variables(made: Any, described: Dashboard) -> Any:
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    made = made.with_variable(source)
    for name, label, query in _label_variables(described):
        made = made.with_variable(_label_variable(name, label, query))
    return made.with_variable(dashboard.TextBoxVariable("runbook").label("Runbook").default_value("/user/RUNBOOK.html"))


def _label_variables(described: Dashboard) -> Iterator[tuple[str, str, str]]:
    yield "job", "Service", "label_values(governance_build_info, job)"
    yield "instance", "Instance", 'label_values(governance_build_info{job=~"$job"}, instance)'
    if described.by_model:
        yield "model", "Model", 'label_values(governance_model_ready{job=~"$job"}, model)'


def _label_variable(name: str, label: str, query: str) -> Any:
    """Return a variable that offers a label's values; all of them are selected by default."""
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


def _with_links(made: Any) -> Any:
    """Add links to the other dashboards, with the same variables and time range, and to the runbook."""
    siblings = dashboard.DashboardLink("Governance").type(models.DashboardLinkType.DASHBOARDS)
    runbook = dashboard.DashboardLink("Runbook").type(models.DashboardLinkType.LINK).url("${runbook}")
    made = made.link(siblings.tags([TAG]).as_dropdown(False).include_vars(True).keep_time(True))
    return made.link(runbook.icon("doc").target_blank(True).tooltip("What each alert means, and what to do"))


def _with_annotations(made: Any) -> Any:
    for label, expression, colour in ANNOTATIONS:
        annotation = dashboard.AnnotationQuery().name(label).datasource(SOURCE).enable(True).icon_color(colour)
        made = made.annotation(annotation.expr(expression))
    return made


def _with_rows(made: Any, rows: Iterable[Row]) -> Any:
    """Add rows and panels; each gets its own number as id, so that a link to one panel stays valid."""
    number = count(1)
    for row in rows:
        made = made.with_row(dashboard.Row(row.title).id(next(number)))
        for panel in row.panels:
            made = made.with_panel(_panel(panel).id(next(number)))
    return made


def _panel(panel: Panel) -> Any:
    made = _MAKERS[panel.kind](panel)
    made = made.title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit)
    made = made.span(panel.width).height(panel.height).no_value(panel.none)
    if panel.decimals is not None:
        made = made.decimals(panel.decimals)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expression).ref_id(letter).legend_format(query.legend)
        made = made.with_target(_FORMATS.get(panel.kind, _as_lines)(target.datasource(SOURCE)))
    return made


def _as_lines(target: Any) -> Any:
    return target.range()


def _as_heatmap(target: Any) -> Any:
    return target.format(prometheus_models.PromQueryFormat.HEATMAP).exemplar(True)


def _as_table(target: Any) -> Any:
    return target.format(prometheus_models.PromQueryFormat.TABLE).instant()


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    colours = [RED, AMBER, GREEN] if panel.good_above else [GREEN, AMBER, RED]
    # A single limit separates good from bad, without amber.
    if len(panel.limits) == 1:
        colours.remove(AMBER)
    steps = [models.Threshold(value=None, color=colours[0] if panel.limits else BLUE)]
    steps += [
        models.Threshold(value=limit, color=colour) for limit, colour in zip(panel.limits, colours[1:], strict=False)
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mappings(panel: Panel) -> list[Any]:
    if not panel.states:
        return []
    options = {
        str(number): models.ValueMappingResult(text=text, color=colour, index=place)
        for place, (number, (text, colour)) in enumerate(panel.states.items())
    }
    return [models.ValueMap(options=options)]


def _threshold_colours() -> Any:
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _stat(panel: Panel) -> Any:
    made = stat.Panel().thresholds(_thresholds(panel)).mappings(_mappings(panel)).color_scheme(_threshold_colours())
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
        made = made.thresholds(_thresholds(panel)).thresholds_style(style)
    return made.min(0)


def _heatmap(panel: Panel) -> Any:
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Turbo").steps(64)
    axis = heatmap.YAxisConfig().unit(panel.unit).axis_placement(kinds.AxisPlacement.LEFT)
    return heatmap.Panel().calculate(False).color(colour).y_axis(axis).cell_gap(1).show_legend()


def _timeline(panel: Panel) -> Any:
    made = statetimeline.Panel().mappings(_mappings(panel)).thresholds(_thresholds(panel)).merge_values(True)
    made = made.fill_opacity(80).color_scheme(_threshold_colours())
    return made.show_value(kinds.VisibilityMode.AUTO).row_height(0.8)


def _table(panel: Panel) -> Any:
    made = table.Panel().thresholds(_thresholds(panel)).mappings(_mappings(panel))
    keep = "^(" + "|".join(panel.columns) + ")$"
    names = {"renameByName": panel.columns, "indexByName": {name: n for n, name in enumerate(panel.columns)}}
    made = made.with_transformation(
        models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"pattern": keep}})
    ).with_transformation(models.DataTransformerConfig(id_val="organize", options=names))
    if panel.limits or panel.states:
        cell = models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
        made = made.override_by_name(panel.columns["Value"], [cell])
    return made


_MAKERS: dict[str, Callable[[Panel], Any]] = {
    "stat": _stat,
    "timeseries": _timeseries,
    "heatmap": _heatmap,
    "timeline": _timeline,
    "table": _table,
}
_FORMATS: dict[str, Callable[[Any], Any]] = {"heatmap": _as_heatmap, "table": _as_table}
