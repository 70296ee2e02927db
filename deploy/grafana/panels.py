"""What a panel is here, and how it becomes Grafana's: few kinds, one look, a definition under every title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import bargauge, dashboard, heatmap, stat, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="guichet-prometheus")

GREEN, ORANGE, RED, BLUE, GREY = "#56A64B", "#FF9830", "#E02F44", "#3274D9", "#8E8E8E"
VIOLET, TEAL, PALE = "#8F3BB8", "#37A2A6", "#8AB8FF"
CALM = "text"  # a figure that is neither good nor bad

COLOURS: Mapping[str, str] = {
    "critical": RED, "high": ORANGE, "normal": BLUE, "low": PALE, "none": GREY,
    "available": GREEN, "at_capacity": ORANGE, "away": VIOLET, "finishing": BLUE, "outside_hours": PALE,
    "offline": GREY,
    "p50": BLUE, "p80": TEAL, "p90": ORANGE, "p99": RED,
    "within 1 h": GREEN, "within 1 h 30": BLUE, "within 24 h": GREY,
    "met": GREEN, "breached": RED, "canceled": GREY,
    "ingest": PALE, "classifier": VIOLET, "router": BLUE, "responder": TEAL,
    "posted": GREEN, "refused": RED, "needs_human": ORANGE, "manual_required": VIOLET, "unknown": GREY,
    "accepted": GREEN, "duplicate": GREY, "rejected": RED,
    "automatic": GREEN, "to_confirm": ORANGE, "set_aside": GREY,
}  # fmt: skip
"""A word has one colour, on every dashboard."""

Kind = Literal["stat", "lines", "stack", "bars", "heat"]
Step = tuple[float, str]
"""From this value on, this colour."""


@dataclass(frozen=True)
class Query:
    """What is asked of Prometheus, and what its answer is called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        description: what the figure means, so that two people read the same.
        unit: of Grafana's names: "s", "percentunit", "short", "suffix:/min".
        steps: a stat and a bar take these colours; lines show them as dashes.
    """

    kind: Kind
    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    steps: Sequence[Step] = ()
    base: str = CALM
    width: int = 12
    height: int = 9
    most: float | None = None
    empty: str = "no data"


def stat_of(
    title: str, description: str, expr: str, *, unit: str = "short", steps: Sequence[Step] = (), base: str = CALM,
    empty: str = "no data",
) -> Panel:  # fmt: skip
    """One of the six figures of the first row."""
    return Panel("stat", title, description, [Query(expr, title)], unit, steps, base, width=4, height=4, empty=empty)


def built(panel: Panel) -> Builder[model.Panel]:
    """As Grafana's SDK has it."""
    match panel.kind:
        case "stat":
            return _stat(panel)
        case "bars":
            return _bars(panel)
        case "heat":
            return _heat(panel)
        case _:
            return _lines(panel)


def _stat(panel: Panel) -> stat.Panel:
    made = (
        stat.Panel()
        .title(panel.title).description(panel.description).datasource(SOURCE)
        .span(panel.width).height(panel.height)
        .unit(panel.unit).no_value(panel.empty)
        .thresholds(_thresholds(panel)).color_scheme(_by_threshold())
        .color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )  # fmt: skip
    for query in panel.queries:
        made = made.with_target(_target(query))
    return made


def _bars(panel: Panel) -> bargauge.Panel:
    made = (
        bargauge.Panel()
        .title(panel.title).description(panel.description).datasource(SOURCE)
        .span(panel.width).height(panel.height)
        .unit(panel.unit).no_value(panel.empty).min(0)
        .thresholds(_thresholds(panel)).color_scheme(_by_threshold())
        .display_mode(BarGaugeDisplayMode.BASIC).orientation(VizOrientation.HORIZONTAL)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )  # fmt: skip
    if panel.most is not None:
        made = made.max(panel.most)
    for query in panel.queries:
        made = made.with_target(_target(query).instant())
    return made


def _heat(panel: Panel) -> heatmap.Panel:
    made = (
        heatmap.Panel()
        .title(panel.title).description(panel.description).datasource(SOURCE)
        .span(panel.width).height(panel.height)
        .calculate(False)
        .color(HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32).exponent(0.5))
        .y_axis(YAxisConfig().unit(panel.unit))
        .cell_gap(1)
        .hide_legend()
    )  # fmt: skip
    for query in panel.queries:
        made = made.with_target(_target(query).format(PromQueryFormat.HEATMAP))
    return made


def _lines(panel: Panel) -> timeseries.Panel:
    stacked = panel.kind == "stack"
    made = (
        timeseries.Panel()
        .title(panel.title).description(panel.description).datasource(SOURCE)
        .span(panel.width).height(panel.height)
        .unit(panel.unit).no_value(panel.empty).min(0)
        .line_width(1 if stacked else 2).fill_opacity(45 if stacked else 0)
        .show_points(VisibilityMode.NEVER).span_nulls(False)
        .legend(
            VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )  # fmt: skip
    if stacked:
        made = made.stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if panel.most is not None:
        made = made.max(panel.most)
    if panel.steps:
        made = made.thresholds(_thresholds(panel)).thresholds_style(
            GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        )
    for query in panel.queries:
        made = made.with_target(_target(query))
    for word, colour in COLOURS.items():
        if _may_show(panel, word):
            fixed = model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
            made = made.override_by_name(word, [fixed])
    return made


def _may_show(panel: Panel, word: str) -> bool:
    """A series is called so: by a fixed legend, or by a label whose words these are."""
    legends = [query.legend for query in panel.queries]
    return word in legends or any(word in _WORDS.get(legend, ()) for legend in legends)


_WORDS: Mapping[str, Sequence[str]] = {
    "{{urgency}}": ("critical", "high", "normal", "low", "none"),
    "{{availability}}": ("available", "at_capacity", "away", "finishing", "outside_hours", "offline"),
    "{{outcome}}": (
        "met", "breached", "canceled", "posted", "refused", "needs_human", "manual_required", "unknown",
        "accepted", "duplicate", "rejected",
    ),
    "{{group}}": ("classifier", "router", "responder"),
    "{{service}}": ("ingest", "classifier", "router", "responder"),
    "{{decision}}": ("automatic", "to_confirm", "set_aside"),
}  # fmt: skip


def _target(query: Query) -> Dataquery:
    return Dataquery().expr(query.expr).legend_format(query.legend or "__auto").datasource(SOURCE)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(None, panel.base), *(model.Threshold(value, colour) for value, colour in panel.steps)]
    if panel.kind in ("lines", "stack"):
        steps[0] = model.Threshold(None, "transparent")
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
