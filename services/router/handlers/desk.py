"""What agents do with one item: claim, release, complete, escalate, transfer. Each in the caller's transaction."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.errors import Raced
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item, back, given, is_aside, moved, raised
from services.router.domain.words import HELD_STATES, OPEN_STATES, Urgency
from services.router.handlers.events_of import assigned_event, done_event, released_event
from services.router.handlers.figures import Figures
from services.router.store import agents, clocks, items, reservations
from services.router.store.agents import Agent
from services.router.store.items import Change, WorkItem
from services.router.store.setup import Setups


class Desk:
    """One item at a time, by a person's word."""

    def __init__(self, setups: Setups, figures: Figures) -> None:
        self._setups = setups
        self._figures = figures

    async def claim(
        self, session: AsyncSession, item_id: str, agent: str, teams: Collection[str], actor: str
    ) -> WorkItem:
        """Give the agent this very item.

        Raises:
            Problem: 404 for an unknown item or agent, 409 when somebody holds it or there is no room.
        """
        setup = await self._setups.current(session)
        person = (await agents.lock_agents(session, {agent})).get(agent)
        if person is not None and person.team not in teams and "*" not in teams:
            person = None
        work = await _locked(session, item_id, teams)
        now = await db.now(session)
        if work.item.state != "pending":
            raise not_waiting(work.item)
        if problem := cannot_take(agent, person, setup, now, weight=work.item.weight):
            raise problem
        assert person is not None
        held = given(work.item, agent, setup, now)
        why = {"rank": held.rank, "line": held.line, "used": person.used, "of": person.capacity}
        return await self._save(session, work, held, "claimed", actor, now, Counter({agent: held.weight}), why)

    async def release(
        self, session: AsyncSession, item_id: str, teams: Collection[str], actor: str, reason: str
    ) -> WorkItem:
        """Back into its queue with its original age.

        Raises:
            Problem: 404 for an unknown item, 409 when nobody holds it.
        """
        setup = await self._setups.current(session)
        work = await _held(session, item_id, teams, ("assigned",))
        now = await db.now(session)
        return await self._save(session, work, back(work.item, setup, now), reason, actor, now, _less(work.item))

    async def complete(
        self, session: AsyncSession, item_id: str, teams: Collection[str], actor: str, reason: str
    ) -> WorkItem:
        """Done, by the agent's word; its clock is canceled, for nobody answered.

        Raises:
            Problem: 404 for an unknown item, 409 when nobody holds it.
        """
        work = await _held(session, item_id, teams, ("assigned", "wrapping"))
        now = await db.now(session)
        done = replace(work.item, state="completed", version=work.item.version + 1, next_at=None)
        self._figures.clocks(session, await clocks.cancel(session, [work.item.id], reason, now))
        return await self._save(session, work, done, reason, actor, now, _less(work.item))

    async def escalate(
        self, session: AsyncSession, item_id: str, teams: Collection[str], actor: str, note: str
    ) -> WorkItem:
        """To the supervisors' queue of its queue, with its age.

        Raises:
            Problem: 404 for an unknown item, 409 where it is done or its queue has no supervisors.
        """
        setup = await self._setups.current(session)
        work = await _open(session, item_id, teams)
        queue = setup.queues.get(work.item.queue)
        above = setup.queues.get(queue.supervisor) if queue is not None and queue.supervisor else None
        if above is None:
            raise Problem(
                409,
                "no-supervisors",
                "This queue has no supervisors",
                f"The queue {work.item.queue} names no supervisors' queue.",
                f'Name one: `supervisor = "..."` of the queue {work.item.queue}, or transfer the item to a queue.',
            )
        now = await db.now(session)
        there = moved(work.item, above, setup, now)
        why = {"from": work.item.queue, "note": note}
        return await self._save(session, work, there, "escalated", actor, now, _less(work.item), why)

    async def transfer(
        self, session: AsyncSession, item_id: str, queue: str, teams: Collection[str], actor: str, note: str
    ) -> WorkItem:
        """To another queue, with its age.

        Raises:
            Problem: 404 for an unknown item or queue, 409 where it is done.
        """
        setup = await self._setups.current(session)
        there = setup.queues.get(queue)
        if there is None:
            raise unknown("queue", queue, "GET /v1/queues lists them.")
        work = await _open(session, item_id, teams)
        now = await db.now(session)
        item = moved(work.item, there, setup, now)
        why = {"from": work.item.queue, "note": note}
        return await self._save(session, work, item, "transferred", actor, now, _less(work.item), why)

    async def set_urgency(
        self, session: AsyncSession, item_id: str, urgency: Urgency, teams: Collection[str], actor: str, note: str
    ) -> WorkItem:
        """Raise or lower it by a person's word, with their reason; its deadline follows.

        Raises:
            Problem: 404 for an unknown item, 409 where it is done.
        """
        setup = await self._setups.current(session)
        work = await _open(session, item_id, teams, put_aside=True)
        if work.item.urgency == urgency:
            return work
        now = await db.now(session)
        item = raised(work.item, urgency, ("manual",), setup, now, by_a_person=True)
        why = {"was": work.item.urgency, "due_at": work.item.due_at, "note": note}
        await clocks.retarget(session, [(item, work.item.due_at, "manual")], now)
        return await self._save(session, work, item, "manual", actor, now, Counter(), why)

    async def _save(
        self,
        session: AsyncSession,
        work: WorkItem,
        item: Item,
        reason: str,
        actor: str,
        now: datetime,
        loads: Counter[str],
        why: Any = None,
    ) -> WorkItem:
        """Write one step, and tell of it."""
        before = work.item
        await items.load_agents(session, loads, now)
        await items.write(session, [Change(item, reason, actor, item.agent or before.agent, why)], now)
        if before.state == "reserved" and item.state != "reserved":
            await reservations.end(session, [item.id], "rescinded", reason, now)
        trace = traceparent()
        if item.state == "assigned" and before.state != "assigned":
            emit(session, [assigned_event(item, work.key, now, trace)])
            self._figures.assigned(session, [item], now)
        elif item.state == "completed":
            emit(session, [done_event(item, work.key, reason, now, trace)])
        elif item.state == "pending" and before.agent:
            emit(session, [released_event(item, before.agent, work.key, reason, now, trace)])
        return WorkItem(item, work.key, reason, now)


def _less(item: Item) -> Counter[str]:
    return Counter({item.agent: -item.weight}) if item.agent and item.state in HELD_STATES else Counter()


def cannot_take(slug: str, agent: Agent | None, setup: Setup, now: datetime, *, weight: int = 1) -> Problem | None:
    """Why this agent can take nothing more, or None."""
    if agent is None:
        return unknown("agent", slug, "GET /v1/agents lists them; PUT /v1/agents/{agent} makes one.")
    if agent.presence != "available":
        return Problem(
            409,
            "not-available",
            "This agent is not available",
            f"{slug} is {agent.presence}.",
            f'PUT /v1/agents/{slug}/presence {{"presence": "available"}} first.',
        )
    if agent.availability(setup, now) == "outside_hours":
        return Problem(
            409,
            "outside-hours",
            "This agent is outside their hours",
            f"{slug} has the hours {agent.hours}, which are over or have not begun.",
            "Change the agent's hours, or leave them out.",
        )
    if agent.used + weight > agent.capacity:
        return Problem(
            409,
            "no-room",
            "This agent has no room",
            f"{slug} holds {agent.used} of {agent.capacity}.",
            "Answer, complete or release something first.",
        )
    return None


def not_waiting(item: Item) -> Problem:
    """409: somebody has it, or it is done."""
    holder = f"{item.agent} holds it" if item.agent and item.state in HELD_STATES else f"it is {item.state}"
    return Problem(
        409,
        "not-waiting",
        "This item does not wait any more",
        f"{item.id}: {holder}.",
        "Take another one with /v1/work-items/take-next, or ask its holder to release it.",
        state=item.state,
        agent=item.agent or None,
    )


async def _locked(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem:
    work = await items.lock_item(session, item_id, teams)
    if work is None:
        raise unknown("work item", item_id, "GET /v1/work-items lists them.")
    return work


async def _open(
    session: AsyncSession, item_id: str, teams: Collection[str], *, put_aside: bool = False, answered: bool = False
) -> WorkItem:
    """An item that is not done, nor (unless `answered`) in its wrap-up, locked after whoever holds it: agents before
    items, as everywhere.
    """
    seen = await items.get_item(session, item_id, teams)
    if seen is None:
        raise unknown("work item", item_id, "GET /v1/work-items lists them.")
    if seen.item.agent:
        await agents.lock_agents(session, {seen.item.agent})
    work = await _locked(session, item_id, teams)
    if work.item.agent != seen.item.agent:
        raise Raced("the item changed hands")
    if is_aside(work.item) and not put_aside:
        raise Problem(
            409,
            "put-aside",
            "Its conversation is on hold or snoozed",
            f"{work.item.id} waits with {work.item.agent} for somebody else, or for a time.",
            f"POST /v1/conversations/{work.item.conversation_id}/resume first, or act on the conversation.",
        )
    if work.item.state not in OPEN_STATES or (work.item.state == "wrapping" and not answered):
        raise Problem(
            409,
            "done",
            "This item is done",
            f"{work.item.id} is {work.item.state}.",
            "A further message of the customer opens a new one.",
            state=work.item.state,
        )
    return work


async def _held(session: AsyncSession, item_id: str, teams: Collection[str], states: Collection[str]) -> WorkItem:
    seen = await items.get_item(session, item_id, teams)
    if seen is None:
        raise unknown("work item", item_id, "GET /v1/work-items lists them.")
    if seen.item.state not in states:
        raise _not_held(seen.item)
    work = await _open(session, item_id, teams, answered=True)
    if work.item.state not in states:  # an answer of ours was quicker
        raise _not_held(work.item)
    return work


def _not_held(item: Item) -> Problem:
    return Problem(
        409,
        "not-held",
        "Nobody holds this item",
        f"{item.id} is {item.state}.",
        "Only an assigned item can be released or completed.",
        state=item.state,
    )


def unknown(what: str, name: str, fix: str) -> Problem:
    """A 404 that says how to find what exists; a stranger's is unknown too."""
    return Problem(404, "unknown", f"There is no such {what}", f"No {what} {name!r} here.", fix)


def unknown_mention(network: str, post_id: str) -> Problem:
    """A 404 for a mention: it may be on its way."""
    return unknown(
        "mention",
        f"{network}/{post_id}",
        "If it was accepted a moment ago it may not be routed yet: ask again in a second.",
    )
