"""A conversation's timeline: what both sides said, notes, and what became of it and of its items, in one order."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime
from libs.common.lists import Mark
from services.router.store.tables import (
    CONVERSATION_CHANGES,
    ITEM_CHANGES,
    MENTIONS,
    NOTES,
    OWN_POSTS,
    WORK_ITEMS,
)

Row = dict[str, Any]

# of each: what kind it is, how it is asked for, when it was, and what tells it from others of the same moment
_SOURCES: tuple[tuple[str, sa.Select[Any], Any, Any], ...] = (
    (
        "customer",
        sa.select(MENTIONS).where(MENTIONS.c.conversation_id == sa.bindparam("id")),
        MENTIONS.c.posted_at,
        MENTIONS.c.network + sa.literal_column("'/'") + MENTIONS.c.post_id,
    ),
    (
        "brand",
        sa.select(OWN_POSTS).where(OWN_POSTS.c.conversation_id == sa.bindparam("id")),
        OWN_POSTS.c.posted_at,
        OWN_POSTS.c.network + sa.literal_column("'/'") + OWN_POSTS.c.post_id,
    ),
    (
        "note",
        sa.select(NOTES).where(NOTES.c.conversation_id == sa.bindparam("id")),
        NOTES.c.created_at,
        NOTES.c.id,
    ),
    (
        "work_item",
        sa.select(ITEM_CHANGES, WORK_ITEMS.c.queue)
        .join_from(WORK_ITEMS, ITEM_CHANGES, ITEM_CHANGES.c.item_id == WORK_ITEMS.c.id)
        .where(WORK_ITEMS.c.conversation_id == sa.bindparam("id")),
        ITEM_CHANGES.c.at,
        ITEM_CHANGES.c.item_id
        + sa.literal_column("'/'")
        + sa.cast(ITEM_CHANGES.c.version + 1_000_000, sa.Text),  # as many digits each: in the order of the numbers
    ),
    (
        "conversation",
        sa.select(CONVERSATION_CHANGES).where(CONVERSATION_CHANGES.c.conversation_id == sa.bindparam("id")),
        CONVERSATION_CHANGES.c.at,
        sa.cast(CONVERSATION_CHANGES.c.version + 1_000_000, sa.Text),
    ),
)


async def page(session: AsyncSession, conversation_id: str, after: Mark | None, limit: int) -> list[Row]:
    """Entries, oldest first, one more than `limit` when there is more; each with its `kind`, `at` and `mark`, a post of
    ours with what it was `written_as`.

    At the same moment what was said comes before what was done; each kind has its own order then.
    """
    found: list[tuple[datetime, int, Row]] = []
    for number, (kind, asked, at, own) in enumerate(_SOURCES):
        statement = asked.add_columns(at.label("entry_at"), own.label("entry_own"))
        if after is not None:
            statement = statement.where(_after(after, number, at, own))
        rows = await session.execute(statement.order_by(at, own).limit(limit + 1), {"id": conversation_id})
        for row in rows:
            entry = dict(row._mapping)
            mark = (entry["entry_at"], f"{number} {entry['entry_own']}")
            found.append(
                (entry["entry_at"], number, entry | {"written_as": entry.get("kind", ""), "kind": kind, "mark": mark})
            )
    found.sort(key=lambda entry: entry[:2])  # stable: the databases order texts each in their own way
    return [row for _, _, row in found[: limit + 1]]


def _after(mark: Mark, number: int, at: Any, own: Any) -> sa.ColumnElement[bool]:
    moment = sa.literal(mark[0], UtcDateTime())
    kind, _, last = mark[1].partition(" ")
    if not kind.isdigit() or number > int(kind):
        later: sa.ColumnElement[bool] = at >= moment
        return later
    later = at > moment
    return sa.or_(later, sa.and_(at == moment, own > last)) if number == int(kind) else later
