"""Who has a conversation in hand, as the router told it last."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert
from services.responder.store.tables import metadata

HOLDERS = sa.Table(
    "holders",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),  # empty: nobody
    sa.Column("told_at", UtcDateTime, nullable=False),
)

_NOT_OLDER = sa.literal_column("excluded.told_at") >= HOLDERS.c.told_at


@dataclass(frozen=True, slots=True)
class Holder:
    """Of one conversation, since then; nobody where `agent` is empty."""

    conversation_id: str
    item_id: str
    agent: str
    told_at: datetime


async def keep(session: AsyncSession, holders: Sequence[Holder]) -> None:
    """The latest word on each conversation wins; of words of one moment the last here."""
    latest = {holder.conversation_id: holder for holder in sorted(holders, key=lambda each: each.told_at)}
    rows = [asdict(latest[id_]) for id_ in sorted(latest)]
    changes = ("item_id", "agent", "told_at")
    await bulk_insert(session, HOLDERS, rows, on_conflict=["conversation_id"], update=changes, where=_NOT_OLDER)


async def of_conversation(session: AsyncSession, conversation_id: str) -> Holder | None:
    """Who has it in hand; None: nobody."""
    found = await session.execute(sa.select(HOLDERS).where(HOLDERS.c.conversation_id == conversation_id))
    row = found.one_or_none()
    return Holder(*row) if row and row.agent else None
