"""Work items: who takes the next, who holds what, and every step of their lives."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_append, bulk_update, v
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.router.store.tables import AGENTS, CONVERSATIONS, ITEM_CHANGES, WORK_ITEMS


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A work item as people see it."""

    id: str
    conversation_id: str
    queue: str
    team: str
    state: str
    urgency: str
    enqueued_at: datetime
    due_at: datetime | None
    agent: str
    assigned_at: datetime | None
    opened_by: str
    reason: str
    version: int
    updated_at: datetime
    key: str  # of its conversation


_FIELDS = tuple(name for name in WorkItem.__dataclass_fields__ if name != "key")
_ITEMS = sa.select(*[WORK_ITEMS.c[name] for name in _FIELDS], CONVERSATIONS.c.key).join_from(
    WORK_ITEMS, CONVERSATIONS, CONVERSATIONS.c.id == WORK_ITEMS.c.conversation_id
)


async def reserve_capacity(session: AsyncSession, agent: str, teams: Collection[str]) -> bool:
    """Take one unit of an agent who is there and has room; False when not. Locks the agent's row."""
    there = sa.and_(AGENTS.c.presence == "available", AGENTS.c.used < AGENTS.c.capacity)
    result: Any = await session.execute(
        sa.update(AGENTS).where(AGENTS.c.slug == agent, there, of_teams(AGENTS, teams)).values(used=AGENTS.c.used + 1)
    )
    return bool(result.rowcount)


async def free_capacity(session: AsyncSession, agent: str) -> None:
    """Give one unit back."""
    await session.execute(sa.update(AGENTS).where(AGENTS.c.slug == agent).values(used=AGENTS.c.used - 1))


async def waiting(session: AsyncSession, queues: Sequence[str], most: int) -> list[WorkItem]:
    """The first `most` waiting items of each queue, all in the order they are to be taken.

    Ours until the end of the transaction: who takes from one of these queues waits for us, so that nobody passes
    over an item that another has only looked at. One short walk of the index `work_items_waiting` for each queue.
    """
    if not queues:
        return []
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        await session.execute(_LOCK_QUEUES, {"names": sorted(queues)})
    heads = _heads(len(queues))
    rows = await session.execute(heads, {f"queue_{n}": queue for n, queue in enumerate(queues)} | {"most": most})
    return [WorkItem(**row._mapping) for row in rows]


_LOCK_QUEUES = sa.text(
    "SELECT pg_advisory_xact_lock(hashtext('router.take_next'), hashtext(name)) FROM unnest(:names) AS name"
).bindparams(sa.bindparam("names", type_=sa.ARRAY(sa.Text)))


@lru_cache(maxsize=64)
def _heads(queues: int) -> sa.Select[Any]:
    heads = [
        sa.select(
            sa.select(WORK_ITEMS.c.id)
            .where(WORK_ITEMS.c.queue == sa.bindparam(f"queue_{n}", type_=sa.Text()), WORK_ITEMS.c.state == _PENDING)
            .order_by(WORK_ITEMS.c.rank, WORK_ITEMS.c.enqueued_at, WORK_ITEMS.c.id)
            .limit(sa.bindparam("most", type_=sa.Integer()))
            .subquery()
        )
        for n in range(queues)
    ]
    found = sa.union_all(*heads).subquery()
    return _ITEMS.join(found, found.c.id == WORK_ITEMS.c.id).order_by(
        WORK_ITEMS.c.rank, WORK_ITEMS.c.enqueued_at, WORK_ITEMS.c.id
    )


_PENDING: sa.ColumnElement[str] = sa.literal_column(
    "'pending'"
)  # written out, or the planner could not use the partial index


async def assign(session: AsyncSession, given: Sequence[WorkItem], reason: str, actors: Sequence[str]) -> None:
    """Write items that are assigned now; each came from `waiting` and has its agent and its next version.

    Raises:
        Raced: one is not waiting any more, or an agent has no room any more.
    """
    in_order = sorted(given, key=lambda item: item.id)
    rows = [{name: getattr(item, name) for name in ("id", *_ASSIGNED)} for item in in_order]
    if await bulk_update(session, WORK_ITEMS, rows, key=["id"], where=_STILL_WAITING) != len(rows):
        raise Raced("an item does not wait any more")
    loads = [{"slug": slug, "more": n} for slug, n in sorted(Counter(item.agent for item in given).items())]
    if await bulk_update(session, AGENTS, loads, key=["slug"], values=_MORE_USED, where=_HAS_ROOM) != len(loads):
        raise Raced("an agent has no room any more")
    changes = [
        {"item_id": item.id, "version": item.version, "state": item.state, "reason": reason, "actor": actor,
         "agent": item.agent, "at": item.updated_at}
        for item, actor in zip(given, actors, strict=True)
    ]  # fmt: skip
    await bulk_append(session, (ITEM_CHANGES, changes))


_STILL_WAITING = sa.and_(WORK_ITEMS.c.state == _PENDING, WORK_ITEMS.c.version == v("version") - 1)
_HAS_ROOM = AGENTS.c.used + v("more") <= AGENTS.c.capacity
_MORE_USED = {"used": AGENTS.c.used + v("more")}
_ASSIGNED = ("state", "agent", "reason", "assigned_at", "version", "updated_at")


async def lock_item(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem | None:
    """One item for changing; None for a stranger's too."""
    statement = _ITEMS.where(WORK_ITEMS.c.id == item_id, of_teams(WORK_ITEMS, teams))
    row = (await session.execute(statement.with_for_update(of=WORK_ITEMS))).one_or_none()
    return WorkItem(**row._mapping) if row else None


async def move(
    session: AsyncSession, item: WorkItem, *, state: str, agent: str, reason: str, actor: str, now: datetime
) -> WorkItem:
    """The locked item's next state, with its line in the history."""
    assigned_at = now if state == "assigned" else item.assigned_at if agent else None
    changed = WorkItem(
        **{name: getattr(item, name) for name in WorkItem.__dataclass_fields__}
        | {
            "state": state,
            "agent": agent,
            "reason": reason,
            "assigned_at": assigned_at,
            "version": item.version + 1,
            "updated_at": now,
        }
    )
    await session.execute(
        sa.update(WORK_ITEMS)
        .where(WORK_ITEMS.c.id == item.id)
        .values(
            state=state, agent=agent, reason=reason, assigned_at=assigned_at, version=changed.version, updated_at=now
        )
    )
    row = {"item_id": item.id, "version": changed.version, "state": state, "reason": reason, "actor": actor,
           "agent": agent or item.agent, "at": now}  # fmt: skip
    await bulk_append(session, (ITEM_CHANGES, [row]))
    return changed


async def get_item(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem | None:
    """One item; None for a stranger's too."""
    row = (await session.execute(_ITEMS.where(WORK_ITEMS.c.id == item_id, of_teams(WORK_ITEMS, teams)))).one_or_none()
    return WorkItem(**row._mapping) if row else None


async def list_items(
    session: AsyncSession,
    teams: Collection[str],
    *,
    queue: str | None,
    state: str | None,
    agent: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> list[WorkItem]:
    """Items by (updated_at, id), one more than `limit` when there is more."""
    statement = _ITEMS.where(of_teams(WORK_ITEMS, teams))
    for column, wanted in ((WORK_ITEMS.c.queue, queue), (WORK_ITEMS.c.state, state), (WORK_ITEMS.c.agent, agent)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    statement = page(statement, WORK_ITEMS.c.updated_at, WORK_ITEMS.c.id, updated_after, after, limit)
    return [WorkItem(**row._mapping) for row in await session.execute(statement)]


async def history(session: AsyncSession, item_id: str) -> list[dict[str, Any]]:
    """Every change of one item, oldest first."""
    rows = await session.execute(
        sa.select(ITEM_CHANGES).where(ITEM_CHANGES.c.item_id == item_id).order_by(ITEM_CHANGES.c.version)
    )
    return [dict(row._mapping) for row in rows]


def page(
    statement: sa.Select[Any],
    updated_at: sa.Column[Any],
    id_: sa.Column[Any],
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> sa.Select[Any]:
    """A keyset page by (updated_at, id): any tool can keep in step with `updated_after`."""
    if updated_after is not None:
        statement = statement.where(updated_at > updated_after)
    if after is not None:
        moment, last = after
        statement = statement.where(sa.or_(updated_at > moment, sa.and_(updated_at == moment, id_ > last)))
    return statement.order_by(updated_at, id_).limit(limit + 1)


def of_teams(table: sa.Table, teams: Collection[str]) -> sa.ColumnElement[bool]:
    """Only what the caller's teams own; "*" owns all."""
    return sa.true() if "*" in teams else table.c.team.in_(sorted(teams))
