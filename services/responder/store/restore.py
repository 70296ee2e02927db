"""Questions to the tables of a database that was restored from a backup."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.responder.domain.replies import Reply, State
from services.responder.store.tables import REPLIES

_REPLY = sa.select(*[REPLIES.c[field.name] for field in fields(Reply)])


async def in_states(session: AsyncSession, states: Collection[State], after_id: str, most: int) -> list[Reply]:
    """At most so many replies in these states, locked, in the order of their ids after that one."""
    question = _REPLY.where(REPLIES.c.state.in_(states), REPLIES.c.id > after_id)
    ordered = question.order_by(REPLIES.c.id).limit(most).with_for_update()
    return [Reply(*row) for row in await session.execute(ordered)]


async def last_change(session: AsyncSession) -> datetime | None:
    """When a reply last changed; None where there is none."""
    found: datetime | None = (await session.execute(sa.select(sa.func.max(REPLIES.c.updated_at)))).scalar_one()
    return found
