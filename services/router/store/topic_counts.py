"""How many mentions of each topic came, by ten minutes: what a spike is seen in."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert, matching
from services.router.domain.spikes import BUCKET, bucket_of
from services.router.store.incident_tables import TOPIC_ARRIVALS, TOPIC_COUNTS

ALL = "*"
CRITICAL = "*critical"
"""Stand in place of a topic for all mentions, and for those that are critical."""

AT_ONCE = 5000  # rows summed up in one go

_BUCKET_SECONDS = int(BUCKET.total_seconds())

Key = tuple[datetime, str, str]  # bucket, team, topic


def arrival_rows(mentions: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """What a batch counted: those that somebody must answer, by the network's time (ten minutes ahead at most: now's).

    Appended and summed up later. To add to a shared count at once, batches would wait for each other's commit.
    """
    counted: Counter[tuple[int, str, str]] = Counter()
    latest = int(now.timestamp()) // _BUCKET_SECONDS
    for row in mentions:
        if row["outcome"] in ("opened", "joined"):
            number, team, labels = int(row["posted_at"].timestamp()) // _BUCKET_SECONDS, row["team"], row["labels"]
            number = min(number, latest)
            counted[number, team, ALL] += 1
            if labels.urgency == "critical":
                counted[number, team, CRITICAL] += 1
            for topic in labels.topics:
                counted[number, team, topic] += 1
    return [
        {"bucket": datetime.fromtimestamp(number * _BUCKET_SECONDS, UTC), "team": team, "topic": topic, "n": n}
        for (number, team, topic), n in counted.items()
    ]


async def sum_up(session: AsyncSession) -> int:
    """Bring what batches counted into the counts; one at a time. Returns how many rows there were."""
    taken = (await session.execute(_TAKE, execution_options=_RAW)).all()
    if not taken:
        return 0
    more: Counter[Key] = Counter()
    for row in taken:
        more[row.bucket, row.team, row.topic] += row.n
    keys = [{"bucket": bucket, "team": team, "topic": topic} for bucket, team, topic in sorted(more)]
    statement, params = matching(session, TOPIC_COUNTS, _COUNTS, keys)
    for row in await session.execute(statement, params):
        more[row.bucket, row.team, row.topic] += row.n
    rows = [{**key, "n": more[key["bucket"], key["team"], key["topic"]]} for key in keys]  # type: ignore[index]
    await bulk_insert(session, TOPIC_COUNTS, rows, on_conflict=["bucket", "team", "topic"], update=["n"])
    return len(taken)


_RAW = {"synchronize_session": False}
_OLDEST = sa.select(TOPIC_ARRIVALS.c.id).order_by(TOPIC_ARRIVALS.c.id).limit(AT_ONCE)
_TAKE = (
    sa.delete(TOPIC_ARRIVALS)
    .where(TOPIC_ARRIVALS.c.id.in_(_OLDEST))
    .returning(TOPIC_ARRIVALS.c.bucket, TOPIC_ARRIVALS.c.team, TOPIC_ARRIVALS.c.topic, TOPIC_ARRIVALS.c.n)
)
_COUNTS = sa.select(TOPIC_COUNTS.c.bucket, TOPIC_COUNTS.c.team, TOPIC_COUNTS.c.topic, TOPIC_COUNTS.c.n)


async def many(session: AsyncSession, buckets: Collection[datetime], least: int) -> list[tuple[Key, int]]:
    """The topics that came at least so often in one of these buckets, and how often."""
    rows = await session.execute(_MANY, {"buckets": sorted(buckets), "least": least})
    return [((row.bucket, row.team, row.topic), row.n) for row in rows if row.topic not in (ALL, CRITICAL)]


_BUCKETS = TOPIC_COUNTS.c.bucket.in_(sa.bindparam("buckets", expanding=True, type_=UtcDateTime()))
_MANY = _COUNTS.where(_BUCKETS, TOPIC_COUNTS.c.n >= sa.bindparam("least", type_=sa.Integer())).order_by(
    TOPIC_COUNTS.c.bucket, TOPIC_COUNTS.c.team, TOPIC_COUNTS.c.topic
)


async def counts_of(session: AsyncSession, team: str, topic: str, buckets: Sequence[datetime]) -> dict[datetime, int]:
    """The counts of one topic in these buckets; none of a bucket is none of the topic."""
    rows = await session.execute(_OF_TOPIC, {"buckets": sorted(set(buckets)), "team": team, "topic": topic})
    return {row.bucket: row.n for row in rows}


_OF_TOPIC = _COUNTS.where(
    _BUCKETS, TOPIC_COUNTS.c.team == sa.bindparam("team"), TOPIC_COUNTS.c.topic == sa.bindparam("topic")
)


async def known_since(session: AsyncSession) -> datetime | None:
    """The first bucket that is counted; None: there is none."""
    found: datetime | None = (await session.execute(_FIRST)).scalar()
    return found


_FIRST = sa.select(TOPIC_COUNTS.c.bucket).order_by(TOPIC_COUNTS.c.bucket).limit(1)


async def last_hour(session: AsyncSession, now: datetime) -> dict[str, tuple[int, int]]:
    """(inflow, critical) of each team in the last six buckets."""
    found: dict[str, list[int]] = {}
    latest = bucket_of(now)
    buckets = [latest - n * BUCKET for n in range(6)]
    for row in await session.execute(_INFLOW, {"buckets": sorted(buckets)}):
        found.setdefault(row.team, [0, 0])[row.topic == CRITICAL] += row.n
    return {team: (inflow, critical) for team, (inflow, critical) in found.items()}


_INFLOW = _COUNTS.where(_BUCKETS, TOPIC_COUNTS.c.topic.in_((ALL, CRITICAL)))


async def forget(session: AsyncSession, before: datetime) -> None:
    """Counts this old say nothing any more."""
    await session.execute(_FORGET, {"before": before}, execution_options=_RAW)


_FORGET = sa.delete(TOPIC_COUNTS).where(TOPIC_COUNTS.c.bucket < sa.bindparam("before", type_=UtcDateTime()))
