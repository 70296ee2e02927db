"""How a panel becomes Grafana's."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, dashboard, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog import variants
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

from deploy.grafana.panels import COLOURS, GREY, Panel, Query

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="guichet-prometheus")
POSTGRESQL = DataSourceRef(type_val="grafana-postgresql-datasource", uid="guichet-postgresql")


def built(panel: Panel) -> Builder[model.Panel]:
    """As Grafana's SDK has it."""
    match panel.kind:
        case "stat":
            return _stat(panel)
        case "bars":
            return _bars(panel)
        case "heat":
            return _heat(panel)
        case "table" | "grid":
            return _table(panel)
        case _:
            return _lines(panel)


def _stat(panel: Panel) -> stat.Panel:
    made = (
        stat.Panel()
        .title(panel.title).description(panel.description).datasource(PROMETHEUS)
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
        .title(panel.title).description(panel.description).datasource(PROMETHEUS)
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
        .title(panel.title).description(panel.description).datasource(PROMETHEUS)
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
        .title(panel.title).description(panel.description).datasource(_source(panel))
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
    if panel.since:
        made = made.time_from(panel.since)
    for target in _targets(panel):
        made = made.with_target(target)
    if panel.counts:
        made = made.override_by_name(panel.counts, _as(_COUNTS))
    for word, colour in COLOURS.items():
        if _may_show(panel, word):
            made = made.override_by_name(word, _as({"color": {"mode": "fixed", "fixedColor": colour}}))
    return made


def _may_show(panel: Panel, word: str) -> bool:
    """A series is called so: by a fixed legend or column, or by a label whose words these are."""
    if panel.sql:
        labels = [label for label in _WORDS if f"{label} AS metric" in panel.sql]
        return f'"{word}"' in panel.sql or any(word in _WORDS[label] for label in labels)
    legends = [query.legend for query in panel.queries]
    return word in legends or any(word in _WORDS.get(legend, ()) for legend in legends)


_INTENTS = (
    "complaint", "assistance_request", "information_request", "feedback", "praise_thanks", "chatter", "spam_abuse",
)  # fmt: skip
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
    "sentiment": ("positive", "neutral", "negative"),
    "{{intent}}": _INTENTS,
    "intent": _INTENTS,
}  # fmt: skip


_COUNTS: Mapping[str, Any] = {
    "custom.drawStyle": "bars",
    "custom.fillOpacity": 25,
    "custom.lineWidth": 0,
    "custom.axisPlacement": "right",
    "unit": "short",
    "color": {"mode": "fixed", "fixedColor": GREY},
}


def _table(panel: Panel) -> table.Panel:
    made = (
        table.Panel()
        .title(panel.title).description(panel.description).datasource(_source(panel))
        .span(panel.width).height(panel.height)
        .unit(panel.unit).no_value(panel.empty)
        .time_from(panel.since)
    )  # fmt: skip
    for target in _targets(panel):
        made = made.with_target(target)
    if panel.kind == "grid":
        made = made.override_by_regexp(
            r"^\d\d$",
            _as({"custom.cellOptions": {"type": "color-background"}, "color": {"mode": "continuous-blues"}}),
        )
    for column, unit in panel.units.items():
        made = made.override_by_name(column, _as({"unit": unit}))
    return made


def _as(values: Mapping[str, Any]) -> list[model.DynamicConfigValue]:
    return [model.DynamicConfigValue(name, value) for name, value in values.items()]


def _source(panel: Panel) -> DataSourceRef:
    return POSTGRESQL if panel.sql else PROMETHEUS


def _targets(panel: Panel) -> Sequence[Builder[variants.Dataquery]]:
    if panel.sql:
        return [_Asked(panel.sql, "table" if panel.kind in ("table", "grid") else "time_series")]
    return [_target(query) for query in panel.queries]


class _Asked(Builder[variants.Dataquery], variants.Dataquery):
    """A question to PostgreSQL; the SDK has none."""

    def __init__(self, sql: str, shape: str) -> None:
        self._sql = sql
        self._shape = shape

    def build(self) -> variants.Dataquery:
        """It is built."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana has it."""
        return {
            "datasource": POSTGRESQL,
            "editorMode": "code",
            "format": self._shape,
            "rawQuery": True,
            "rawSql": self._sql,
            "refId": "A",
        }


def _target(query: Query) -> Dataquery:
    return Dataquery().expr(query.expr).legend_format(query.legend or "__auto").datasource(PROMETHEUS)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(None, panel.base), *(model.Threshold(value, colour) for value, colour in panel.steps)]
    if panel.kind in ("lines", "stack"):
        steps[0] = model.Threshold(None, "transparent")
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
