"""Posts of ours that were taken for a person's answer and turn out to be a machine's."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import matching
from libs.common.events import MentionAnswered
from services.responder.store.report_tables import ANSWERING_POSTS, CLOCKS
from services.responder.store.tables import ANSWERS, LATENCIES, TARGETS

_POST = ("network", "own_post_id", "conversation_id")
_OF_PERSONS = sa.select(*[ANSWERING_POSTS.c[name] for name in _POST]).where(sa.not_(ANSWERING_POSTS.c.automatic))
_WAITS = sa.select(*[LATENCIES.c[name] for name in _POST]).where(LATENCIES.c.how != sa.literal_column("'machine'"))


async def take_back(session: AsyncSession, automatic: Sequence[MentionAnswered]) -> None:
    """What these posts, all a machine's, seemed to answer waits again; as a rule nobody took them for a person's.

    A clock that such a post stopped in time runs again, and one that was breached before is breached without an end.
    """
    posts = {(each.network, each.own_post_id, each.conversation_id): each.answered_at for each in automatic}
    if not posts:
        return
    keys = [dict(zip(_POST, post, strict=True)) for post in sorted(posts)]
    taken: set[tuple[str, str, str]] = set()
    for table, question in ((ANSWERING_POSTS, _OF_PERSONS), (LATENCIES, _WAITS)):
        statement, params = matching(session, table, question, keys)
        taken |= {
            (row.network, row.own_post_id, row.conversation_id) for row in await session.execute(statement, params)
        }
    for post in sorted(taken):
        for table in (LATENCIES, ANSWERS, ANSWERING_POSTS):
            await session.execute(_forget(table, post))
        network, _, conversation_id = post
        items = sa.select(TARGETS.c.item_id).where(
            TARGETS.c.network == network, TARGETS.c.conversation_id == conversation_id, TARGETS.c.item_id != ""
        )
        stopped = CLOCKS.c.item_id.in_(items), CLOCKS.c.stopped_at == sa.literal(posts[post], CLOCKS.c.stopped_at.type)
        await session.execute(sa.delete(CLOCKS).where(*stopped, CLOCKS.c.state == sa.literal_column("'met'")))
        await session.execute(sa.update(CLOCKS).where(*stopped).values(stopped_at=None))


def _forget(table: sa.Table, post: tuple[str, str, str]) -> sa.Delete:
    """What says that a person wrote it; what a machine wrote is kept by those who come after this."""
    same = [table.c[name] == value for name, value in zip(_POST, post, strict=True) if name in table.c]
    return sa.delete(table).where(*same, *([table.c.how != "machine"] if "how" in table.c else []))
