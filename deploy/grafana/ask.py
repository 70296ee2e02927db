"""What the queries of a panel find, asked as Grafana would: of a Prometheus, and of a PostgreSQL."""

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from deploy.grafana.panels import Panel

STEPS = 120  # points of a line
ALL = ".*"

_DAYS = re.compile(r"(\d+)d")


@dataclass(frozen=True)
class Series:
    """One line: where a point has no value it has a gap."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Table:
    """Rows, as they come."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Span:
    """What a panel shows, in seconds since 1970."""

    begin: float
    end: float

    def of(self, panel: Panel) -> "Span":
        """Its own, where it has one."""
        days = _DAYS.fullmatch(panel.since)
        return Span(self.end - 86400 * int(days[1]), self.end) if days else self


@dataclass(frozen=True)
class Source:
    """A Prometheus, a PostgreSQL ("" where there is none), and the span of time that is shown."""

    prometheus: str
    postgresql: str
    span: Span

    async def lines(self, panel: Panel) -> list[Series]:
        """What a picture over time shows; all choices stand at *All*."""
        return await self._counted(panel) if panel.sql else self._measured(panel)

    async def table(self, panel: Panel) -> Table:
        """What a table shows."""
        span = self.span.of(panel)
        connection = await asyncpg.connect(self.postgresql)
        try:
            question = await connection.prepare(expanded(panel.sql, span))
            rows = await question.fetch()
            return Table([column.name for column in question.get_attributes()], [tuple(row) for row in rows])
        finally:
            await connection.close()

    async def _counted(self, panel: Panel) -> list[Series]:
        found = await self.table(panel)
        place = {name: at for at, name in enumerate(found.columns)}
        points: dict[str, list[tuple[float, float]]] = {}
        for row in found.rows:
            moment = row[place["time"]].timestamp()
            named = [name for name in found.columns if name not in ("time", "metric")]
            for name in named:
                if row[place[name]] is not None:
                    series = row[place["metric"]] if "metric" in place else name
                    points.setdefault(series, []).append((moment, float(row[place[name]])))
        return [Series(name, of_name) for name, of_name in points.items()]

    def _measured(self, panel: Panel) -> list[Series]:
        found = []
        seconds = round(self.span.end - self.span.begin)
        for query in panel.queries:
            expr = re.sub(r"\$(queue|language|network)\b", ALL, query.expr)
            expr = expr.replace("$__rate_interval", "30s").replace("$__range", f"{seconds}s")
            asked = {"query": expr, "start": self.span.begin, "end": self.span.end, "step": seconds / STEPS}
            address = f"{self.prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
            with urllib.request.urlopen(address) as answer:  # noqa: S310 - an address of the command line
                result = json.load(answer)["data"]["result"]
            for one in result:
                name = re.sub(r"\{\{(\w+)\}\}", lambda label, one=one: one["metric"].get(label[1], ""), query.legend)  # type: ignore[misc]
                points = [(at, float(value)) for at, value in one["values"] if math.isfinite(float(value))]
                if points:
                    found.append(Series(name, points))
        return found


def expanded(sql: str, span: Span, zone: str = "UTC", chosen: Mapping[str, Sequence[str]] | None = None) -> str:
    """The question with what Grafana puts in the place of its own words: times, the zone, and the choices at the top.

    Source: https://grafana.com/docs/grafana/latest/panels-visualizations/query-transform-data/ and the PostgreSQL
    datasource's macros. *All* stands for itself, as the dashboards' `allValue` says.
    """
    begin, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%fZ}" for at in (span.begin, span.end))

    def choice(name: re.Match[str]) -> str:
        values = (chosen or {}).get(name[1], ())
        words = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value) for value in values]
        return f"({'|'.join(words)})" if len(words) > 1 else words[0] if words else ALL

    sql = re.sub(r"\$__timeFilter\((\w+)\)", lambda column: f"{column[1]} BETWEEN '{begin}' AND '{end}'", sql)
    return re.sub(r"\$\{(\w+):regex\}", choice, sql).replace("$__timezone", zone)
