"""Notes of a conversation: for colleagues; customers never see them."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_append
from libs.common.lists import Mark
from services.router.store.tables import NOTES


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote for the others. `agent`: who, where they said; `actor`: with which key."""

    id: str
    conversation_id: str
    text: str
    agent: str
    actor: str
    created_at: datetime


async def add(session: AsyncSession, note: Note) -> None:
    """Keep it."""
    await bulk_append(session, (NOTES, [asdict(note)]))


async def of_conversation(session: AsyncSession, conversation_id: str, after: Mark | None, limit: int) -> list[Note]:
    """Notes by (created_at, id), one more than `limit` when there is more."""
    statement = sa.select(NOTES).where(NOTES.c.conversation_id == conversation_id)
    if after is not None:
        moment = sa.literal(after[0], UtcDateTime())
        same = sa.and_(NOTES.c.created_at == moment, NOTES.c.id > after[1])
        statement = statement.where(sa.or_(NOTES.c.created_at > moment, same))
    rows = await session.execute(statement.order_by(NOTES.c.created_at, NOTES.c.id).limit(limit + 1))
    return [Note(**row._mapping) for row in rows]
