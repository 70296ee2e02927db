"""`guichet replay` at the terminal: what was asked for, how it goes, what became of it."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli import posts
from cli.house import find
from cli.pace import Speed, parse_speed, seconds_left
from cli.posts import Survey
from cli.replay import Plan, Position, Replay, Tally, Ticker, brands_of, now, position_file
from cli.trouble import Trouble
from cli.words import span

LINE_SECONDS = 5.0  # between two lines where there is no terminal


@dataclass(frozen=True)
class Order:
    """What was written on the command line."""

    file: Path
    speed: str
    shift: str | None
    brands: str | None
    to: str
    network: str
    limit: int | None
    again: bool
    data: Path


async def replay(order: Order, out: Console, err: Console) -> None:
    """Send the file; say what became of it.

    Raises:
        Trouble: nothing could be sent, or ingest refuses. What was acknowledged is remembered.
    """
    try:
        speed = parse_speed(order.speed)
    except ValueError as error:
        raise Trouble(f"--speed {error}", 2) from None
    if order.shift not in (None, "now"):
        raise Trouble(f"--shift {order.shift!r} is not known: write --shift now, or leave it out", 2)
    survey = posts.survey(order.file, order.limit)
    brands, where = brands_of(order.file, order.brands)
    plan = Plan(order.file, survey, speed, order.shift == "now", brands, order.network, order.limit)
    async with find(order.data, order.to) as house:
        address = house.addresses["ingest"]
        position = Position(position_file(order.data, order.file, address), order.file)
        if order.again:
            position.forget()
        elif position.load():
            where += f"; goes on after post {position.tally.posts:,} (--again begins anew)"
        err.print(f"{survey.posts:,} posts to {address}; {where}", soft_wrap=True, markup=False)
        before = position.tally.posts
        shows = Shows(err, plan, position.tally)
        ticker = Ticker()
        try:
            with shows:
                tally = await Replay(house, plan, position, shows, ticker, now()).run()
        except asyncio.CancelledError:
            sent = position.tally.posts
            err.print(f"stopped after {sent:,} posts; the next run goes on there (--again begins anew)", soft_wrap=True)
            raise
    if tally.rejected and not tally.accepted and not tally.duplicates:
        raise Trouble(f"nothing could be sent: {reasons(tally)}")
    for line in summary(tally, tally.posts - before, ticker.elapsed()):
        out.print(line, soft_wrap=True, markup=False)


def summary(tally: Tally, sent: int, seconds: float) -> list[str]:
    """What became of the posts, for a person and for `grep`."""
    lines = [
        f"{tally.posts:,} posts: {tally.accepted:,} accepted, {tally.duplicates:,} duplicates, "
        f"{tally.rejected:,} rejected; {sent:,} in {seconds:.1f} s ({sent / max(seconds, 0.001):,.0f}/s)"
    ]
    if tally.rejected:
        lines.append(f"warning: rejected: {reasons(tally)}")
    return lines


def reasons(tally: Tally, most: int = 5) -> str:
    """Why posts were rejected, the commonest first."""
    told = [f"{number:,} x {reason}" for reason, number in tally.reasons.most_common(most)]
    rest = sum(tally.reasons.values()) - sum(number for _, number in tally.reasons.most_common(most))
    return "; ".join(told) + (f"; {rest:,} for other reasons" if rest else "")


class Shows:
    """A bar on a terminal, a line every few seconds elsewhere. A context: the bar ends with it."""

    def __init__(self, console: Console, plan: Plan, tally: Tally) -> None:
        self._console = console
        self._speed: Speed = plan.speed
        self._survey: Survey = plan.survey
        self._began = time.monotonic()
        self._first = tally.posts
        self._said_at = self._began
        self._waits: str | None = None
        self._bar = Progress(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=plan.survey.posts, completed=tally.posts, facts="")

    def __enter__(self) -> None:
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def moved(self, tally: Tally, posted_at: datetime | None) -> None:
        moment = time.monotonic()
        rate = (tally.posts - self._first) / max(moment - self._began, 0.001)
        told = facts(tally, rate, self._left(tally, rate, posted_at))
        self._bar.update(self._task, completed=tally.posts, facts=told)
        if not self._console.is_terminal and moment - self._said_at >= LINE_SECONDS:
            self._said_at = moment
            self._console.print(f"{tally.posts:,} of {self._survey.posts:,}: {told}", soft_wrap=True)

    def waits(self, reason: str | None) -> None:
        if reason == self._waits:
            return
        line = (reason and f"{reason}; waiting") or f"{self._waits and self._waits.split()[0]} is back"
        self._waits = reason
        self._console.print(line, soft_wrap=True, markup=False)

    def _left(self, tally: Tally, rate: float, posted_at: datetime | None) -> float | None:
        last_at = self._survey.last_at
        if posted_at is None or last_at is None:
            return None
        return seconds_left(self._speed, self._survey.posts - tally.posts, rate, posted_at, last_at)


def facts(tally: Tally, rate: float, left: float | None) -> str:
    """How it goes, in a few words."""
    told = f"{rate:,.0f}/s  {tally.accepted:,} accepted"
    if tally.rejected:
        told += f"  {tally.rejected:,} rejected"
    return told + (f"  {span(left)} left" if left is not None else "")
