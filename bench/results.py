"""A benchmark's figures: as a table for people, as JSON for machines."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from bench.measure import Turn, machine, median, nearest_rank

MOST_COLUMNS = 10
FILE_WIDTH = 160


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One side: medians over the rounds. CPU is µs for one thing done, by part."""

    name: str
    per_second: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    cpu_us: dict[str, float] = {}
    p50_ms: float | None = None
    p99_ms: float | None = None
    more: dict[str, float | str] = {}


class Goal(msgspec.Struct, kw_only=True):
    """What should hold, and what was found."""

    text: str
    wanted: float
    found: float
    at_most: bool = False  # else at least
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def verdict(self) -> str:
        """`met`, or by how much it is missed."""
        if self.met:
            return "met"
        if not self.found:
            return "missed: nothing found"
        factor = self.found / self.wanted if self.at_most else self.wanted / self.found
        return f"missed by a factor of {factor:.2f}"


class Result(msgspec.Struct, kw_only=True):
    """One benchmark's run."""

    name: str
    question: str
    unit: str  # what one thing done is
    rows: list[Row]
    goals: list[Goal] = []
    settings: dict[str, str | int | float] = {}
    notes: list[str] = []
    command: str = ""
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    machine: dict[str, str] = msgspec.field(default_factory=machine)


def row_of(name: str, turns: Sequence[Turn], **more: float | str) -> Row:
    """A side's medians."""
    rates = [turn.rate for turn in turns]
    parts = {part: median([turn.cpu_us().get(part, 0.0) for turn in turns]) for turn in turns for part in turn.cpu_us()}
    waits = [wait for turn in turns for wait in turn.waits_ms]
    return Row(
        name=name,
        per_second=round(median(rates), 1),
        lowest=round(min(rates, default=0.0), 1),
        highest=round(max(rates, default=0.0), 1),
        cpu_us={part: round(value, 2) for part, value in parts.items()},
        p50_ms=round(nearest_rank(waits, 0.5), 2) if waits else None,
        p99_ms=round(nearest_rank(waits, 0.99), 2) if waits else None,
        more=more,
    )


def ratio(ours: Sequence[Turn], floor: Sequence[Turn]) -> float:
    """Our rate as a share of the floor's: the median over the rounds, for a round's sides had the same machine."""
    return round(median([a.rate / b.rate for a, b in zip(ours, floor, strict=True) if b.rate]), 3)


def cpu_ratio(ours: Sequence[Turn], floor: Sequence[Turn]) -> float:
    """The floor's CPU as a share of ours, all parts together: the same question, asked of what noise cannot touch."""
    pairs = [(sum(a.cpu_us().values()), sum(b.cpu_us().values())) for a, b in zip(ours, floor, strict=True)]
    return round(median([theirs / own for own, theirs in pairs if own]), 3)


def show(result: Result, console: Console | None = None) -> None:
    """The table, its goals and its notes."""
    console = console or Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    headers, lines = grid(result)
    table = _table(result, headers, lines)
    if Measurement.get(console, console.options.update(width=FILE_WIDTH * 2), table).maximum > console.width:
        table = _table(result, *flipped(headers, lines))
    console.print(table)
    for goal in result.goals:
        console.print(f"  {goal_line(goal)}", highlight=False)
    for note in result.notes:
        console.print(f"  {note}", highlight=False)
    console.print(f"  again: {result.command}", highlight=False)


def grid(result: Result) -> tuple[list[str], list[list[str]]]:
    """Headers and lines: a line for each side, or where there is much to tell, a column for each."""
    parts = list(dict.fromkeys(part for row in result.rows for part in row.cpu_us))
    extra = list(dict.fromkeys(name for row in result.rows for name in row.more))
    waits = any(row.p50_ms is not None for row in result.rows)
    headers = ["", f"{result.unit}/s", "lowest-highest", *(f"CPU µs {part}" for part in parts), "CPU µs all"]
    headers += [*(["p50 ms", "p99 ms"] if waits else []), *extra]
    lines = [_cells(row, parts, extra, waits) for row in result.rows]
    return (headers, lines) if len(headers) <= MOST_COLUMNS else flipped(headers, lines)


def flipped(headers: list[str], lines: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A column for each line."""
    columns = [list(column) for column in zip(headers, *lines, strict=True)]
    return columns[0], columns[1:]


def _table(result: Result, headers: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(title=f"{result.name}: {result.question}", title_justify="left")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left")
    for line in lines:
        table.add_row(*line)
    return table


def _cells(row: Row, parts: Sequence[str], extra: Sequence[str], waits: bool) -> list[str]:
    out = [row.name, f"{row.per_second:,.0f}", f"{row.lowest:,.0f}-{row.highest:,.0f}"]
    out += [f"{row.cpu_us[part]:,.1f}" if part in row.cpu_us else "" for part in parts]
    out.append(f"{sum(row.cpu_us.values()):,.1f}" if row.cpu_us else "")
    if waits:
        out += ["" if value is None else f"{value:,.1f}" for value in (row.p50_ms, row.p99_ms)]
    return out + [_cell(row.more, name) for name in extra]


def goal_line(goal: Goal) -> str:
    """`goal: ... wanted ..., found ...: met`."""
    sign = "<=" if goal.at_most else ">="
    return f"{goal.text}: wanted {sign} {goal.wanted:,g}{goal.unit}, found {goal.found:,g}{goal.unit}: {goal.verdict()}"


def _cell(more: Mapping[str, float | str], name: str) -> str:
    value = more.get(name, "")
    return value if isinstance(value, str) else f"{value:,g}"


def write_json(result: Result) -> None:
    """One object on standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
