"""Who is on a conversation at this moment, and when their drafts changed last."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert
from services.router.store.tables import LEASES

_FORGOTTEN_AFTER = timedelta(hours=1)


class Lease(NamedTuple):
    """An agent who is, or was, on a conversation."""

    agent: str
    renewed_at: datetime
    draft_at: datetime | None


async def drafts(session: AsyncSession, conversations: Collection[str]) -> dict[tuple[str, str], datetime]:
    """When the draft of (conversation, agent) changed last; those without one are left out."""
    if not conversations:
        return {}
    statement = sa.select(LEASES.c.conversation_id, LEASES.c.agent, LEASES.c.draft_at)
    rows = await session.execute(statement.where(LEASES.c.conversation_id.in_(sorted(conversations))))
    return {(row.conversation_id, row.agent): row.draft_at for row in rows if row.draft_at is not None}


async def of_conversation(session: AsyncSession, conversation_id: str, since: datetime) -> list[Lease]:
    """Who said since then that they are on it, by agent."""
    rows = await session.execute(_SINCE, {"id": conversation_id, "since": since})
    return [Lease(*row) for row in rows]


_SINCE = (
    sa.select(LEASES.c.agent, LEASES.c.renewed_at, LEASES.c.draft_at)
    .where(
        LEASES.c.conversation_id == sa.bindparam("id"),
        LEASES.c.renewed_at > sa.bindparam("since", type_=UtcDateTime()),
    )
    .order_by(LEASES.c.agent)
)


async def put(session: AsyncSession, conversation_id: str, agent: str, now: datetime, *, draft: bool) -> None:
    """This agent is on it now; `draft`: theirs changed. What nobody renews is forgotten after a while."""
    row = {"conversation_id": conversation_id, "agent": agent, "renewed_at": now, "draft_at": now if draft else None}
    changed = ["renewed_at", "draft_at"] if draft else ["renewed_at"]
    await bulk_insert(session, LEASES, [row], on_conflict=["conversation_id", "agent"], update=changed)
    of_it = LEASES.c.conversation_id == conversation_id
    await session.execute(sa.delete(LEASES).where(of_it, LEASES.c.renewed_at < now - _FORGOTTEN_AFTER))


async def drop(session: AsyncSession, conversations: Collection[str], agent: str | None = None) -> None:
    """This agent is on them no more; nobody is, where none is named."""
    of_them = LEASES.c.conversation_id.in_(sorted(conversations))
    mine = sa.true() if agent is None else LEASES.c.agent == agent
    await session.execute(sa.delete(LEASES).where(of_them, mine))
