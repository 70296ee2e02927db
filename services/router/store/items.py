"""Work items: who takes the next, who holds what, and every step of their lives."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import (
    UtcDateTime,
    append_at_commit,
    bulk_insert,
    bulk_update,
    insert_at_commit,
    update_at_commit,
    v,
)
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.router.domain.waiting import Item, Routing
from services.router.domain.words import HELD_STATES, OPEN_STATES
from services.router.store.tables import AGENTS, CONVERSATIONS, ITEM_CHANGES, LINES, PICKS, WORK_ITEMS, in_states


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A work item with what people see beside it."""

    item: Item
    key: str  # of its conversation
    reason: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A step of an item's life: as it is now, why, by whom; `agent`: who has it, or had it; `why`: what was weighed."""

    item: Item
    reason: str
    actor: str
    agent: str = ""
    why: Any = None


_FIELDS = Item.__struct_fields__
_routing = msgspec.json.Decoder(Routing).decode
_ITEMS = sa.select(
    *[WORK_ITEMS.c[name] for name in _FIELDS if name != "routing"],
    sa.type_coerce(WORK_ITEMS.c.routing, sa.Text).label("routing"),
    CONVERSATIONS.c.key,
    WORK_ITEMS.c.reason,
    WORK_ITEMS.c.updated_at,
).join_from(WORK_ITEMS, CONVERSATIONS, CONVERSATIONS.c.id == WORK_ITEMS.c.conversation_id)


def _item(row: Any) -> WorkItem:
    *fields, routing, key, reason, updated_at = row
    return WorkItem(Item(*fields, _routing(routing)), key, reason, updated_at)  # type: ignore[call-arg]


ITEMS, work_item = _ITEMS, _item  # for the questions about items that stand in other files


async def waiting(session: AsyncSession, lines: Sequence[str], most: int) -> tuple[list[WorkItem], dict[str, int]]:
    """The first `most` waiting items of each lane of these lines, those in time and those late, and how many items
    each of their queues gave so far.

    One short walk of the index `work_items_waiting` for each lane, however many wait. The lines are locked.
    """
    if not lines:
        return [], {}
    params: dict[str, Any] = {f"line_{n}": line for n, line in enumerate(lines)}
    rows = (await session.execute(_heads(len(lines)), params | {"most": most})).all()
    found = [_item(row[:-1]) for row in rows]
    return found, {work.item.queue: row[-1] or 0 for work, row in zip(found, rows, strict=True)}


@lru_cache(maxsize=256)
def _heads(lines: int) -> sa.Select[Any]:
    heads = [
        sa.select(
            sa.select(WORK_ITEMS.c.id)
            .where(
                WORK_ITEMS.c.line == sa.bindparam(f"line_{n}", type_=sa.Text()),
                WORK_ITEMS.c.late == late,
                WORK_ITEMS.c.state == _PENDING,
            )
            .order_by(WORK_ITEMS.c.rank, WORK_ITEMS.c.sort_at, WORK_ITEMS.c.enqueued_at, WORK_ITEMS.c.id)
            .limit(sa.bindparam("most", type_=sa.Integer()))
            .subquery()
        )
        for n in range(lines)
        for late in (sa.false(), sa.true())
    ]
    found = sa.union_all(*heads).subquery()
    picks = sa.select(PICKS.c.picks).where(PICKS.c.queue == WORK_ITEMS.c.queue).scalar_subquery()
    return _ITEMS.join(found, found.c.id == WORK_ITEMS.c.id).add_columns(picks)


_PENDING: sa.ColumnElement[str] = sa.literal_column(
    "'pending'"
)  # written out, or the planner could not use the partial index


def count_picks(session: AsyncSession, picks: Iterable[tuple[str, int]]) -> None:
    """With the commit: the locked queues gave so many in all."""
    rows = [{"queue": queue, "picks": n} for queue, n in sorted(picks)]
    insert_at_commit(session, PICKS, rows, on_conflict=["queue"], update=["picks"])


async def write(session: AsyncSession, changes: Sequence[Change], now: datetime) -> None:
    """Items as they are now, each with its line in the history.

    Each change is of the version before the item's own; for several of one item the last is what it is now.

    Raises:
        Raced: an item was changed by somebody else; look again.
    """
    if not changes:
        return
    rows = _written(changes, now)
    if await bulk_update(session, WORK_ITEMS, rows, key=["id"], where=_AS_IT_WAS) != len(rows):
        raise Raced(_CHANGED)
    await _note(session, changes, now)


async def write_at_commit(session: AsyncSession, changes: Sequence[Change], now: datetime) -> None:
    """As `write`, for a transaction that does not look at these items again: one round trip less."""
    if not changes:
        return
    rows = _written(changes, now)
    update_at_commit(session, WORK_ITEMS, rows, key=["id"], where=_AS_IT_WAS, raced=_CHANGED)
    await _note(session, changes, now)


_CHANGED = "an item changed since we looked"


def _written(changes: Sequence[Change], now: datetime) -> list[dict[str, Any]]:
    first: dict[str, Change] = {}
    last: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.item.id, change)
        last[change.item.id] = change
    rows = []
    for id_ in sorted(last):
        item = last[id_].item
        row = {name: getattr(item, name) for name in _FIELDS if name not in _SAME}
        rows.append(row | {"was": first[id_].item.version - 1, "reason": last[id_].reason, "updated_at": now})
    return rows


async def _note(session: AsyncSession, changes: Sequence[Change], now: datetime) -> None:
    await keep_lines(session, {change.item.id: change.item for change in changes}.values())
    history = [
        {"item_id": change.item.id, "version": change.item.version, "state": change.item.state,
         "reason": change.reason, "actor": change.actor, "agent": change.agent or change.item.agent, "at": now,
         "why": change.why}
        for change in changes
    ]  # fmt: skip
    append_at_commit(session, (ITEM_CHANGES, history))


async def keep_lines(session: AsyncSession, changed: Iterable[Item]) -> None:
    """The lines that those of them stand in which wait, so that who takes the next knows of them."""
    lines = {item.line: item.queue for item in changed if item.state == "pending"}
    rows = [{"line": line, "queue": queue} for line, queue in sorted(lines.items())]
    await bulk_insert(session, LINES, rows, on_conflict=["line"])


async def open_in(session: AsyncSession, queues: Collection[str], after: str, most: int) -> list[WorkItem]:
    """Open items of these queues by id, locked; the page after the id `after`."""
    wanted = sa.and_(WORK_ITEMS.c.queue.in_(sorted(queues)), in_states(OPEN_STATES))
    statement = _ITEMS.where(wanted, WORK_ITEMS.c.id > after).order_by(WORK_ITEMS.c.id).limit(most)
    return [_item(row) for row in await session.execute(statement.with_for_update(of=WORK_ITEMS))]


async def rearrange(session: AsyncSession, moved: Sequence[Item], *, due: bool = False) -> None:
    """Where (locked) items stand by now, and with `due` their deadlines; no step of their lives: versions stay."""
    names = ("id", *_ARRANGED, "due_at") if due else ("id", *_ARRANGED)
    rows = [{name: getattr(item, name) for name in names} for item in sorted(moved, key=lambda i: i.id)]
    await bulk_update(session, WORK_ITEMS, rows, key=["id"])


_ARRANGED = ("line", "rank", "late", "sort_at", "next_at", "routing")
_SAME = ("conversation_id", "opened_by", "enqueued_at")
_AS_IT_WAS = WORK_ITEMS.c.version == v("was")


async def load_agents(session: AsyncSession, more: Counter[str], now: datetime) -> None:
    """Add to what (locked) agents hold, in units; below zero for what they gave back.

    Raises:
        Raced: one would hold more than they have room for.
    """
    taken = [{"slug": slug, "more": n} for slug, n in sorted(more.items()) if n > 0]
    if await bulk_update(session, AGENTS, taken, key=["slug"], values=_TAKEN, where=_HAS_ROOM) != len(taken):
        raise Raced("an agent has no room any more")
    freed = [{"slug": slug, "more": n, "idle_since": now} for slug, n in sorted(more.items()) if n < 0]
    await bulk_update(session, AGENTS, freed, key=["slug"], values=_FREED)


_HAS_ROOM = AGENTS.c.used + v("more") <= AGENTS.c.capacity
_TAKEN = {"used": AGENTS.c.used + v("more"), "idle_since": sa.null()}
_FREED = {
    "used": AGENTS.c.used + v("more"),
    "idle_since": sa.case((AGENTS.c.used + v("more") <= 0, v("idle_since")), else_=sa.null()),
}


async def lock_items(session: AsyncSession, ids: Collection[str], teams: Collection[str]) -> list[WorkItem]:
    """These items for changing, locked in the order of their ids; strangers' are left out."""
    statement = _ITEMS.where(WORK_ITEMS.c.id.in_(sorted(ids)), of_teams(WORK_ITEMS, teams)).order_by(WORK_ITEMS.c.id)
    return [_item(row) for row in await session.execute(statement.with_for_update(of=WORK_ITEMS))]


async def lock_item(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem | None:
    """One item for changing; None for a stranger's too."""
    return next(iter(await lock_items(session, [item_id], teams)), None)


async def held_by(session: AsyncSession, agents: Collection[str], *, lock: bool = True) -> list[WorkItem]:
    """All that these agents hold, by id."""
    held = in_states(HELD_STATES)
    statement = _ITEMS.where(WORK_ITEMS.c.agent.in_(sorted(agents)), held).order_by(WORK_ITEMS.c.id)
    statement = statement.with_for_update(of=WORK_ITEMS) if lock else statement
    return [_item(row) for row in await session.execute(statement)]


async def whose_time_has_come(session: AsyncSession, now: datetime, most: int, *, held: bool) -> list[WorkItem]:
    """Open items that time changes, the earliest first; of those that agents hold, or of those that nobody holds."""
    rows = await session.execute(_DUE[held], {"now": now, "most": most})
    return [_item(row) for row in rows]


_DUE = [
    _ITEMS.where(
        WORK_ITEMS.c.next_at <= sa.bindparam("now", type_=UtcDateTime()),
        in_states(OPEN_STATES),
        WORK_ITEMS.c.agent != "" if held else WORK_ITEMS.c.agent == "",
    )
    .order_by(WORK_ITEMS.c.next_at)
    .limit(sa.bindparam("most", type_=sa.Integer()))
    for held in (False, True)
]


async def get_item(session: AsyncSession, item_id: str, teams: Collection[str]) -> WorkItem | None:
    """One item; None for a stranger's too."""
    row = (await session.execute(_ITEMS.where(WORK_ITEMS.c.id == item_id, of_teams(WORK_ITEMS, teams)))).one_or_none()
    return _item(row) if row else None


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
    if state in OPEN_STATES:  # the past is long, and the index of what is open has none of it
        statement = statement.where(in_states(OPEN_STATES))
    statement = page(statement, WORK_ITEMS.c.updated_at, WORK_ITEMS.c.id, updated_after, after, limit)
    return [_item(row) for row in await session.execute(statement)]


async def count_ahead(session: AsyncSession, item: Item) -> int:
    """How many wait before it in its line and lane."""
    columns = [WORK_ITEMS.c[name] for name in ("rank", "sort_at", "enqueued_at", "id")]
    place, mine = sa.tuple_(*columns), [sa.literal(getattr(item, column.name), column.type) for column in columns]
    there = sa.and_(WORK_ITEMS.c.line == item.line, WORK_ITEMS.c.late == item.late, WORK_ITEMS.c.state == _PENDING)
    return int((await session.execute(sa.select(sa.func.count()).where(there, place < sa.tuple_(*mine)))).scalar_one())


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
