"""`guichet simulate`: rehearse a set-up over traffic, before and after a change, or find how many agents it takes."""

import gc
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import rehearsal_screen as screen
from cli.apply import read_setup
from cli.house import find
from cli.rehearsal import Traffic, fetch_traffic, handles_of, handling_of, moment_of, read_traffic
from cli.replay import brands_of
from cli.setup_file import read_file
from cli.trouble import Trouble
from services.router.domain.setup import Setup
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.report import compare, report_of
from services.router.domain.simulation.staffing import MOST_RUNS, generalists, staffing
from services.router.domain.simulation.traffic import Case, Handling, Promise, Worker, parse_promise

DEFAULT_PROMISE = "72% in 1h"


@dataclass(frozen=True)
class Order:
    """What was written on the command line."""

    policy: Path | None
    against: Path | None
    traffic: Path | None
    brands: str | None
    start: str | None
    end: str | None
    agents: int | None
    handling: str
    spread: float
    promise: str | None
    staffing: bool
    zone: str | None
    seed: int
    as_json: bool
    items: bool
    to: str
    data: Path


@dataclass(frozen=True)
class Asked:
    """The same, read and found to be right."""

    setups: Sequence[tuple[Setup, Sequence[Worker]]]  # one, or before and after
    handling: Handling
    promise: Promise | None
    start: datetime | None
    end: datetime | None
    zone: str


async def simulate(order: Order, out: Console, err: Console) -> None:
    """Rehearse, and show what came of it.

    Raises:
        Trouble: a file, an option or the house cannot be used.
    """
    asked = _asked(order)
    begun = time.perf_counter()
    with _bar(err) as bar:
        traffic = await _traffic(order, asked, bar)
        gc.freeze()  # what was read stays: nobody needs to look through it again and again
        try:
            cases = [(Case(setup, traffic.arrivals, traffic.start, traffic.end), some) for setup, some in asked.setups]
        except ValueError as error:
            raise Trouble(f"{error}: give another --from and --to", 2) from error
        found: dict[str, Any] = {"traffic": {"messages": len(traffic.arrivals), "notes": list(traffic.notes)}}
        found |= _staffed(order, asked, *cases[-1], bar) if order.staffing else _rehearsed(order, asked, cases, bar)
    found["seconds"] = round(time.perf_counter() - begun, 2)
    found["handling"] = asked.handling
    if order.as_json:
        out.file.write(json.dumps(msgspec.to_builtins(found), ensure_ascii=False) + "\n")
    else:
        screen.show(found, traffic, asked.handling, out)


def _asked(order: Order) -> Asked:
    if order.traffic is None and order.start is None:
        raise Trouble("what to rehearse on? give --traffic FILE, or --from and --to for what the house has stored", 2)
    if order.against is not None and order.staffing:
        raise Trouble("--staffing is of one set-up: leave out --against", 2)
    promise = order.promise or (DEFAULT_PROMISE if order.staffing else None)
    try:
        read = parse_promise(promise) if promise else None
    except ValueError as error:
        raise Trouble(f"--promise {error}", 2) from error
    files = [order.against, order.policy] if order.against is not None else [order.policy]
    setups = [_set_up(file) for file in files]
    if not order.staffing and order.agents is None:
        for file, (_, agents) in zip(files, setups, strict=True):
            if not agents:
                where = f"{file} has no [[agents]]" if file is not None else "there are no agents"
                raise Trouble(f"{where}: write some, or give --agents 5, or --staffing to find how many it takes", 2)
    zone = order.zone or next((hours.zone for hours in setups[-1][0].hours.values()), "UTC")
    _check_zone(zone)
    return Asked(
        setups,
        Handling(handling_of(order.handling), order.spread, order.seed),
        read,
        moment_of(order.start, "--from") if order.start else None,
        moment_of(order.end, "--to") if order.end else None,
        zone,
    )


def _set_up(file: Path | None) -> tuple[Setup, list[Worker]]:
    setup, agents = read_setup(file) if file is not None else (Setup(), [])
    return setup, [Worker(agent) for agent in agents]


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Trouble(f"--zone {zone!r} is not known: write one such as Europe/Paris", 2) from error


async def _traffic(order: Order, asked: Asked, bar: Progress) -> Traffic:
    if order.traffic is not None:
        brands, _ = brands_of(order.traffic, order.brands)
        handles = handles_of(brands, read_file(order.policy).handles.values() if order.policy is not None else ())
        task = bar.add_task("classifying", total=None)
        watch = _watch(bar, task)
        traffic = read_traffic(order.traffic, handles, asked.handling, asked.start, asked.end, watch)
        bar.remove_task(task)
        return traffic
    assert asked.start is not None
    task = bar.add_task("reading what is stored", total=None)
    async with find(order.data, order.to) as house:
        traffic = await fetch_traffic(house, asked.handling, asked.start, asked.end, _watch(bar, task))
    bar.remove_task(task)
    return traffic


def _rehearsed(
    order: Order, asked: Asked, cases: Sequence[tuple[Case, Sequence[Worker]]], bar: Progress
) -> dict[str, Any]:
    task = bar.add_task("rehearsing", total=len(cases))
    floors = []
    for case, agents in cases:
        floor = Floor(case, agents if order.agents is None else generalists(case, order.agents))
        floor.run()
        floors.append(floor)
        bar.advance(task)
    if len(floors) == 1:
        return {"report": report_of(floors[0], promise=asked.promise, zone=asked.zone, with_items=order.items)}
    both = compare(*floors, promise=asked.promise, zone=asked.zone, with_items=order.items)
    return {
        "before": both.before,
        "report": both.after,
        "moved_queue": both.moved_queue,
        "moved_agent": both.moved_agent,
    }


def _staffed(order: Order, asked: Asked, case: Case, agents: Sequence[Worker], bar: Progress) -> dict[str, Any]:
    assert asked.promise is not None
    task = bar.add_task("rehearsing", total=MOST_RUNS)
    kinds = [worker.agent for worker in agents]
    found = staffing(case, asked.promise, kinds, zone=asked.zone, watch=_watch(bar, task))
    return {"staffing": found}


def _watch(bar: Progress, task: Any) -> Any:
    return lambda done: bar.update(task, completed=done)


@contextmanager
def _bar(err: Console) -> Iterator[Progress]:
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description} {task.completed:,.0f}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        yield bar
