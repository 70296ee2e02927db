"""What time does: deadlines, ageing, steps, offers nobody took, wrap-ups. It stands in rows: a restart forgets none."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from libs.common.events import ResponseWarned, derived_id
from libs.common.outbox import emit
from services.router.domain.setup import Setup
from services.router.domain.waiting import Changed, Completed, Released, tick
from services.router.handlers.events_of import breached_event, done_event, released_event
from services.router.handlers.figures import Figures
from services.router.handlers.presence import relieve
from services.router.store import agents, clocks, items, leases, reservations
from services.router.store.items import Change, WorkItem
from services.router.store.setup import Setups

log = structlog.get_logger()

AT_ONCE = 500
HELD_AT_ONCE = 50  # of those in somebody's hands: all that these agents do waits meanwhile
POLL_SECONDS = 0.5
TIMEOUTS_TO_AWAY = 2  # offers in a row that an agent let pass

Further = Callable[[AsyncSession, Setup, datetime], Awaitable[int]]
"""Other rows whose time has come; says how many there were."""


class Timers:
    """One sweep at a time over all replicas; a moment changes a row once, in the transaction that moves its timer."""

    def __init__(self, database: Database, setups: Setups, figures: Figures, further: Sequence[Further] = ()) -> None:
        self._database = database
        self._setups = setups
        self._figures = figures
        self._further = further

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            try:
                moved = await self.turn()
            except (Unavailable, Raced) as error:
                log.warning("timers_wait", reason=str(error))
                moved = 0
            if moved < HELD_AT_ONCE:
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await stop.wait()
                except TimeoutError:
                    pass

    async def turn(self) -> int:
        """What is due now, at most a batch of it; returns how many rows changed."""
        held = await self._database.write(partial(self._sweep, held=True))
        return held + await self._database.write(partial(self._sweep, held=False))

    async def _sweep(self, session: AsyncSession, held: bool) -> int:
        postgresql = session.get_bind().dialect.name == "postgresql"
        if postgresql and not (await session.execute(_ONE_AT_A_TIME)).scalar_one():
            return 0
        setup = await self._setups.current(session)
        now = await db.now(session)
        if not held:
            return await self._items(session, setup, now, AT_ONCE, held=False)
        gone = await agents.to_be_relieved(session, now)
        await relieve(session, gone, setup, now, "router")
        moved = len(gone) + await self._items(session, setup, now, HELD_AT_ONCE, held=True)
        for further in self._further:
            moved += await further(session, setup, now)
        return moved

    async def _items(self, session: AsyncSession, setup: Setup, now: datetime, most: int, *, held: bool) -> int:
        seen = await items.whose_time_has_come(session, now, most, held=held)
        if not seen:
            return 0
        people = await agents.lock_agents(session, {work.item.agent for work in seen if work.item.agent})
        due = [
            work
            for work in await items.lock_items(session, [work.item.id for work in seen], {"*"})
            if work.item.next_at is not None and work.item.next_at <= now
        ]
        drafts = await leases.drafts(
            session, {work.item.conversation_id for work in due if work.item.state == "assigned"}
        )
        changes: list[Change] = []
        moved: list[WorkItem] = []
        loads: Counter[str] = Counter()
        breached: list[str] = []
        timed_out: list[WorkItem] = []
        for work in due:
            item = work.item
            ticked = tick(item, setup, now, draft_changed_at=drafts.get((item.conversation_id, item.agent)))
            match ticked:
                case Completed(done):
                    changes.append(Change(done, "wrapped", "router", item.agent))
                    loads[item.agent] -= item.weight
                    emit(session, [done_event(done, work.key, "wrapped", now, "")])
                case Released(waiting, reason):
                    changes.append(Change(waiting, reason, "router", item.agent))
                    loads[item.agent] -= item.weight
                    if item.state == "reserved":
                        timed_out.append(work)
                    else:
                        emit(session, [released_event(waiting, item.agent, work.key, reason, now, "")])
                case Changed(after, happened, warned):
                    if after.version != item.version:
                        changes.append(Change(after, "step", "router", why={"step": after.routing.step}))
                    else:
                        moved.append(WorkItem(after, work.key, work.reason, now))
                    if "breached" in happened:
                        assert item.due_at is not None
                        breached.append(item.id)
                        emit(session, [breached_event(item, item.due_at, work.key, now)])
                    elif warned:
                        emit(session, [_warned(work, warned, now)])
        await items.load_agents(session, loads, now)
        await items.write(session, changes, now)
        await items.rearrange(session, [work.item for work in moved])
        await reservations.end(session, [work.item.id for work in timed_out], "timed_out", "no_answer", now)
        for slug, n in sorted(Counter(work.item.agent for work in timed_out).items()):
            await self._let_pass(session, people.get(slug), n, now)
        self._figures.clocks(session, Counter((*clock, "breached") for clock in await clocks.breach(session, breached)))
        return len(due)

    async def _let_pass(self, session: AsyncSession, agent: agents.Agent | None, n: int, now: datetime) -> None:
        """Who lets two offers in a row pass is not there."""
        if agent is None:
            return
        if agent.timeouts + n >= TIMEOUTS_TO_AWAY and agent.presence == "available":
            await agents.set_presence(
                session, agent, "away", reason="offers_timed_out", actor="router", now=now, relieve_at=None
            )
        else:
            await agents.set_values(session, agent.slug, timeouts=agent.timeouts + n)


_ONE_AT_A_TIME = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext("router.timers")))


def _warned(work: WorkItem, share: float, now: datetime) -> ResponseWarned:
    item = work.item
    assert item.due_at is not None
    return ResponseWarned(
        event_id=derived_id(item.id, ResponseWarned.type, f"{item.due_at.isoformat()} {share}"),
        occurred_at=now,
        key=work.key,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        urgency=item.urgency,
        due_at=item.due_at,
        share=share,
        agent=item.agent,
        team=item.team,
    )
