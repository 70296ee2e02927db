"""How our replies were written and what their customers wrote after them."""

from collections.abc import Collection
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.responder.domain.effects import AFTER, Sent
from services.responder.store.mentions import visible
from services.responder.store.tables import REPLIES, TARGETS


async def sent(
    session: AsyncSession, since: datetime, until: datetime, teams: Collection[str], most: int
) -> list[Sent]:
    """Replies that were posted in [since, until), at most so many: the latest, by when they last changed."""
    rows = await session.execute(_question(since, until, teams, most))
    found = []
    for _, group in groupby(rows, key=lambda row: row.id):
        messages = list(group)
        reply = messages[0]
        later = [(row.later_at, row.later_intent) for row in messages if row.later_at is not None]
        found.append(Sent(reply.text, reply.language, reply.author_username, reply.sent_at, later))
    return found


def _question(since: datetime, until: datetime, teams: Collection[str], most: int) -> sa.Select[tuple[object, ...]]:
    replies = (
        sa.select(
            REPLIES.c.id,
            REPLIES.c.text,
            REPLIES.c.posted_at.label("sent_at"),
            TARGETS.c.language,
            TARGETS.c.author_username,
            TARGETS.c.conversation_id,
        )
        .join(TARGETS, sa.and_(TARGETS.c.network == REPLIES.c.network, TARGETS.c.post_id == REPLIES.c.in_reply_to))
        .where(REPLIES.c.state == sa.literal_column("'posted'"), REPLIES.c.kind == sa.literal_column("'reply'"))
        .where(REPLIES.c.posted_at >= since, REPLIES.c.posted_at < until, visible(REPLIES.c.team, teams))
        .where(REPLIES.c.updated_at >= since)  # posted before it changed for the last time: an index holds that
        .order_by(REPLIES.c.updated_at.desc(), REPLIES.c.id.desc())
        .limit(most)
        .subquery()
    )
    later = TARGETS.alias("later")
    after = sa.and_(
        later.c.conversation_id == replies.c.conversation_id,
        later.c.posted_at > replies.c.sent_at,
        later.c.posted_at < until + AFTER,
    )
    return (
        sa.select(*replies.c, later.c.posted_at.label("later_at"), later.c.intent.label("later_intent"))
        .outerjoin(later, after)
        .order_by(replies.c.id, later.c.posted_at)
    )
