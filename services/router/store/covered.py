"""Messages that a post of ours may answer without naming them: those before it in its conversation."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, matching
from services.router.store.floor import AuthorKey, Floor, PostKey
from services.router.store.known import KnownMention
from services.router.store.tables import MENTIONS


async def load(
    session: AsyncSession, floor: Floor, answered: Sequence[PostKey], people: Iterable[AuthorKey], earliest: datetime
) -> None:
    """Put beside what a batch knows the messages that nothing answered before its earliest.

    Args:
        answered: the posts that our posts of the batch name.
        people: whom they are for, and from which handle.
    """
    floor.covers = True
    ids = {floor.mentions[post].conversation_id for post in answered if post in floor.mentions}
    ids |= {talk.id for person in people for talk in map(floor.heir, floor.of_author(*person)) if talk is not None}
    keys = [{"conversation_id": id_} for id_ in sorted(ids - {""})]
    if not keys:
        return
    statement, params = matching(session, MENTIONS, _UNANSWERED, keys)
    for row in await session.execute(statement, params | {"earliest": earliest}):
        mention = KnownMention(*row)
        key = (mention.network, mention.post_id)
        floor.mentions.setdefault(key, mention)
        floor.uncovered.setdefault(mention.conversation_id, set()).add(key)


_EARLIEST = sa.bindparam("earliest", type_=UtcDateTime())
_UNANSWERED = sa.select(*[MENTIONS.c[name] for name in KnownMention._fields]).where(
    MENTIONS.c.outcome != sa.literal_column("'deleted'"),
    sa.or_(MENTIONS.c.answered_at.is_(None), MENTIONS.c.answered_at > _EARLIEST),
    sa.or_(MENTIONS.c.covered_at.is_(None), MENTIONS.c.covered_at > _EARLIEST),
)
