"""Posts of ours that turn out to be a machine's, and what they seemed to answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.store.tables import MENTIONS, OWN_POSTS, by_people


class Answer(NamedTuple):
    """A post of ours that a person wrote."""

    post_id: str
    reply_id: str
    in_reply_to: str
    posted_at: datetime


class Undone(NamedTuple):
    """A mention that such a post seemed to answer."""

    network: str
    post_id: str
    handle: str
    conversation_id: str
    queue: str
    team: str
    posted_at: datetime
    language: str
    intent: str
    how: Literal["direct", "covered"]
    answered_by: tuple[tuple[Literal["direct", "covered"], Answer], ...]  # by people; empty: it waits again


async def mark(session: AsyncSession, network: str, post_id: str, kind: str, reply_id: str) -> bool:
    """Whether the post was kept as anybody's; from now on it is a machine's."""
    seen = (
        sa.update(OWN_POSTS)
        .where(OWN_POSTS.c.network == network, OWN_POSTS.c.post_id == post_id, OWN_POSTS.c.kind == "")
        .values(kind=kind, reply_id=reply_id)
        .returning(OWN_POSTS.c.post_id)
    )
    return (await session.execute(seen)).scalar() is not None


async def take_back(
    session: AsyncSession, conversation_id: str, network: str, post_id: str, now: datetime
) -> list[Undone]:
    """The mentions of the (locked) conversation that this post seemed to answer; what else answers them counts now."""
    answers = await _answers(session, conversation_id)
    of_it = sa.or_(MENTIONS.c.answered_by == post_id, MENTIONS.c.covered_by == post_id)
    found = sa.select(MENTIONS).where(
        MENTIONS.c.conversation_id == conversation_id, MENTIONS.c.network == network, of_it
    )
    undone = []
    for row in (await session.execute(found)).all():
        direct = next((answer for answer in answers if answer.in_reply_to == row.post_id), None)
        covering = next((answer for answer in answers if answer.posted_at >= row.posted_at), None)
        if covering is not None and direct is not None and direct.posted_at <= covering.posted_at:
            covering = None
        values = {
            "answered_at": direct.posted_at if direct else None,
            "answered_by": direct.post_id if direct else None,
            "covered_at": covering.posted_at if covering else None,
            "covered_by": covering.post_id if covering else None,
            "updated_at": now,
        }
        which = sa.and_(MENTIONS.c.network == row.network, MENTIONS.c.post_id == row.post_id)
        await session.execute(sa.update(MENTIONS).where(which).values(values))
        undone.append(
            Undone(
                row.network,
                row.post_id,
                row.handle,
                row.conversation_id,
                row.queue,
                row.team,
                row.posted_at,
                (row.labels or {}).get("language", "und"),
                (row.labels or {}).get("intent", "chatter"),
                "direct" if row.answered_by == post_id else "covered",
                (*([("direct", direct)] if direct else []), *([("covered", covering)] if covering else [])),  # type: ignore[arg-type]
            )
        )
    return undone


async def first_answer(session: AsyncSession, conversation_id: str, since: datetime) -> datetime | None:
    """The network's time of the first post of a person among ours."""
    answers = await _answers(session, conversation_id)
    return next((answer.posted_at for answer in answers if answer.posted_at >= since), None)


async def _answers(session: AsyncSession, conversation_id: str) -> Sequence[Answer]:
    """The posts of ours in it that a person wrote, oldest first."""
    asked = sa.select(*[OWN_POSTS.c[name] for name in Answer._fields]).where(
        OWN_POSTS.c.conversation_id == conversation_id, by_people()
    )
    rows = await session.execute(asked.order_by(OWN_POSTS.c.posted_at, OWN_POSTS.c.post_id))
    return [Answer(*row) for row in rows]
