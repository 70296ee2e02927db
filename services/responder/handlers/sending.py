"""The sender: reserve, commit, one POST, save what the network said; look for what nobody knows the fate of."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from libs.common.faults import fault
from services.responder.domain import budget as budget_of
from services.responder.domain import recovery
from services.responder.domain.budget import Budget
from services.responder.domain.machines import for_nobody
from services.responder.domain.posting import ByHand, Exchange, Lost, NotSent, Outcome, Pace, classify
from services.responder.domain.replies import Reply, borrow, doubt, hold, reserve, settle
from services.responder.gateways import POST, Gateway
from services.responder.gateways.meter import STOPPING, Meter, answer_of
from services.responder.handlers.deletions import again_if_gone
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.machines import sift
from services.responder.handlers.replies import Changes
from services.responder.handlers.told import tell
from services.responder.store import budgets
from services.responder.store import replies as store
from services.responder.store.budgets import Breaker

log = structlog.get_logger()

AWAY_SECONDS = (0.2, 5.0)  # first and longest wait for a database that is away
STALLED_SECONDS = 60.0
EVERYBODY = frozenset({"*"})
PROBE = timedelta(minutes=1)
_MOMENT = timedelta(seconds=1)  # for the read that may show that an account goes again


class Sender:
    """Sends what is queued, several replies at once and each with at most one POST in flight."""

    def __init__(
        self,
        database: Database,
        gateways: Mapping[str, Gateway],
        pace: Pace,
        changes: Changes,
        figures: Figures,
        *,
        at_once: int,
        poll_seconds: float,
        chance: Callable[[], float] = random.random,
        probe: timedelta = PROBE,
        meter: Meter | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            probe: from the stop of an account to the read that may show that it goes again; doubles with each stop.
        """
        self._database = database
        self._gateways = gateways
        self._pace = pace
        self._changes = changes
        self._figures = figures
        self._at_once = at_once
        self._poll_seconds = poll_seconds
        self._chance = chance
        self._probe_after = probe
        self._meter = meter or Meter()
        self._stop = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._waiting_for: str | None = None
        self._beat_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then finish what is in hand. Anything unexpected ends it: recovery knows more."""
        self._stop = stop
        away = AWAY_SECONDS[0]
        try:
            while not stop.is_set() and self._failed is None:
                self._beat_at = time.monotonic()
                self._changes.work.clear()
                try:
                    await self.turn()
                except (Unavailable, Raced) as error:
                    self._waiting_for = str(error)
                    log.warning("sender_waits", reason=str(error), seconds=round(away, 1))
                    await _first(stop, timeout=away)
                    away = min(away * 2, AWAY_SECONDS[1])
                else:
                    self._waiting_for, away = None, AWAY_SECONDS[0]
                    await _first(stop, self._changes.work, timeout=self._poll_seconds)
            await self.finish()
        except asyncio.CancelledError:
            for task in self._in_hand:
                task.cancel()
            raise
        if self._failed is not None:
            raise self._failed

    def ready(self) -> str | None:
        """What we wait for, or None."""
        return f"the sender waits: {self._waiting_for}" if self._waiting_for else None

    def alive(self) -> str | None:
        """What stands still, or None."""
        silent = 0.0 if self._beat_at is None else time.monotonic() - self._beat_at
        return f"the sender has been silent for {silent:.0f} s" if silent > STALLED_SECONDS else None

    async def finish(self) -> None:
        """Wait for what is in hand."""
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    async def turn(self) -> None:
        """Take what is due, as much as there is room for, and begin with it."""
        free = self._at_once - len(self._in_hand)
        if free <= 0:
            return
        async with self._database.read() as session:
            now = await db.now(session)
            to_probe = await budgets.anything_to_probe(session, now)
            due = await store.anything_due(session, now, now - self._pace.recover_after)
        if to_probe:
            await self._begin_probes()
        if not due:
            return
        since = time.monotonic()
        queued, unknown = await self._take(free)
        for reply in queued:
            self._begin(self._send(reply, since))
        for reply in unknown:
            self._begin(self._look(reply))

    async def _take(self, free: int) -> tuple[list[Reply], list[Reply]]:
        """Make replies ours: those to send, those to look for. Committed before anything goes over the network."""
        pace = self._pace
        async with self._database.begin() as session:
            now = await db.now(session)
            abandoned = await store.take_abandoned(session, now - pace.recover_after, most=100)
            await store.save(session, [doubt(reply, now, pace) for reply in abandoned])
            unknown = await store.take_unknown(session, now, most=(free + 1) // 2)
            unknown = [borrow(reply, now, pace) for reply in unknown]
            await budgets.one_at_a_time(session)
            queued = await store.take_queued(session, now, most=free - len(unknown))
            queued, dropped = await sift(session, queued, now)
            queued, held = await self._within_budget(session, queued, now)
            await store.save(session, unknown + queued + held + dropped)
        for reply in abandoned:
            log.warning("reply_abandoned", reply_id=reply.id)
            self._figures.became("unknown")
        for reply in dropped:
            self._settled(reply)
        return queued, unknown

    async def _within_budget(
        self, session: AsyncSession, queued: Sequence[Reply], now: datetime
    ) -> tuple[list[Reply], list[Reply]]:
        """Those that the network lets us send now, reserved; and those that wait until it does."""
        still = await budgets.stopped(session, {(reply.network, reply.handle) for reply in queued})
        known = await budgets.of_accounts(session, {self._budget_of(reply) for reply in queued})
        ours: list[Reply] = []
        held: list[Reply] = []
        for reply in queued:
            if (breaker := still.get((reply.network, reply.handle))) and breaker.probe_at is not None:
                held.append(hold(reply, max(now, breaker.probe_at) + _MOMENT, f"stopped: {breaker.reason}", now))
                continue
            budget = known[self._budget_of(reply)]
            if not budget.limit and await self._goes_alone(session, reply, ours, now):
                continue  # until the network has said how many may go
            after = budget_of.take(budget, reply.priority, now)
            if after is None:
                until = budget_of.wait_until(budget, now, self._chance())
                held.append(hold(reply, until, "the network takes no more posts for now", now))
                continue
            known[self._budget_of(reply)] = after
            ours.append(reserve(reply, now))
        await budgets.keep(session, [budget for budget in known.values() if budget.limit])
        return ours, held

    async def _goes_alone(self, session: AsyncSession, reply: Reply, ours: Sequence[Reply], now: datetime) -> bool:
        """Whether one of the same budget is on its way already."""
        which = self._budget_of(reply)
        return any(self._budget_of(each) == which for each in ours) or await self._in_flight(session, reply, now) > 0

    async def _in_flight(self, session: AsyncSession, reply: Reply, now: datetime) -> int:
        """How many others of the same budget are on their way."""
        since = now - self._pace.send_within - self._pace.post_limit
        operation = self._operation(reply.network, private=reply.private)
        alike = [private for private in (False, True) if self._operation(reply.network, private=private) == operation]
        return await budgets.count_in_flight(session, reply.network, reply.handle, alike, since, but=reply.id)

    def _budget_of(self, reply: Reply) -> tuple[str, str, str]:
        return reply.network, reply.handle, self._operation(reply.network, private=reply.private)

    def _operation(self, network: str, *, private: bool) -> str:
        gateway = self._gateways.get(network)
        return gateway.operation(private=private) if gateway else POST

    async def _note_budget(
        self, session: AsyncSession, reply: Reply, exchange: Exchange | ByHand, now: datetime
    ) -> None:
        """What the network's headers say is left."""
        if isinstance(exchange, Lost):
            return
        which = self._budget_of(reply)
        budget = (await budgets.of_accounts(session, {which}))[which]
        if isinstance(exchange, NotSent | ByHand):
            after: Budget | None = budget_of.give_back(budget) if budget.limit else None
        else:
            after = budget_of.heard(budget, exchange.headers, 0, now)
            if after is not None and after.remaining > budget.remaining:  # another window: ours may not be in it yet
                after = budget_of.heard(budget, exchange.headers, await self._in_flight(session, reply, now), now)
        if after is not None:
            await budgets.keep(session, [after])

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._in_hand.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_hand.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed = error
        self._changes.work.set()  # there is room again

    async def _send(self, reply: Reply, since: float) -> None:
        """One POST for a reply that is ours, and what came of it.

        Args:
            since: when we began to reserve it; after too long somebody else may think that we are gone.
        """
        fault("after_reserve_before_post")
        gateway = self._gateways.get(reply.network)
        exchange: Exchange | ByHand
        if gateway is None:
            exchange = NotSent("no gateway to this network is set up")
        elif time.monotonic() - since > self._pace.send_within.total_seconds():
            exchange = NotSent("it took too long to begin")
        else:
            exchange = await gateway.post(reply)
        fault("after_post_before_confirm")

        async def confirm(session: AsyncSession) -> None:
            now = await db.now(session)
            current = await store.find(session, reply.id, EVERYBODY, lock=True)
            if current is None or current.fence != reply.fence:
                log.error("fence_lost", reply_id=reply.id, exchange=type(exchange).__name__)
                return
            await self._note_budget(session, current, exchange, now)
            outcome: Outcome = (
                exchange
                if isinstance(exchange, ByHand)
                else classify(exchange, tries=reply.fence, now=now, pace=self._pace, chance=self._chance())
            )
            await self._note_answer(session, current, exchange, outcome, now)
            await self._settle(session, current, outcome, now)

        await self._until_saved(confirm)

    async def _note_answer(
        self, session: AsyncSession, reply: Reply, exchange: Exchange | ByHand, outcome: Outcome, now: datetime
    ) -> None:
        """Count what the network said; stop an account of which it takes nothing more."""
        operation, answer = self._operation(reply.network, private=reply.private), answer_of(exchange, outcome)
        after_commit(session, lambda: self._meter.answered(reply.network, operation, answer))
        if answer not in STOPPING:
            return
        reason = getattr(outcome, "reason", "") or answer
        if await budgets.stop(session, (reply.network, reply.handle), reason, now, self._probe_after):
            log.error("account_stopped", network=reply.network, handle=reply.handle, answer=answer, reason=reason)

    async def _begin_probes(self) -> None:
        """Read from the accounts that stand still and are due; committed before anything goes over the network."""
        async with self._database.begin() as session:
            due = await budgets.take_probes(session, await db.now(session), self._probe_after)
        for breaker in due:
            self._begin(self._probe(breaker))

    async def _probe(self, breaker: Breaker) -> None:
        gateway = self._gateways.get(breaker.network)
        if gateway is None:
            return
        try:
            await gateway.probe(breaker.handle)
        except Unavailable as error:
            log.warning("account_still_stopped", network=breaker.network, handle=breaker.handle, reason=str(error))
            return
        await self._until_saved(lambda session: budgets.go_on(session, breaker))
        log.info("account_goes_again", network=breaker.network, handle=breaker.handle)

    async def _look(self, reply: Reply) -> None:
        """Read our own timeline for a reply that may be there."""
        gateway = self._gateways.get(reply.network)
        try:
            if gateway is None:
                raise Unavailable(reply.network, "no gateway to it is set up")
            timeline = await gateway.look(reply)
            read = True
        except Unavailable as error:
            log.warning("timeline_not_read", reply_id=reply.id, reason=str(error))
            timeline, read = (), False

        async def conclude(session: AsyncSession) -> None:
            now = await db.now(session)
            current = await store.find(session, reply.id, EVERYBODY, lock=True)
            if current is None or current.version != reply.version:
                return  # whoever was sending it has said how it went, or somebody else looked
            claimed = await store.claimed_posts(session, reply.network, reply.in_reply_to)
            strict = current
            if current.private or await store.has_company(session, current):  # only its words tell which it is
                strict = replace(current, follow_up_of=current.follow_up_of or current.id)
            if current.private:  # a message names nothing that it answers
                claimed |= {each.post_id for each in timeline if await self._is_anothers(session, reply, each.post_id)}
            found = recovery.find(strict, timeline, claimed)
            outcome = recovery.after_look(current, found, read=read, now=now, pace=self._pace)
            await self._settle(session, current, outcome, now)

        await self._until_saved(conclude)

    async def _is_anothers(self, session: AsyncSession, reply: Reply, post_id: str) -> bool:
        return await store.reply_of_post(session, reply.network, post_id) not in (None, reply.id)

    async def _settle(self, session: AsyncSession, reply: Reply, outcome: Outcome, now: datetime) -> None:
        after = for_nobody(settle(reply, outcome, now, self._pace), now)
        if after is None:
            log.warning("settled_by_others", reply_id=reply.id, state=reply.state, outcome=type(outcome).__name__)
            return
        await store.save(session, [after])
        after = await again_if_gone(session, after, now)
        if after.state == reply.state:
            return
        tell(session, after, now)
        after_commit(session, lambda: self._settled(after))

    async def _until_saved(self, work: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """What the network said must not be lost to a short absence of the database; else recovery finds it out."""
        away = AWAY_SECONDS[0]
        while True:
            try:
                return await self._database.write(work)
            except (Unavailable, Raced) as error:
                log.warning("outcome_waits", reason=str(error), seconds=round(away, 1))
            if self._stop.is_set():
                return None
            await _first(self._stop, timeout=away)
            away = min(away * 2, AWAY_SECONDS[1])

    def _settled(self, reply: Reply) -> None:
        self._figures.became(reply.state)
        self._changes.changed(reply.id)
        log.info("reply_settled", reply_id=reply.id, state=reply.state, tries=reply.fence)


async def _first(*events: asyncio.Event, timeout: float) -> None:
    """Until one of these is set, or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
