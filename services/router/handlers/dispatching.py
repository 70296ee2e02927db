"""Queues that push or assign: the first item by our order goes to the agent it suits best."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import structlog
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from libs.common.events import Event, WorkItemOffered, derived_id
from libs.common.outbox import emit
from services.router.domain.eligibility import Agent, choose, parse_line, weight_of, why_not
from services.router.domain.hours import is_open
from services.router.domain.order import Head, pick
from services.router.domain.setup import Queue, Setup
from services.router.domain.waiting import Item, given, moved, offered
from services.router.handlers.events_of import assigned_event
from services.router.handlers.figures import Figures
from services.router.ids import typed_id
from services.router.store import agents, items, lines, reservations
from services.router.store.items import Change, WorkItem
from services.router.store.reservations import Reservation
from services.router.store.setup import Setups

log = structlog.get_logger()

AT_ONCE = 50  # heads of each lane of a queue
AT_MOST = 3200  # heads that are looked at where those before them are not for who has room
POLL_SECONDS = 1.0
SHOWN = 20  # candidates that a decision is kept with


class Dispatcher:
    """Woken by what this process commits, and by a poll for what others do; queues that pull do not concern it."""

    def __init__(self, database: Database, setups: Setups, figures: Figures) -> None:
        self._database = database
        self._setups = setups
        self._figures = figures
        self._told = asyncio.Event()
        database.after_commit.append(self._told.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            self._told.clear()
            gave, began = 0, monotonic()
            try:
                gave = await self.turn()
            except (Unavailable, Raced) as error:
                log.warning("dispatcher_waits", reason=str(error))
            if not gave:
                await asyncio.sleep(
                    monotonic() - began
                )  # under load every commit would wake it: half of the time is its own
                told = asyncio.create_task(self._told.wait())
                await asyncio.wait([stopping, told], timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
        await stopping

    async def turn(self) -> int:
        """One look at each queue that gives by itself; returns how many items it gave."""
        async with self._database.read() as session:
            setup = await self._setups.current(session)
        giving = [queue for _, queue in sorted(setup.queues.items()) if queue.dispatch != "pull"]
        return sum([await self._database.write(partial(self._give, slug=queue.slug)) for queue in giving])

    async def _give(self, session: AsyncSession, slug: str) -> int:
        setup = await self._setups.current(session)
        of_queue = await lines.lock(session, [slug])
        seen = await agents.see_who_is_there(session)
        now = await db.now(session)
        queue = setup.queues.get(slug)
        if queue is None or queue.dispatch == "pull" or not is_open(setup.hours_of(queue), now):
            return 0
        most, round_ = AT_ONCE, None
        while round_ is None or (most < AT_MOST and round_.passed_over):
            most = most * 4 if round_ is not None else most
            heads, picks = await items.waiting(session, of_queue, most)
            people = {slug: agent.as_candidate(setup) for slug, agent in seen.items()}
            round_ = _Round(queue, people, picks.get(slug, 0), setup, now)
            round_.deal(heads, most)
        agents.load_seen(session, round_.loads, seen)
        await items.write_at_commit(session, round_.changes, now)
        await reservations.add(session, round_.offers)
        if round_.loads:
            items.count_picks(session, [(slug, round_.picks)])
        emit(session, round_.told)
        given_now = [change.item for change in round_.changes if change.item.state == "assigned"]
        self._figures.assigned(session, given_now, now)
        return len(round_.changes)


class _Round:
    """One look at a queue: who gets what, decided and not yet written."""

    def __init__(self, queue: Queue, people: dict[str, Agent], picks: int, setup: Setup, now: datetime) -> None:
        self._queue, self._people, self._setup, self._now = queue, people, setup, now
        self.picks = picks
        self.changes: list[Change] = []
        self.offers: list[Reservation] = []
        self.told: list[Event] = []
        self.loads: Counter[str] = Counter()
        self.passed_over = False  # somebody had room for what may wait behind all that was seen of a lane

    def deal(self, heads: Sequence[WorkItem], most: int) -> None:
        """In our order, each to the one it suits best; `heads`: of each lane at most so many.

        Ends before its time where all of a lane were given or declined and somebody has room for what is behind them:
        that was not compared yet with what the other lanes hold.
        """
        keys = {work.item.id: work.key for work in heads}
        lanes = _lanes(heads)
        cut = {lane for lane, there in lanes.items() if len(there) >= most}
        nobody_for: set[tuple[str, str, int]] = set()  # people only get fuller in one round
        while (next_ := _next(lanes, self.picks)) is not None:
            lane, order = next_
            item = lanes[lane].pop()
            alike = (item.line, item.team, item.weight)
            if alike not in nobody_for or item.routing.declined_by:
                chosen, why = _candidate(item, self._queue, self._people, self._now)
                if chosen is not None:
                    self._give(item, chosen, keys[item.id], {"order": order, "candidates": why})
                elif (above := _declined_by_all(item, self._queue, why, self._setup)) is not None:
                    there = moved(item, above, self._setup, self._now)
                    self.changes.append(Change(there, "declined_by_all", "router", why=why))
                elif not item.routing.declined_by:
                    nobody_for.add(alike)
            if not lanes[lane]:
                del lanes[lane]
                if lane in cut and self._is_somebody_for(item.line):
                    self.passed_over = True
                    return

    def _is_somebody_for(self, line: str) -> bool:
        _, team, needs = parse_line(line)
        asked = partial(why_not, queue=self._queue.slug, needs=needs, weight=weight_of(line), now=self._now)
        teams = {team, self._queue.team}
        return any(asked(agent, team=each) is None for agent in self._people.values() for each in teams)

    def _give(self, item: Item, chosen: Agent, key: str, decided: dict[str, Any]) -> None:
        self.picks += 1
        self._people[chosen.slug] = replace(chosen, used=chosen.used + item.weight, idle_since=None)
        self.loads[chosen.slug] += item.weight
        if self._queue.dispatch == "assign":
            held = given(item, chosen.slug, self._setup, self._now)
            self.changes.append(Change(held, "dispatched", "router", chosen.slug, decided))
            self.told.append(assigned_event(held, key, self._now, ""))
        else:
            until = self._now + timedelta(seconds=self._queue.reservation_seconds)
            held = offered(item, chosen.slug, until)
            self.changes.append(Change(held, "offered", "router", chosen.slug, decided))
            self.offers.append(_reservation(held, self._now, until))
            self.told.append(_offered(held, self.offers[-1], key, self._now))


_Lane = tuple[str, bool]  # a line, and whether its late items


def _lanes(heads: Sequence[WorkItem]) -> dict[_Lane, list[Item]]:
    """Of each lane what waits, the first item last."""
    found: dict[_Lane, list[Item]] = {}
    for item in sorted((work.item for work in heads), key=_place, reverse=True):
        found.setdefault((item.line, item.late), []).append(item)
    return found


def _next(lanes: Mapping[_Lane, Sequence[Item]], picks: int) -> tuple[_Lane, str] | None:
    """Out of which lane the next item comes, and why it."""
    firsts = {there[-1].id: lane for lane, there in lanes.items()}
    heads = [_head(there[-1]) for there in lanes.values()]
    picked = pick([head for head in heads if not head.late], [head for head in heads if head.late], picks)
    return (firsts[picked[0].id], picked[1]) if picked is not None else None


def _place(item: Item) -> tuple[int, datetime, datetime, str]:
    return (item.rank, item.sort_at, item.enqueued_at, item.id)


def _head(item: Item) -> Head:
    return Head(item.rank, item.late, item.sort_at, item.enqueued_at, item.id)


def _candidate(
    item: Item, queue: Queue, people: dict[str, Agent], now: datetime
) -> tuple[Agent | None, list[dict[str, Any]]]:
    """Who gets it, and why each other one did not."""
    _, _, needs = parse_line(item.line)
    fit: list[Agent] = []
    why: list[dict[str, Any]] = []
    for slug, agent in people.items():
        reasons = [
            why_not(
                agent, queue=item.queue, team=team, needs=needs, weight=item.weight, now=now,
                declined_by=item.routing.declined_by,
            )
            for team in dict.fromkeys((item.team, queue.team))
        ]  # fmt: skip
        if None in reasons:
            fit.append(agent)
        else:
            why.append({"agent": slug, "not": reasons[0]})
    chosen = choose(fit, needs)
    order = sorted(fit, key=lambda agent: agent is not chosen)
    return chosen, ([{"agent": agent.slug, "used": agent.used, "of": agent.capacity} for agent in order] + why)[:SHOWN]


def _declined_by_all(item: Item, queue: Queue, why: list[dict[str, Any]], setup: Setup) -> Queue | None:
    """The supervisors' queue, where everybody who could take it declined."""
    if not item.routing.declined_by or queue.supervisor is None:
        return None
    if any(candidate["not"] == "capacity" for candidate in why):
        return None
    return setup.queues.get(queue.supervisor)


def _reservation(item: Item, now: datetime, until: datetime) -> Reservation:
    return Reservation(
        id=typed_id("rsv", now, item.id, str(item.version)),
        item_id=item.id,
        agent=item.agent,
        team=item.team,
        state="pending",
        offered_at=now,
        expires_at=until,
    )


def _offered(item: Item, offer: Reservation, key: str, now: datetime) -> WorkItemOffered:
    return WorkItemOffered(
        event_id=derived_id(item.id, WorkItemOffered.type, str(item.version)),
        occurred_at=now,
        key=key,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        reservation_id=offer.id,
        expires_at=offer.expires_at,
        team=item.team,
    )
