"""What a panel is here: few kinds, one look, a definition under every title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# Told apart by those who see no red or no green too. Source: Okabe and Ito, "Color Universal Design",
# https://jfly.uni-koeln.de/color/
GREEN, ORANGE, RED, BLUE, GREY = "#009E73", "#E69F00", "#D55E00", "#0072B2", "#8E8E8E"
VIOLET, TEAL, PALE = "#CC79A7", "#44AA99", "#56B4E9"
CALM = "text"  # a figure that is neither good nor bad

COLOURS: Mapping[str, str] = {
    "critical": RED, "high": ORANGE, "normal": BLUE, "low": PALE, "none": GREY,
    "available": GREEN, "at_capacity": ORANGE, "away": VIOLET, "finishing": BLUE, "outside_hours": PALE,
    "offline": GREY,
    "p50": BLUE, "p80": TEAL, "p90": ORANGE, "p99": RED,
    "within 1 h": GREEN, "within 1 h 30": BLUE, "within 24 h": VIOLET,
    "met": GREEN, "breached": RED, "canceled": GREY,
    "ingest": PALE, "classifier": VIOLET, "router": BLUE, "responder": TEAL,
    "posted": GREEN, "refused": RED, "needs_human": ORANGE, "manual_required": VIOLET, "unknown": GREY,
    "accepted": GREEN, "duplicate": GREY, "rejected": RED,
    "automatic": GREEN, "to_confirm": ORANGE, "set_aside": GREY,
    "complaint": RED, "assistance_request": ORANGE, "information_request": BLUE, "feedback": PALE,
    "praise_thanks": GREEN, "chatter": GREY, "spam_abuse": VIOLET,
    "mean": TEAL, "positive": GREEN, "neutral": GREY, "negative": RED,
}  # fmt: skip
"""A word has one colour, on every dashboard."""

Kind = Literal["stat", "lines", "stack", "bars", "heat", "table", "grid"]
Step = tuple[float, str]
"""From this value on, this colour."""


@dataclass(frozen=True)
class Query:
    """What is asked of Prometheus, and what its answer is called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture, of what Prometheus or, where there is `sql`, PostgreSQL says.

    Attributes:
        description: what the figure means, so that two people read the same.
        unit: of Grafana's names: "s", "percentunit", "short", "suffix:/min".
        steps: a stat and a bar take these colours; lines show them as dashes.
        sql: lines take a column `time`, the others are their values; a table and a grid show it row by row. A grid's
            cells of two digits are the darker the more.
        units: of a table's columns where they are not plain words and numbers.
        counts: the column that says of how many a point is: pale bars, on an axis of their own.
        since: so far back, whatever the dashboard shows ("90d").
    """

    kind: Kind
    title: str
    description: str
    queries: Sequence[Query] = ()
    unit: str = "short"
    steps: Sequence[Step] = ()
    base: str = CALM
    width: int = 12
    height: int = 9
    most: float | None = None
    empty: str = "no data"
    sql: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    counts: str = ""
    since: str = ""


def stat_of(
    title: str, description: str, expr: str, *, unit: str = "short", steps: Sequence[Step] = (), base: str = CALM,
    empty: str = "no data",
) -> Panel:  # fmt: skip
    """One of the six figures of the first row."""
    return Panel("stat", title, description, [Query(expr, title)], unit, steps, base, width=4, height=4, empty=empty)
