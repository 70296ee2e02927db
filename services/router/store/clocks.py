"""SLA clocks as they are kept: one for each item that has a deadline, counted once."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert, bulk_update
from services.router.domain.waiting import Item
from services.router.store.tables import CLOCKS


def clock_kind(item: Item) -> str:
    """Which clock runs for an item: `first`, or `next` for what follows an answer of ours."""
    return "next" if item.routing.followup else "first"


def clock_row(item: Item) -> dict[str, Any]:
    """The clock of a new item's first or next response."""
    return {
        "item_id": item.id,
        "kind": clock_kind(item),
        "conversation_id": item.conversation_id,
        "queue": item.queue,
        "team": item.team,
        "policy": item.routing.sla,
        "policy_version": item.routing.sla_version,
        "urgency": item.urgency,
        "started_at": item.enqueued_at,
        "due_at": item.due_at,
        "state": "breached" if item.late else "running",
        "stopped_at": None,
        "reason": "",
        "changes": [],
    }


async def breach(session: AsyncSession, items: Collection[str]) -> list[tuple[str, str]]:
    """The deadlines of these items are past, unanswered; returns (kind, policy) of those that were running."""
    if not items:
        return []
    result = await session.execute(
        sa.update(CLOCKS)
        .where(CLOCKS.c.item_id.in_(sorted(items)), CLOCKS.c.kind.in_(("first", "next")), CLOCKS.c.state == "running")
        .values(state="breached")
        .returning(CLOCKS.c.kind, CLOCKS.c.policy)
    )
    return [(row.kind, row.policy) for row in result]


async def cancel(
    session: AsyncSession, items: Collection[str], reason: str, now: datetime
) -> Counter[tuple[str, str, str]]:
    """These items need no answer any more. A deadline that was missed stays so.

    Returns:
        How many clocks that were running ended so: (kind, policy, "canceled").
    """
    rows = await session.execute(
        sa.update(CLOCKS)
        .where(CLOCKS.c.item_id.in_(sorted(items)), CLOCKS.c.state == "running")
        .values(state="canceled", stopped_at=now, reason=reason)
        .returning(CLOCKS.c.kind, CLOCKS.c.policy)
    )
    return Counter((kind, policy, "canceled") for kind, policy in rows)


async def retarget(session: AsyncSession, changed: Sequence[tuple[Item, datetime | None, str]], now: datetime) -> None:
    """New deadlines of running clocks: each item as it is now, the deadline it had, and the cause.

    An item that had none gets its clock.
    """
    rows = []
    for item, old, cause in changed:
        if item.due_at is None:
            continue
        rows.append((item, {"at": now, "due_at": old, "cause": cause, "policy_version": item.routing.sla_version}))
    if not rows:
        return
    known = {
        (row.item_id, row.kind): row.changes
        for row in await session.execute(
            sa.select(CLOCKS.c.item_id, CLOCKS.c.kind, CLOCKS.c.changes).where(
                CLOCKS.c.item_id.in_(sorted(item.id for item, _ in rows))
            )
        )
    }
    new = [clock_row(item) for item, _ in rows if not {(item.id, "first"), (item.id, "next")} & known.keys()]
    await bulk_insert(session, CLOCKS, new, on_conflict=["item_id", "kind"])
    await bulk_update(
        session,
        CLOCKS,
        [
            {"item_id": item.id, "kind": kind, "due_at": item.due_at, "urgency": item.urgency,
             "policy_version": item.routing.sla_version, "changes": [*known[item.id, kind], change]}
            for item, change in rows
            for kind in ("first", "next")
            if (item.id, kind) in known
        ],
        key=("item_id", "kind"),
        where=CLOCKS.c.state == "running",
    )  # fmt: skip


async def of_conversation(session: AsyncSession, conversation_id: str) -> list[dict[str, Any]]:
    """All clocks of one conversation, oldest first."""
    statement = sa.select(CLOCKS).where(CLOCKS.c.conversation_id == conversation_id).order_by(CLOCKS.c.started_at)
    return [dict(row._mapping) for row in await session.execute(statement)]
