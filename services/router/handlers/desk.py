"""What agents do with one item: claim, release, complete. Each in the caller's transaction."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.errors import Raced
from libs.common.events import Event, WorkItemAssigned, WorkItemCompleted, WorkItemReleased, derived_id
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.store import agents, items
from services.router.store.agents import Agent
from services.router.store.items import WorkItem


async def claim(session: AsyncSession, item_id: str, agent: str, teams: Collection[str], actor: str) -> WorkItem:
    """Give the agent this very item.

    Raises:
        Problem: 404 for an unknown item or agent, 409 when somebody holds it or there is no room.
    """
    await _take_room(session, agent, teams)
    item = await _locked(session, item_id, teams)
    if item.state != "pending":
        holder = f"{item.agent} holds it" if item.agent else f"it is {item.state}"
        raise Problem(
            409,
            "not-waiting",
            "This item does not wait any more",
            f"{item.id}: {holder}.",
            "Take another one with /v1/work-items/take-next, or ask its holder to release it.",
            state=item.state,
            agent=item.agent or None,
        )
    return await _assign(session, item, agent, actor, "claimed")


async def release(session: AsyncSession, item_id: str, teams: Collection[str], actor: str, reason: str) -> WorkItem:
    """Back into its queue with its original age.

    Raises:
        Problem: 404 for an unknown item, 409 when nobody holds it.
    """
    item = await _locked(session, item_id, teams)
    _held(item)
    now = await db.now(session)
    released = await items.move(session, item, state="pending", agent="", reason=reason, actor=actor, now=now)
    await items.free_capacity(session, item.agent)
    event = WorkItemReleased(
        event_id=derived_id(item.id, WorkItemReleased.type, str(released.version)),
        occurred_at=now,
        key=item.key,
        traceparent=traceparent(),
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=released.version,
        reason=reason,
        team=item.team,
    )
    emit(session, [event])
    return released


async def complete(session: AsyncSession, item_id: str, teams: Collection[str], actor: str, reason: str) -> WorkItem:
    """Done, by the agent's word.

    Raises:
        Problem: 404 for an unknown item, 409 when nobody holds it.
    """
    item = await _locked(session, item_id, teams)
    _held(item)
    now = await db.now(session)
    done = await items.move(session, item, state="completed", agent=item.agent, reason=reason, actor=actor, now=now)
    await items.free_capacity(session, item.agent)
    event = WorkItemCompleted(
        event_id=derived_id(item.id, WorkItemCompleted.type, str(done.version)),
        occurred_at=now,
        key=item.key,
        traceparent=traceparent(),
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=done.version,
        reason=reason,
        team=item.team,
    )
    emit(session, [event])
    return done


async def _take_room(session: AsyncSession, agent: str, teams: Collection[str]) -> None:
    """One unit of the agent's capacity, guarded where it is written: two clicks never take one too many."""
    if not await items.reserve_capacity(session, agent, teams):
        found = await agents.get_agent(session, agent, teams)
        raise cannot_take(agent, found) or Raced("the agent got room again")


def cannot_take(slug: str, agent: Agent | None) -> Problem | None:
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
    if agent.used >= agent.capacity:
        return Problem(
            409,
            "no-room",
            "This agent has no room",
            f"{slug} holds {agent.used} of {agent.capacity}.",
            "Answer, complete or release something first.",
        )
    return None


async def _assign(session: AsyncSession, item: WorkItem, agent: str, actor: str, reason: str) -> WorkItem:
    now = await db.now(session)
    assigned = await items.move(session, item, state="assigned", agent=agent, reason=reason, actor=actor, now=now)
    emit(session, [assigned_event(assigned, now, traceparent())])
    return assigned


def assigned_event(item: WorkItem, now: datetime, trace: str) -> Event:
    """This agent has it now."""
    return WorkItemAssigned(
        event_id=derived_id(item.id, WorkItemAssigned.type, str(item.version)),
        occurred_at=now,
        key=item.key,
        traceparent=trace,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        waited_seconds=max(0.0, (now - item.enqueued_at).total_seconds()),
        team=item.team,
    )


async def _locked(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem:
    item = await items.lock_item(session, item_id, teams)
    if item is None:
        raise unknown("work item", item_id, "GET /v1/work-items lists them.")
    return item


def _held(item: WorkItem) -> None:
    if item.state != "assigned":
        raise Problem(
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
