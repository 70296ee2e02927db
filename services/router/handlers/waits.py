"""Looks at every queue twice a minute: says what the wait is, writes down what it promised, counts what was kept."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from services.router.domain.deadlines import deadline
from services.router.domain.eligibility import Agent, never, parse_line
from services.router.domain.hours import Hours, is_open, next_open, open_seconds
from services.router.domain.order import LIFT_AFTER, effective_class
from services.router.domain.pace import CLASSES as ALL_CLASSES
from services.router.domain.pace import Profile, Seen, profile_of
from services.router.domain.policies import Subject, plan_for, queue_at
from services.router.domain.promises import (
    CLASSES,
    FEWEST_SCORED,
    PLAIN,
    REGIMES,
    UNCORRECTED,
    Memory,
    Outcome,
    due_at,
    factors,
    in_force,
    turn,
    wall_seconds,
)
from services.router.domain.setup import Queue, Setup
from services.router.domain.waits import Quantiles, Regime, Served, posted_a_second
from services.router.domain.words import RANK, URGENCIES
from services.router.store import agents
from services.router.store import waits as store
from services.router.store.pages import Page
from services.router.store.setup import Setups
from services.router.store.waits import Ended, Group, Joined, Score

log = structlog.get_logger()

PERIOD = timedelta(seconds=30)
REST = 20  # times as long as a look took: it counts all that waits, and that may be a million
SETTLES = timedelta(seconds=5)  # what was written longer ago is committed by now
LATENESS = timedelta(minutes=15)  # a post that comes to us later joined no line anybody could read about
ANSWER_COMES = timedelta(minutes=10)  # "done" by an agent's click may be ahead of the reply that did it
SCORES_AGE_SECONDS = 600.0


@dataclass(frozen=True)
class Wait:
    """What is known of one queue's wait, since the last look."""

    queue: str
    team: str
    hours: Hours
    at: datetime
    memory: Memory = field(default_factory=Memory)
    score: Score = field(default_factory=Score)

    def seconds(self, number: int = PLAIN) -> tuple[int, int, int] | None:
        """p50, p80 and p90 on the wall for an item of this class that joins now, rounded up; None: not known."""
        shown = self.memory.shown[number]
        if shown.state != "known":
            return None
        found = [wall_seconds(self.hours, quantile, self.at) for quantile in (shown.p50, shown.p80, shown.p90)]
        p50, p80, p90 = found
        return (p50, p80, p90) if p50 is not None and p80 is not None and p90 is not None else None

    def shown(self) -> tuple[float, float, float]:
        """What the gauge shows for a plain item: where it is more than so many hours, those; NaN: not known."""
        hours = self.memory.shown[PLAIN].hours
        return self.seconds() or ((hours * 3600.0 if hours else math.nan),) * 3


@dataclass
class _Known:
    """What this replica need not ask again."""

    at: datetime | None = None  # of the look it is from
    served: Served = field(default_factory=Served)
    outcomes: list[Outcome] = field(default_factory=list)
    profile: Profile = field(default_factory=Profile)
    profile_at: datetime | None = None


class Waits:
    """The expected wait of every queue; one replica looks at a time, all of them know."""

    def __init__(
        self,
        database: Database,
        setups: Setups,
        registry: CollectorRegistry,
        budgets: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Begin with nothing; `budgets`: by network, the replies each handle may post in 15 minutes."""
        self._budgets = budgets
        self._database = database
        self._setups = setups
        self._cache: dict[str, _Known] = {}
        self._scores: dict[str, Score] = {}
        self._scored_at = -math.inf
        self.now: dict[str, Wait] = {}
        self._seconds = Gauge(
            "expected_wait_seconds",
            "Until a first human reply to a plain question that joins now; where it is more than so many opening hours,"
            " those; NaN where it is not known",
            ["queue", "quantile"],
            registry=registry,
        )
        self._kept = Gauge(
            "expected_wait_kept_ratio", "Promises kept, of those scored in 14 days", ["queue"], registry=registry
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                await self.look()
            except (Unavailable, Raced) as error:
                log.warning("waits_wait", reason=str(error))
            with contextlib.suppress(TimeoutError):
                took = time.monotonic() - began
                async with asyncio.timeout(max(PERIOD.total_seconds(), took * REST)):
                    await stop.wait()

    async def look(self) -> None:
        """Look now, unless another replica did; know what it saw in any case."""
        looked = await self._database.write(self._look)
        async with self._database.read() as session:
            setup, now = await self._setups.current(session), await db.now(session)
            known = looked if looked is not None else {q: m for q, (_, m) in (await store.memories(session)).items()}
            if time.monotonic() - self._scored_at >= SCORES_AGE_SECONDS or self._scores.keys() != setup.queues.keys():
                self._scores = await store.scores(session, setup.queues, now)
                self._scored_at = time.monotonic()
        self.now = {
            slug: Wait(
                slug, queue.team, setup.hours_of(queue), now, known.get(slug, Memory()), self._scores.get(slug, Score())
            )
            for slug, queue in setup.queues.items()
        }
        self._show()

    def _show(self) -> None:
        for slug, wait in self.now.items():
            for quantile, seconds in zip(("0.5", "0.8", "0.9"), wait.shown(), strict=True):
                self._seconds.labels(slug, quantile).set(seconds)
            self._kept.labels(slug).set(wait.score.kept / wait.score.scored if wait.score.scored else math.nan)

    # --- one look

    async def _look(self, session: AsyncSession) -> dict[str, Memory] | None:
        if not await store.alone(session):
            return None
        now = await db.now(session)
        before = await store.memories(session)
        last = max((at for at, _ in before.values()), default=None)
        if last is not None and now - last < PERIOD * 0.8:
            return None
        setup = await self._setups.current(session)
        since = last or now - PERIOD
        came = await store.joined(session, since - LATENESS, max(since, now - PERIOD) - LATENESS)
        gone = await self._end(session, setup, since, now)
        replied = await store.replied(session, since - SETTLES, now - SETTLES)
        seen = await self._seen(session, setup, now, came, replied)
        senders = await store.senders(session) if self._budgets else {}
        after: dict[str, Memory] = {}
        for slug, queue in setup.queues.items():
            memory = before[slug][1] if slug in before else Memory()
            most = posted_a_second(senders.get(slug, ()), self._budgets)
            after[slug] = await self._turn(
                session, setup, queue, memory, seen[slug], stale=slug in gone, last=last, most=most
            )
        await store.remember(session, after, now)
        await store.note_published(session, _news(after, setup, now))
        await store.promise(session, [row for one in came if (row := _promised(one, before, after, setup))])
        await store.break_overdue(session, now)
        return after

    async def _turn(
        self, session: AsyncSession, setup: Setup, queue: Queue, memory: Memory, seen: Seen, *,
        stale: bool, last: datetime | None, most: float | None,
    ) -> Memory:  # fmt: skip
        hours = setup.hours_of(queue)
        zone = ZoneInfo(hours.zone)
        known = self._cache.setdefault(queue.slug, _Known())
        if stale or known.at is None or known.at != last:
            known.served, known.outcomes = await store.observed(session, queue.slug)
        hour = seen.at.replace(minute=0, second=0, microsecond=0)
        if known.profile_at != hour:
            past = [one for one in await store.history(session, queue.slug, seen.at) if one.at < hour]
            known.profile, known.profile_at = profile_of(past, zone), hour
        known.at = seen.at
        return turn(
            memory, seen, hours, zone,
            served=known.served,
            profile=known.profile,
            corrections=await _corrections(session, queue.slug, known.outcomes, hours, seen.at),
            most_a_second=most,
            targets=[_target(setup, queue, hours, urgency, seen.at) for urgency in URGENCIES[:CLASSES]],
        )  # fmt: skip

    async def _seen(
        self, session: AsyncSession, setup: Setup, now: datetime, came: Sequence[Joined], replied: Mapping[str, int]
    ) -> dict[str, Seen]:
        people = [
            candidate
            for agent in await agents.list_agents(session, {"*"})
            if agent.availability(setup, now) in ("available", "at_capacity")
            for candidate in (agent.as_candidate(setup),)
        ]
        arrived: dict[str, Counter[int]] = {}
        for one in came:  # a follow-up comes before what is new in its class, and so as what is new above it
            number = max(0, RANK[one.urgency] - one.followup)
            arrived.setdefault(one.queue, Counter())[number] += 1
        groups = await store.waiting(session)
        found = {}
        for slug, queue in setup.queues.items():
            hours = setup.hours_of(queue)
            there = [agent for agent in people if never(agent, queue=slug, team=queue.team, needs=()) is None]
            opened = is_open(hours, now)
            if opened:
                waiting, late = _takeable([group for group in groups if group.queue == slug], there)
            else:
                waiting, late = await _at_opening(session, slug, next_open(hours, now) or now)
            found[slug] = Seen(
                now, opened, len(there), sum(max(0, agent.room) for agent in there), waiting, late,
                tuple(arrived.get(slug, Counter())[number] for number in range(ALL_CLASSES)), replied.get(slug, 0),
            )  # fmt: skip
        return found

    async def _end(self, session: AsyncSession, setup: Setup, since: datetime, now: datetime) -> set[str]:
        """Write down what came of those that wait no longer; returns their queues."""
        rows, queues = [], set()
        for one in await store.ended(session, since - LATENESS):
            if one.answered_at is None and one.state != "canceled" and now - one.changed_at < ANSWER_COMES:
                continue
            rows.append(_outcome(one, setup, now))
            queues.add(one.queue)
        await store.end(session, rows)
        return queues


def _takeable(groups: Sequence[Group], there: Sequence[Agent]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What of all that waits somebody who is there could take, by class, and the late part of it."""
    waiting, late = [0] * ALL_CLASSES, [0] * ALL_CLASSES
    takers: dict[str, bool] = {}
    for group in groups:
        if group.line not in takers:
            queue, team, needs = parse_line(group.line)
            takers[group.line] = any(never(a, queue=queue, team=team, needs=needs) is None for a in there)
        if takers[group.line]:
            waiting[group.number] += group.n
            late[group.number] += group.n * group.late
    return tuple(waiting), tuple(late)


async def _at_opening(session: AsyncSession, queue: str, opening: datetime) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What waits now by the class it will have when the queue opens: waiting lifts it, and may make it late."""
    lifts = range(1, len(URGENCIES) - 1)
    waiting, late = [0] * ALL_CLASSES, [0] * ALL_CLASSES
    for group in await store.waiting_at(session, queue, opening, [opening - LIFT_AFTER * n for n in lifts]):
        counts = [group.n, *group.before, 0]  # so many were lifted at least 0, 1, 2, 3 times
        for lifted, n in enumerate(a - b for a, b in pairwise(counts)):
            number = effective_class(group.urgency, LIFT_AFTER * lifted)
            waiting[number] += n
            late[number] += n * group.late
    return tuple(waiting), tuple(late)


async def _corrections(
    session: AsyncSession, queue: str, outcomes: Sequence[Outcome], hours: Hours, now: datetime
) -> Mapping[Regime, Quantiles]:
    """What the ledger says, those included that wait longer than was predicted: silence is an outcome."""
    if len(outcomes) < FEWEST_SCORED:
        return dict.fromkeys(REGIMES, UNCORRECTED)
    known = list(outcomes)
    for outcome, joined_at in await store.still_waiting(session, queue):
        waited = open_seconds(hours, joined_at, now)
        if waited > outcome.raw[1]:
            known.append(Outcome(outcome.regime, outcome.raw, waited))
    return {regime: factors(known, regime) for regime in REGIMES}


def _target(setup: Setup, queue: Queue, hours: Hours, urgency: str, now: datetime) -> float | None:
    """Opening time after which an item of this urgency that joins now would be late."""
    due = deadline(setup.sla_of(queue), hours, urgency, "information_request", now)
    return open_seconds(hours, now, due) if due is not None else None


def _promised(
    one: Joined, before: Mapping[str, tuple[datetime, Memory]], after: Mapping[str, Memory], setup: Setup
) -> dict[str, Any] | None:
    """The ledger's row of an item that joined: what was published at that moment. None: nothing ever is, or was yet."""
    number, queue = RANK[one.urgency], setup.queues.get(one.queue)
    if number >= CLASSES or queue is None or one.queue not in before:
        return None
    shown = in_force(after[one.queue], number, one.joined_at)
    due = due_at(shown, setup.hours_of(queue), one.joined_at)
    return {
        "item_id": one.item_id,
        "queue": one.queue,
        "urgency": one.urgency,
        "conversation_id": one.conversation_id,
        "joined_at": one.joined_at,
        "promised_at": shown.since,
        "state": shown.state,
        "promised_seconds": int((due - one.joined_at).total_seconds()) if due is not None else None,
        "raw": shown.raw,
        "regime": shown.regime,
        "idle": before[one.queue][1].idle[number],
        "due_at": due,
    }


def _outcome(one: Ended, setup: Setup, now: datetime) -> dict[str, Any]:
    """What came of a promise. Closed without an answer it is no outcome, unless it was broken before."""
    queue = setup.queues.get(one.queue)
    hours = setup.hours_of(queue) if queue is not None else None
    waited = handled = None
    kept = one.kept
    if one.answered_at is not None:
        kept = one.answered_at <= one.due_at if one.due_at is not None else None
        if hours is not None:
            waited = open_seconds(hours, one.joined_at, one.answered_at)
            if one.taken_at is not None and one.taken_at <= one.answered_at:
                handled = open_seconds(hours, one.taken_at, one.answered_at)
    return {
        "item_id": one.item_id,
        "answered_at": one.answered_at,
        "waited_seconds": waited,
        "handled_seconds": handled,
        "kept": kept,
        "ended_at": now,
    }


def _news(after: Mapping[str, Memory], setup: Setup, now: datetime) -> list[dict[str, Any]]:
    """What is published anew, for each class of each queue."""
    rows = []
    for slug, memory in sorted(after.items()):
        wait = Wait(slug, "", setup.hours_of(setup.queues[slug]), now, memory)
        for number, shown in enumerate(memory.shown):
            if shown.since != now:
                continue
            p50, p80, p90 = wait.seconds(number) or (None, None, None)
            rows.append(
                {"queue": slug, "urgency": URGENCIES[number], "at": now, "state": shown.state, "p50_seconds": p50,
                 "p80_seconds": p80, "p90_seconds": p90, "more_than_hours": shown.hours or None,
                 "reason": shown.reason}
            )  # fmt: skip
    return rows


def serving(page: Page, setup: Setup, now: datetime) -> Queue:
    """The queue a plain question to this handle waits in at this hour."""
    queue = setup.queues.get(page.queue)
    if queue is None:
        subject = Subject(page.team, page.languages[0], page.network, page.handle, "information_request", "low")
        queue = plan_for(subject, setup).queue
    return queue_at(queue, "low", setup, now)
