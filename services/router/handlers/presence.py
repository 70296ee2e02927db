"""Agents come and go: what they hold goes back when they leave, and nobody loses a draft over it."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.outbox import emit
from libs.common.trace import traceparent
from services.router.domain.setup import Setup
from services.router.domain.waiting import DRAFT_KEEPS, back, is_aside
from services.router.domain.words import Presence
from services.router.handlers.desk import unknown
from services.router.handlers.events_of import released_event
from services.router.store import agents, items, leases, reservations
from services.router.store.agents import Agent
from services.router.store.items import Change
from services.router.store.setup import Setups

GRACE = timedelta(minutes=2)
"""How long a lost connection may last before what the agent holds goes to others."""

Left = Literal["declared", "connection_lost"]


class Presences:
    """Who is there."""

    def __init__(self, setups: Setups) -> None:
        self._setups = setups

    async def declare(
        self, session: AsyncSession, slug: str, presence: Presence, why: Left, teams: Collection[str], actor: str
    ) -> Agent:
        """Who goes offline gives back what they hold: at once, or after the grace of a lost connection.

        Raises:
            Problem: 404 for an unknown agent.
        """
        setup = await self._setups.current(session)
        agent = await agents.get_agent(session, slug, teams, lock=True)
        if agent is None:
            raise unknown("agent", slug, "GET /v1/agents lists them; PUT /v1/agents/{agent} makes one.")
        now = await db.now(session)
        if agent.presence == presence and not (presence == "offline" and agent.next_at and why == "declared"):
            return agent
        relieve_at = now + GRACE if presence == "offline" and why == "connection_lost" else None
        agent = await agents.set_presence(
            session, agent, presence, reason=why, actor=actor, now=now, relieve_at=relieve_at
        )
        if presence == "offline" and relieve_at is None:
            await relieve(session, [agent], setup, now, actor)
        return agent


async def relieve(session: AsyncSession, gone: Sequence[Agent], setup: Setup, now: datetime, actor: str) -> None:
    """Give back what these (locked) agents hold, with its age; a fresh draft keeps its item for some minutes more."""
    if not gone:
        return
    held = await items.held_by(session, [agent.slug for agent in gone])
    drafts = await leases.drafts(session, {work.item.conversation_id for work in held})
    trace = traceparent()
    changes: list[Change] = []
    loads: Counter[str] = Counter()
    later: dict[str, datetime] = {}
    for work in held:
        item = work.item
        draft_at = drafts.get((item.conversation_id, item.agent))
        if draft_at is not None and draft_at + DRAFT_KEEPS > now:
            later[item.agent] = min(later.get(item.agent, now + DRAFT_KEEPS), draft_at + DRAFT_KEEPS)
            continue
        if item.state == "wrapping" or is_aside(item):
            continue  # it is answered, or waits for somebody else: its time ends by itself
        waiting = back(item, setup, now)
        changes.append(Change(waiting, "agent_offline", actor, item.agent))
        loads[item.agent] -= item.weight
        emit(session, [released_event(waiting, item.agent, work.key, "agent_offline", now, trace)])
    await items.load_agents(session, loads, now)
    await items.write(session, changes, now)
    await reservations.end(session, [change.item.id for change in changes], "rescinded", "agent_offline", now)
    for agent in gone:
        await agents.set_values(session, agent.slug, next_at=later.get(agent.slug))
