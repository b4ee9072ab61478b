"""The kinds of panels. A section gives title, description, queries and unit; this module sets the looks and the wiring."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

import runbook_page

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
HERE = "/d/mcp-observability?${__url_time_range}&${datasource:queryparam}"
GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "#8e8e8e"
NO_TRAFFIC = "no traffic"

# A builder of any kind of panel. The builders share methods but no class.
Panel = Any


@dataclass
class Query:
    """One query; `legend` is the name of its series or, in a table, of its column."""

    expression: str
    legend: str = ""


@dataclass
class Column:
    """A column of a table: a query's value, or a label if `query` is empty."""

    name: str
    query: str = ""
    unit: str = "locale"
    decimals: int | None = None
    steps: list[tuple[float, str]] = field(default_factory=list)
    link: tuple[str, str] | None = None
    width: int | None = None
    mappings: dict[str, tuple[str, str]] = field(default_factory=dict)


def time_series(title: str, description: str, *queries: Query, unit: str, span: int = 8, height: int = 8,
                stacked: bool = False, no_value: str = NO_TRAFFIC, colors: dict[str, str] | None = None) -> Panel:
    """Lines over time, from zero; the keys of `colors` are regular expressions for the legend."""
    panel = (timeseries.Panel().unit(unit).min(0).line_width(1).fill_opacity(30 if stacked else 8)
             .show_points(looks.VisibilityMode.NEVER).span_nulls(False)
             .legend(common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.TABLE)
                     .placement(looks.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(True))
             .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)))
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    for pattern, color in (colors or {}).items():
        panel.override_by_regexp(pattern, [models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})])
    return _finish(panel, title, description, queries, span, height, no_value)


def number(title: str, description: str, query: Query, *, unit: str, span: int = 4, height: int = 4,
           steps: list[tuple[float, str]] | None = None, no_value: str = NO_TRAFFIC, decimals: int | None = None,
           mappings: dict[str, tuple[str, str]] | None = None) -> Panel:
    """One number with a sparkline; colored if it has thresholds."""
    panel = (stat.Panel().unit(unit).graph_mode(looks.BigValueGraphMode.AREA)
             .color_mode(looks.BigValueColorMode.BACKGROUND if steps else looks.BigValueColorMode.NONE)
             .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
             .thresholds(thresholds(steps or [], GREEN if steps else BLUE)))
    if decimals is not None:
        panel.decimals(decimals)
    if mappings:
        panel.mappings([value_map(mappings)])
    return _finish(panel, title, description, [query], span, height, no_value)


def ranking(title: str, description: str, query: Query, *, unit: str, span: int = 8, height: int = 8,
            no_value: str = NO_TRAFFIC, link: tuple[str, str] | None = None) -> Panel:
    """Bars in descending order, over the whole time range."""
    panel = (bargauge.Panel().unit(unit).min(0).orientation(looks.VizOrientation.HORIZONTAL)
             .display_mode(looks.BarGaugeDisplayMode.BASIC).value_mode(looks.BarGaugeValueMode.TEXT).show_unfilled(False)
             .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
             .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(BLUE)))
    if link:
        panel.data_links([data_link(*link)])
    return _finish(panel, title, description, [query], span, height, no_value, instant=True)


def rows(title: str, description: str, columns: list[Column], *, sort_by: str, span: int = 12, height: int = 9,
         no_value: str = NO_TRAFFIC) -> Panel:
    """A table over the whole time range. The columns without a query are labels, and are the key of a row."""
    keys = [column.name for column in columns if not column.query]
    values = [column for column in columns if column.query]
    panel = (table.Panel().cell_height(looks.TableCellHeight.SM).show_header(True)
             .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)]))
    names = {f"Value #{_reference(index)}": column.name for index, column in enumerate(values)}
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options={
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate([*keys, *names])},
        "renameByName": names,
    }))
    for column in columns:
        panel.override_by_name(column.name, _properties(column))
    queries = [Query(column.query, column.name) for column in values]
    return _finish(panel, title, description, queries, span, height, no_value, instant=True)


def states(title: str, description: str, *queries: Query, mappings: dict[str, tuple[str, str]], span: int = 12,
           height: int = 6, no_value: str) -> Panel:
    """States over time, one row per series."""
    panel = (statetimeline.Panel().show_value(looks.VisibilityMode.NEVER).merge_values(True).line_width(0)
             .fill_opacity(80).row_height(0.8).mappings([value_map(mappings)])
             .legend(common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.LIST)
                     .placement(looks.LegendPlacement.BOTTOM)))
    return _finish(panel, title, description, queries, span, height, no_value)


def alerting_at(panel: Panel, value: float) -> Panel:
    """Draws the threshold of an alert as a dashed line."""
    return (panel.thresholds(thresholds([(value, RED)], "transparent"))
            .thresholds_style(common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)))


def runbook(panel: Panel, alert: str) -> Panel:
    """Links to the alert's section in the runbook."""
    return panel.links([data_link(f"Runbook: {alert}", runbook_page.address(alert)).target_blank(True)])


def to_variable(variable: str, title: str, field_name: str = "") -> tuple[str, str]:
    """A link that sets a variable of this dashboard to the cell's value, or to another label of its row or series."""
    value = f"${{__field.labels.{field_name}}}" if field_name else "${__value.raw}"
    kept = "".join(f"&${{{name}:queryparam}}" for name in ("server", "method", "tool", "instance") if name != variable)
    return title, f"{HERE}{kept}&var-{variable}={value}"


def data_link(title: str, url: str) -> builders.DashboardLink:
    return builders.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url)


def thresholds(steps: list[tuple[float, str]], base: str) -> builders.ThresholdsConfig:
    found = [models.Threshold(None, base), *(models.Threshold(value, color) for value, color in steps)]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def value_map(texts: dict[str, tuple[str, str]]) -> models.ValueMap:
    return models.ValueMap({value: models.ValueMappingResult(text=text, color=color, index=index)
                            for index, (value, (text, color)) in enumerate(texts.items())})


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    """The looks of a column."""
    found: dict[str, object] = {}
    if column.query:
        found["unit"] = column.unit
    if column.decimals is not None or column.unit == "locale":
        found["decimals"] = column.decimals or 0
    if column.width:
        found["custom.width"] = column.width
    if column.steps:
        found["thresholds"] = thresholds(column.steps, "transparent").build()
        found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    if column.mappings:
        found["mappings"] = [value_map(column.mappings)]
        found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    if column.link:
        title, url = column.link
        found["links"] = [{"title": title, "url": url}]
    return [models.DynamicConfigValue(name, value) for name, value in found.items()]


def _reference(index: int) -> str:
    return chr(ord("A") + index)


def _finish(panel: Panel, title: str, description: str, queries, span: int, height: int, no_value: str,
            instant: bool = False) -> Panel:
    """Sets what all panels have."""
    panel.title(title).description(description).datasource(DATASOURCE).span(span).height(height).no_value(no_value)
    wired: Callable[[prometheus.Dataquery], Any] = prometheus.Dataquery.instant if instant else prometheus.Dataquery.range
    for index, query in enumerate(queries):
        target = prometheus.Dataquery().ref_id(_reference(index)).datasource(DATASOURCE).expr(query.expression)
        wired(target).legend_format(query.legend or "__auto")
        if isinstance(panel, table.Panel):
            target.format(PromQueryFormat.TABLE)
        panel.with_target(target)
    return panel
