"""One person over all handles: what the conversations with them say. Nothing is kept about a person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.store.items import of_teams
from services.router.store.tables import CONVERSATIONS, MENTIONS

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """A person's history; `conversations`: the latest of them."""

    username: str
    handles: list[str]
    by_state: dict[str, int]
    mentions: int
    answered: int
    first_at: datetime
    last_message_at: datetime
    last_answered_at: datetime | None
    conversations: list[Row]


async def history(
    session: AsyncSession, network: str, author_id: str, teams: Collection[str], most: int
) -> History | None:
    """What these teams see of a person; None where that is nothing."""
    own = sa.and_(CONVERSATIONS.c.network == network, CONVERSATIONS.c.author_id == author_id)
    merged = sa.select(CONVERSATIONS.c.merged_into).distinct().where(own, CONVERSATIONS.c.merged_into != "")
    heirs = list((await session.execute(merged)).scalars())
    theirs = sa.and_(
        sa.or_(own, CONVERSATIONS.c.id.in_(heirs)) if heirs else own,
        CONVERSATIONS.c.merged_into == "",
        of_teams(CONVERSATIONS, teams),
    )
    grouped = await session.execute(
        sa.select(
            CONVERSATIONS.c.handle,
            CONVERSATIONS.c.state,
            sa.func.count().label("n"),
            sa.type_coerce(sa.func.min(CONVERSATIONS.c.opened_at), CONVERSATIONS.c.opened_at.type).label("first_at"),
            sa.type_coerce(sa.func.max(CONVERSATIONS.c.last_message_at), CONVERSATIONS.c.opened_at.type).label("last"),
        )
        .where(theirs)
        .group_by(CONVERSATIONS.c.handle, CONVERSATIONS.c.state)
    )
    groups = grouped.all()
    if not groups:
        return None
    answer = sa.func.coalesce(MENTIONS.c.answered_at, MENTIONS.c.covered_at)
    counted = sa.select(
        sa.func.count().label("mentions"),
        sa.func.count(answer).label("answered"),
        sa.type_coerce(sa.func.max(answer), CONVERSATIONS.c.opened_at.type).label("last_answered_at"),
    ).join_from(CONVERSATIONS, MENTIONS, MENTIONS.c.conversation_id == CONVERSATIONS.c.id)
    sums = (await session.execute(counted.where(theirs, MENTIONS.c.outcome != "deleted"))).one()
    newest = (
        sa.select(CONVERSATIONS)
        .where(theirs)
        .order_by(CONVERSATIONS.c.last_message_at.desc(), CONVERSATIONS.c.id.desc())
    )
    latest = [dict(row._mapping) for row in await session.execute(newest.limit(most))]
    by_state: dict[str, int] = {}
    for group in groups:
        by_state[group.state] = by_state.get(group.state, 0) + group.n
    return History(
        username=latest[0]["author_username"],
        handles=sorted({group.handle for group in groups}),
        by_state=by_state,
        mentions=sums.mentions,
        answered=sums.answered,
        first_at=min(group.first_at for group in groups),
        last_message_at=max(group.last for group in groups),
        last_answered_at=sums.last_answered_at,
        conversations=latest,
    )
