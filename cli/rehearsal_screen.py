"""A rehearsal on a terminal: drawn tables there, tab-separated lines elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from cli.rehearsal import Traffic
from cli.tables import show as table
from cli.words import span
from services.router.domain.simulation.report import AgentFigures, Figures, Report
from services.router.domain.simulation.staffing import Group, Staffing
from services.router.domain.simulation.traffic import Handling, Promise
from services.router.domain.words import DEFAULT_TEAM

MOST_AGENTS = 40  # in the table; the JSON has them all

Column = tuple[str, Callable[[Figures], str]]


def show(found: Mapping[str, Any], traffic: Traffic, handling: Handling, out: Console) -> None:
    """What came of it."""
    how = f"{span(handling.median_seconds)} an answer (median), seed {handling.seed}"
    if (staffed := found.get("staffing")) is not None:
        _staffing(staffed, traffic, how, out)
    else:
        _report(found["report"], found.get("before"), traffic, how, out)
        if "before" in found:
            _say(out, f"{found['moved_queue']:,} items in another queue, {found['moved_agent']:,} with another agent")
    _say(out, f"{found['seconds']:g} s")


def _say(out: Console, line: str, style: str | None = None) -> None:
    out.print(line, style=style, soft_wrap=True, markup=False)


# --- a rehearsal


def _report(report: Report, before: Report | None, traffic: Traffic, how: str, out: Console) -> None:
    days = (report.end - report.start).total_seconds() / 86_400
    _say(
        out,
        f"{_day(report.start)} to {_day(report.end)} ({days:.1f} days): {report.messages:,} messages, "
        f"{report.total.items:,} items; {report.joined:,} joined an item, {report.set_aside:,} asked for nothing",
    )
    for note in traffic.notes:
        _say(out, note)
    people = _change(f"{len(before.agents)}" if before else None, f"{len(report.agents)}")
    _say(out, f"agents: {people}; {how}")
    if report.promise is not None:
        _say(out, *_promise(report, before))
    _groups(report, before, out)
    _hours(report, before, out)
    _agents(report, before, out)
    for gap in report.gaps:
        rest = f", {gap.unanswered:,} never answered" if gap.unanswered else ""
        _say(out, f"warning: {gap.queue}: {gap.reason}: {gap.items:,} items{rest}", "yellow")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _promise(report: Report, before: Report | None) -> tuple[str, str]:
    kept = _change(_percent(before.total.kept) if before else None, _percent(report.total.kept))
    word, style = ("kept", "green") if report.kept else ("not kept", "red")
    return f"{_promised(report.promise)}: {word}, {kept}", style


def _promised(promise: Promise | None) -> str:
    assert promise is not None
    return f"{promise.share * 100:g} % in {span(promise.within_seconds).removesuffix(' 00')}"


def _groups(report: Report, before: Report | None, out: Console) -> None:
    """All items, then by queue, then by urgency; columns that say nothing here are left out."""
    columns: list[Column] = [
        ("items", lambda f: f"{f.items:,}"),
        ("p50", lambda f: _span(f.elapsed.p50_seconds, f)),
        ("p80", lambda f: _span(f.elapsed.p80_seconds, f)),
        ("p90", lambda f: _span(f.elapsed.p90_seconds, f)),
        ("p90 open", lambda f: _span(f.opening.p90_seconds, f)),
        ("in 1 h", lambda f: _percent(f.within_1h)),
        ("in 1 h 30", lambda f: _percent(f.within_90min)),
        ("in target", lambda f: _percent(f.in_target)),
        ("late", lambda f: f"{f.breached:,}"),
        ("never", lambda f: f"{f.items - f.answered:,}"),
    ]
    sides = [each for each in (report, before) if each]
    left_out = {"p80", "in 1 h 30"} if before else set()  # two figures in a cell need the room
    if all(each.total.opening == each.total.elapsed for each in sides):
        left_out.add("p90 open")
    if all(each.total.answered == each.total.items for each in sides):
        left_out.add("never")
    columns = [column for column in columns if column[0] not in left_out]
    rows = [["all", *_cells(report.total, before.total if before else None, columns, compared=before is not None)]]
    for name, some, others in (
        ("queue", report.queues, before.queues if before else ()),
        ("urgency", report.urgencies, before.urgencies if before else ()),
    ):
        was = {figures.key: figures for figures in others}
        now = {figures.key: figures for figures in some}
        for key in dict.fromkeys((*was, *now)):
            cells = _cells(now.get(key), was.get(key), columns, compared=before is not None)
            rows.append([f"{name} {key}" if name == "queue" else key, *cells])
    table(out, ["", *(head for head, _ in columns)], rows, empty="")


def _hours(report: Report, before: Report | None, out: Console) -> None:
    columns: list[Column] = [
        ("items", lambda f: f"{f.items:,}"),
        ("p50", lambda f: _span(f.elapsed.p50_seconds, f)),
        ("p90", lambda f: _span(f.elapsed.p90_seconds, f)),
        ("in 1 h", lambda f: _percent(f.within_1h)),
        ("late", lambda f: f"{f.breached:,}"),
    ]
    was = {figures.key: figures for figures in before.hours} if before else {}
    rows = [
        [f"{figures.key}:00", *_cells(figures, was.get(figures.key), columns, compared=before is not None)]
        for figures in report.hours
    ]
    table(out, [f"hour ({report.zone})", *(head for head, _ in columns)], rows, empty="")


def _agents(report: Report, before: Report | None, out: Console) -> None:
    was = {figures.agent: figures for figures in before.agents} if before else {}
    rows = []
    for figures in report.agents[:MOST_AGENTS]:
        old = was.get(figures.agent)
        rows.append(
            [
                figures.agent,
                *(
                    _change(_of_agent(old)[number] if old else "-" if before else None, cell)
                    for number, cell in enumerate(_of_agent(figures))
                ),
            ]
        )
    table(out, ["agent", "answered", "busy", "idle", "overtime", "in use"], rows, empty="")
    if (more := len(report.agents) - MOST_AGENTS) > 0:
        _say(out, f"and {more} more agents (--json has them all)")


def _of_agent(figures: AgentFigures) -> list[str]:
    times = (figures.busy_seconds, figures.idle_seconds, figures.overtime_seconds)
    return [f"{figures.answered:,}", *(_hours_told(seconds) for seconds in times), _percent(figures.utilisation)]


def _cells(now: Figures | None, was: Figures | None, columns: Sequence[Column], *, compared: bool) -> list[str]:
    """One cell a column, with what it was before where two are compared."""
    return [_change((of(was) if was else "-") if compared else None, of(now) if now else "-") for _, of in columns]


def _change(before: str | None, after: str) -> str:
    if before is None or before == after:
        return after
    return f"{before.removesuffix(' %')} → {after}"


def _span(seconds: float | None, figures: Figures) -> str:
    if seconds is None:
        return "never" if figures.items else ""
    return span(seconds)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"


def _hours_told(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h"


# --- staffing


def _staffing(found: Staffing, traffic: Traffic, how: str, out: Console) -> None:
    for note in traffic.notes:
        _say(out, note)
    _say(out, f"{len(traffic.arrivals):,} messages; {how}; rehearsed {found.runs} times")
    _say(out, f"{_promised(found.promise)}:")
    if (n := found.round_the_clock) is not None:
        people = f"{n:,} agent{'s' * (n != 1)} who can do everything, always there"
        _say(out, f"{people}: {_percent(found.round_the_clock_share)}", "green")
    if not found.groups:
        kinds = "of the kinds in the set-up " if n is not None else ""
        _say(
            out,
            f"no number of agents {kinds}keeps it, {_percent(found.share)} is the best there is: "
            "look at skills nobody has, at opening hours, at --handling",
            "red",
        )
        return
    _say(
        out,
        f"by hour, {found.agent_hours_a_week:,} agent-hours a week: {_percent(found.share)}; "
        + ("one agent less in any hour breaks it" if found.minimal else "fewer may do, the search was long enough"),
        "green",
    )
    _roster(found, out)


def _roster(found: Staffing, out: Console) -> None:
    """How many of each group, in hours of the day; hours that want the same stand together."""
    columns = [
        (f"{day} {_name(group)}", hours)
        for group in found.groups
        for day, hours in (("Mon-Fri", group.weekday), ("Sat-Sun", group.weekend))
        if any(hours)
    ]
    rows: list[list[str]] = []
    begins = 0
    for hour in range(1, 25):
        if hour == 24 or any(hours[hour] != hours[begins] for _, hours in columns):
            wanted = [f"{hours[begins]}" if hours[begins] else "-" for _, hours in columns]
            rows.append([f"{begins:02}:00-{hour:02}:00", *wanted])
            begins = hour
    table(out, [found.zone, *(head for head, _ in columns)], rows, empty="")


def _name(group: Group) -> str:
    able = ", ".join(f"{skill} {level}" for skill, level in sorted(group.skills.items()))
    parts = (
        group.team if group.team != DEFAULT_TEAM else "",
        able,
        f"in {', '.join(group.queues)}" if group.queues else "",
    )
    return " ".join(part for part in parts if part) or "anybody"
