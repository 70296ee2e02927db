"""What customers answered to surveys, in groups; one walk along the index on when they were resolved."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime
from services.responder.domain.satisfaction import BANDS, SATISFIED, Ratings
from services.responder.store.mentions import visible
from services.responder.store.report_spread import spread

Group = Literal["band", "queue", "intent", "language", "handle", "none"]

SATISFACTION = sa.table(
    "report_satisfaction",
    *[sa.column(name, sa.Text) for name in ("team", "handle", "queue", "language", "intent", "state", "band")],
    sa.column("resolved_at", UtcDateTime()),
    sa.column("sent_at", UtcDateTime()),
    sa.column("rating", sa.Integer),
)


async def ratings(
    session: AsyncSession, since: datetime, until: datetime, group_by: Group, teams: Collection[str]
) -> list[Ratings]:
    """Of the conversations resolved in [since, until) whose survey was sent, by group: bands in theirs, names in order.

    Percentiles are nearest-rank.
    """
    key: sa.ColumnElement[Any] = sa.literal("") if group_by == "none" else SATISFACTION.c[group_by]
    team: Any = SATISFACTION.c.team
    sent = (
        sa.select(key.label("key"), SATISFACTION.c.rating.label("waited"))
        .where(
            SATISFACTION.c.resolved_at >= sa.literal(since, UtcDateTime()),
            SATISFACTION.c.resolved_at < sa.literal(until, UtcDateTime()),
            SATISFACTION.c.sent_at.is_not(None),
            visible(team, teams),
        )
        .subquery()
    )
    rated = sa.select(sent.c.key, sent.c.waited).where(sent.c.waited.is_not(None)).subquery()
    spreads = {row.key: row for row in await session.execute(spread(rated, ()))}
    satisfied = sa.func.sum(sa.case((sent.c.waited >= SATISFIED, 1), else_=0))
    counted = sa.select(sent.c.key, sa.func.count(), sa.func.count(sent.c.waited), satisfied).group_by(sent.c.key)
    found: dict[str, Ratings] = {}
    for group, n_sent, n_answered, n_satisfied in await session.execute(counted):
        rated_so = spreads.get(group)
        mean, median = (float(rated_so.mean), float(rated_so.p50)) if rated_so else (None, None)
        shown = None if group_by == "none" else group
        found[group] = Ratings(shown, n_sent, n_answered, n_satisfied, mean, median)
    order = [band for band in BANDS if band in found] if group_by == "band" else sorted(found)
    return [found[each] for each in order]


async def count(session: AsyncSession, since: datetime, until: datetime, teams: Collection[str]) -> int:
    """How many ratings there are of the conversations resolved in [since, until)."""
    return sum(each.answered for each in await ratings(session, since, until, "none", teams))
