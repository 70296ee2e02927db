"""A dashboard: a row of figures, then a few large pictures; and what one chooses at its top."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.built import PROMETHEUS, built
from deploy.grafana.panels import Panel

TAG = "guichet"
MONTHS = "Over months: the report's figures, from the database"


@dataclass(frozen=True)
class Variable:
    """A choice at the top, several or all: the values of a label that Prometheus knows."""

    name: str
    metric: str
    label: str = ""  # what it says, else its name


@dataclass(frozen=True)
class Board:
    """One dashboard, and the file it becomes; below what is now stands what was over months."""

    slug: str
    title: str
    description: str
    panels: Sequence[Panel]
    months: Sequence[Panel] = ()
    variables: Sequence[Variable] = ()
    since: str = "now-6h"

    def json(self) -> str:
        """As Grafana reads it."""
        made = (
            Dashboard(self.title)
            .uid(f"guichet-{self.slug}")
            .description(self.description)
            .tags([TAG])
            .readonly()
            .refresh("5m" if self.months else "30s")  # the database is asked for months each time
            .time(self.since, "now")
            .timezone("browser")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .link(
                DashboardLink("Guichet")
                .type(DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .keep_time(True)
                .include_vars(True)
            )
        )
        for variable in self.variables:
            made = made.with_variable(_variable(variable))
        for panel in self.panels:
            made = made.with_panel(built(panel))
        if self.months:
            made = made.with_row(Row(MONTHS))
        for panel in self.months:
            made = made.with_panel(built(panel))
        return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _variable(variable: Variable) -> QueryVariable:
    return (
        QueryVariable(variable.name)
        .label(variable.label or variable.name)
        .datasource(PROMETHEUS)
        .query(f"label_values({variable.metric}, {variable.name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
