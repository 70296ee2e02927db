"""Who is on a conversation at this moment, and when their draft changed last."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert
from services.router.store.tables import LEASES


async def drafts(session: AsyncSession, conversations: Collection[str]) -> dict[tuple[str, str], datetime]:
    """When the draft of (conversation, agent) changed last; those without one are left out."""
    if not conversations:
        return {}
    statement = sa.select(LEASES.c.conversation_id, LEASES.c.agent, LEASES.c.draft_at)
    rows = await session.execute(statement.where(LEASES.c.conversation_id.in_(sorted(conversations))))
    return {(row.conversation_id, row.agent): row.draft_at for row in rows if row.draft_at is not None}


async def get(session: AsyncSession, conversation_id: str) -> tuple[str, datetime, datetime | None] | None:
    """Agent, when they last said so, and when their draft changed; None where nobody was ever on it."""
    statement = sa.select(LEASES.c.agent, LEASES.c.renewed_at, LEASES.c.draft_at)
    row = (await session.execute(statement.where(LEASES.c.conversation_id == conversation_id))).one_or_none()
    return (row.agent, row.renewed_at, row.draft_at) if row else None


async def put(
    session: AsyncSession, conversation_id: str, agent: str, now: datetime, draft_at: datetime | None
) -> None:
    """This agent is on it now."""
    row = {"conversation_id": conversation_id, "agent": agent, "renewed_at": now, "draft_at": draft_at}
    await bulk_insert(
        session, LEASES, [row], on_conflict=["conversation_id"], update=["agent", "renewed_at", "draft_at"]
    )


async def drop(session: AsyncSession, conversation_id: str, agent: str) -> None:
    """This agent is on it no more."""
    await session.execute(sa.delete(LEASES).where(LEASES.c.conversation_id == conversation_id, LEASES.c.agent == agent))
