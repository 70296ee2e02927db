"""Queues: the waiting lines and how deep they are."""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.domain.eligibility import never
from services.router.domain.setup import Setup
from services.router.domain.words import OPEN_STATES, URGENCIES
from services.router.store import agents
from services.router.store.tables import WORK_ITEMS, in_states


@dataclass(frozen=True)
class QueueFigures:
    """How a queue stands. Ages and deadlines are of pending items only."""

    queue: str
    team: str
    languages: tuple[str, ...]
    depth: dict[str, int] = field(default_factory=lambda: dict.fromkeys(URGENCIES, 0))  # open items by urgency
    states: dict[str, int] = field(default_factory=lambda: {"pending": 0, "reserved": 0, "assigned": 0})
    by_urgency_and_state: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest_at: datetime | None = None
    overdue: int = 0
    next_due_at: datetime | None = None


AVAILABILITIES = ("available", "at_capacity", "away", "finishing", "outside_hours", "offline")


@dataclass
class Crew:
    """Who serves a queue. Units are of those who are there."""

    by_availability: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AVAILABILITIES, 0))
    capacity: int = 0
    used: int = 0


async def figures(session: AsyncSession, setup: Setup, now: datetime) -> list[QueueFigures]:
    """Every queue's depth, ages and deadlines: zero-filled, one question over the open items."""
    found = {slug: QueueFigures(slug, queue.team, queue.languages) for slug, queue in sorted(setup.queues.items())}
    rows = await session.execute(_OPEN, {"now": now})
    oldest: dict[str, datetime] = {}
    next_due: dict[str, datetime] = {}
    overdue: dict[str, int] = {}
    for row in rows:
        queue = found.get(row.queue)
        if queue is None:
            continue
        queue.depth[row.urgency] += row.n
        queue.states[row.state] = queue.states.get(row.state, 0) + row.n
        queue.by_urgency_and_state[row.urgency, row.state] = row.n
        if row.state == "pending":
            _lower(oldest, row.queue, row.oldest)
            _lower(next_due, row.queue, row.next_due)
            overdue[row.queue] = overdue.get(row.queue, 0) + (row.overdue or 0)
    return [
        QueueFigures(
            queue.queue, queue.team, queue.languages, queue.depth, queue.states, queue.by_urgency_and_state,
            oldest.get(slug), overdue.get(slug, 0), next_due.get(slug),
        )
        for slug, queue in found.items()
    ]  # fmt: skip


_LATE = WORK_ITEMS.c.due_at < sa.bindparam("now", type_=WORK_ITEMS.c.due_at.type)
_OPEN = (
    sa.select(
        WORK_ITEMS.c.queue,
        WORK_ITEMS.c.urgency,
        WORK_ITEMS.c.state,
        sa.func.count().label("n"),
        sa.type_coerce(sa.func.min(WORK_ITEMS.c.enqueued_at), WORK_ITEMS.c.enqueued_at.type).label("oldest"),
        sa.func.count().filter(_LATE).label("overdue"),
        sa.type_coerce(sa.func.min(WORK_ITEMS.c.due_at).filter(sa.not_(_LATE)), WORK_ITEMS.c.due_at.type).label(
            "next_due"
        ),
    )
    .where(in_states(OPEN_STATES))
    .group_by(WORK_ITEMS.c.queue, WORK_ITEMS.c.urgency, WORK_ITEMS.c.state)
)


def _lower(into: dict[str, datetime], queue: str, at: datetime | None) -> None:
    if at is not None:
        into[queue] = min(into.get(queue, at), at)


async def people(session: AsyncSession, setup: Setup, now: datetime) -> dict[str, Crew]:
    """Who serves each queue, by availability, and their units; an agent counts for every queue they serve."""
    crews = {slug: Crew() for slug in setup.queues}
    for agent in await agents.list_agents(session, {"*"}):
        availability = agent.availability(setup, now)
        candidate = agent.as_candidate(setup)
        for slug, queue in setup.queues.items():
            if never(candidate, queue=slug, team=queue.team, needs=()) is None:
                crew = crews[slug]
                crew.by_availability[availability] += 1
                if agent.presence == "available":
                    crew.capacity += agent.capacity
                    crew.used += agent.used
    return crews
