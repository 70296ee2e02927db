"""When mentions reached their queue: the time their transaction was committed, by PostgreSQL's own books."""

from datetime import datetime
from typing import NamedTuple

import asyncpg

COMMIT_TIMES = {"track_commit_timestamp": "on"}
"""PostgreSQL's setting for it; on in these benchmarks alone."""

_KEPT = "SELECT count(*) FROM router.mentions"
_WAITS = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - received_at)::float8 * 1000 AS ms
FROM router.mentions WHERE received_at >= $1 AND received_at < $2
"""


class Queued(NamedTuple):
    """How many mentions were received in a span of time, and how long each took to its queue."""

    mentions: int
    waits_ms: list[float]


async def queued(url: str, since: datetime, until: datetime) -> Queued:
    """Of the mentions received in this span (the clock is the machine's, which ingest and PostgreSQL share)."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_WAITS, since, until)
        return Queued(len(rows), [row["ms"] for row in rows if row["ms"] is not None])
    finally:
        await connection.close()


async def kept(url: str) -> int:
    """How many mentions there are."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_KEPT))
    finally:
        await connection.close()
