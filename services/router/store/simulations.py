"""Stored mentions as a rehearsal hears them: what was posted in a time, page by page."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import convert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import Labels
from libs.common.lists import Mark
from services.router.domain.simulation.traffic import Arrival, Handling, heard
from services.router.store.items import of_teams, page
from services.router.store.tables import MENTIONS

AHEAD = timedelta(days=1)
"""A network's clock may be this far ahead of ours: what was posted then changed here no earlier than so long before."""


async def arrivals(
    session: AsyncSession,
    teams: Collection[str],
    *,
    start: datetime,
    end: datetime,
    after: Mark | None,
    limit: int,
    handling: Handling,
) -> tuple[list[Arrival], Mark | None]:
    """A page of the messages posted in [start, end) with their labels, corrections included, and where the next begins.

    Deleted ones are gone, and with them what they were.
    """
    statement = _MENTIONS.where(
        of_teams(MENTIONS, teams),
        MENTIONS.c.posted_at >= start,
        MENTIONS.c.posted_at < end,
        MENTIONS.c.outcome != "deleted",
    )
    rows = list(
        await session.execute(page(statement, MENTIONS.c.updated_at, MENTIONS.c.post_id, start - AHEAD, after, limit))
    )
    more = len(rows) > limit
    rows = rows[:limit]
    return [_arrival(row, handling) for row in rows], (rows[-1].updated_at, rows[-1].post_id) if more else None


_MENTIONS = sa.select(
    *[
        MENTIONS.c[name]
        for name in (
            "network", "post_id", "handle", "author_id", "conversation_id", "posted_at", "private", "reach", "team",
            "labels", "updated_at",
        )
    ]
)  # fmt: skip


def _arrival(row: Any, handling: Handling) -> Arrival:
    return heard(
        convert(row.labels, Labels),
        handling,
        network=row.network,
        post_id=row.post_id,
        handle=row.handle,
        author_id=row.author_id,
        thread_id=row.conversation_id,  # what was one conversation stays one
        posted_at=row.posted_at,
        private=row.private,
        followers=(row.reach or {}).get("followers"),
        team=row.team,
    )
