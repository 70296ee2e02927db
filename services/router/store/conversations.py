"""Mentions and conversations, for those who read over REST."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.lists import Mark
from services.router.store.items import of_teams, page
from services.router.store.tables import CONVERSATIONS, CORRECTIONS, MENTIONS, WORK_ITEMS

Row = dict[str, Any]

_IN_FORCE = sa.and_(
    CORRECTIONS.c.network == MENTIONS.c.network,
    CORRECTIONS.c.post_id == MENTIONS.c.post_id,
    CORRECTIONS.c.version == MENTIONS.c.correction,
)
_MENTIONS = (
    sa.select(
        MENTIONS,
        WORK_ITEMS.c.state.label("item_state"),
        WORK_ITEMS.c.agent.label("item_agent"),
        WORK_ITEMS.c.due_at.label("item_due_at"),
        WORK_ITEMS.c.urgency.label("item_urgency"),
        CORRECTIONS.c.actor.label("corrected_by"),
        CORRECTIONS.c.corrected_at,
    )
    .outerjoin_from(MENTIONS, WORK_ITEMS, WORK_ITEMS.c.id == MENTIONS.c.item_id)
    .outerjoin(CORRECTIONS, _IN_FORCE)
)


async def get_mention(session: AsyncSession, network: str, post_id: str, teams: Collection[str]) -> Row | None:
    """One mention with its item; None for a stranger's too."""
    statement = _MENTIONS.where(MENTIONS.c.network == network, MENTIONS.c.post_id == post_id, of_teams(MENTIONS, teams))
    row = (await session.execute(statement)).one_or_none()
    return dict(row._mapping) if row else None


async def list_mentions(
    session: AsyncSession,
    teams: Collection[str],
    *,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
    newest_first: bool,
) -> list[Row]:
    """Mentions by (updated_at, post id); with `newest_first` the latest ones, newest first."""
    statement = _MENTIONS.where(of_teams(MENTIONS, teams))
    if newest_first:
        statement = statement.order_by(MENTIONS.c.updated_at.desc(), MENTIONS.c.post_id.desc()).limit(limit + 1)
        if after is not None:
            moment, last = after
            earlier = sa.and_(MENTIONS.c.updated_at == moment, MENTIONS.c.post_id < last)
            statement = statement.where(sa.or_(MENTIONS.c.updated_at < moment, earlier))
    else:
        statement = page(statement, MENTIONS.c.updated_at, MENTIONS.c.post_id, updated_after, after, limit)
    return [dict(row._mapping) for row in await session.execute(statement)]


async def get_conversation(session: AsyncSession, conversation_id: str, teams: Collection[str]) -> Row | None:
    """One conversation; None for a stranger's too."""
    statement = sa.select(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id, of_teams(CONVERSATIONS, teams))
    row = (await session.execute(statement)).one_or_none()
    return dict(row._mapping) if row else None


async def list_conversations(
    session: AsyncSession,
    teams: Collection[str],
    *,
    author: tuple[str, str] | None,
    state: str | None,
    handle: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> list[Row]:
    """Conversations by (updated_at, id)."""
    statement = sa.select(CONVERSATIONS).where(of_teams(CONVERSATIONS, teams))
    if author is not None:
        statement = statement.where(CONVERSATIONS.c.network == author[0], CONVERSATIONS.c.author_id == author[1])
    if state is not None:
        statement = statement.where(CONVERSATIONS.c.state == state)
    if handle is not None:
        statement = statement.where(CONVERSATIONS.c.handle == handle)
    statement = page(statement, CONVERSATIONS.c.updated_at, CONVERSATIONS.c.id, updated_after, after, limit)
    return [dict(row._mapping) for row in await session.execute(statement)]
