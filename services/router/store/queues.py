"""Queues: the waiting lines and how deep they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import ask_and_read_clock
from services.router.domain.routing import OPEN_STATES, URGENCIES, Queue
from services.router.store.tables import AGENTS, QUEUES, WORK_ITEMS


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


async def queues_for_routing(session: AsyncSession) -> list[Queue]:
    """All queues; a handful of rows, read in each transaction so that a change counts at once."""
    return [Queue(row.slug, tuple(row.languages), row.team) for row in await ask_and_read_clock(session, _FOR_ROUTING)]


_FOR_ROUTING = sa.select(QUEUES.c.slug, QUEUES.c.languages, QUEUES.c.team)


async def team_of(session: AsyncSession, slug: str) -> str | None:
    """Whose queue it is; None where there is none of that name."""
    return (await session.execute(sa.select(QUEUES.c.team).where(QUEUES.c.slug == slug))).scalar()


async def put_queue(
    session: AsyncSession, slug: str, name: str, languages: Sequence[str], team: str, now: datetime
) -> int:
    """Create or change a queue; returns its version."""
    changed = await session.execute(
        sa.update(QUEUES)
        .where(QUEUES.c.slug == slug)
        .values(name=name, languages=list(languages), team=team, version=QUEUES.c.version + 1, updated_at=now)
        .returning(QUEUES.c.version)
    )
    version = changed.scalar()
    if version is None:
        row = {"slug": slug, "name": name, "languages": list(languages), "team": team, "version": 1, "updated_at": now}
        await session.execute(sa.insert(QUEUES).values(row))
        return 1
    return int(version)


async def figures(session: AsyncSession, now: datetime) -> list[QueueFigures]:
    """Every queue's depth, ages and deadlines: zero-filled, one question over the open items."""
    found = {
        row.slug: QueueFigures(row.slug, row.team, tuple(row.languages))
        for row in await session.execute(sa.select(QUEUES).order_by(QUEUES.c.slug))
    }
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
    .where(WORK_ITEMS.c.state.in_(OPEN_STATES))
    .group_by(WORK_ITEMS.c.queue, WORK_ITEMS.c.urgency, WORK_ITEMS.c.state)
)


def _lower(into: dict[str, datetime], queue: str, at: datetime | None) -> None:
    if at is not None:
        into[queue] = min(into.get(queue, at), at)


async def availability(session: AsyncSession) -> dict[str, int]:
    """How many agents are available, at capacity, finishing, away or offline."""
    at_capacity = (AGENTS.c.used >= AGENTS.c.capacity).label("at_capacity")
    statement = sa.select(AGENTS.c.presence, at_capacity, sa.func.count().label("n"))
    counts = dict.fromkeys(("available", "at_capacity", "away", "finishing", "offline"), 0)
    for row in await session.execute(statement.group_by(AGENTS.c.presence, at_capacity)):
        counts["at_capacity" if row.presence == "available" and row.at_capacity else row.presence] += row.n
    return counts
