"""How values are spread within their groups, worked out by the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from libs.common.db import UtcDateTime

PERCENTILES = (50, 90, 99)


def spread(values: sa.FromClause, within_seconds: Sequence[int]) -> sa.Select[Any]:
    """For each `key` of `values` the spread of `waited`, in the order of the keys.

    Gives key, answered (how many), min, p50, p90, p99, max, mean, and `within_<n>` for each of the limits.
    """
    ranked = sa.select(
        values.c.key,
        values.c.waited,
        sa.func.row_number().over(partition_by=values.c.key, order_by=values.c.waited).label("rank"),
        sa.func.count().over(partition_by=values.c.key).label("n"),
    ).subquery()

    def percentile(p: int) -> sa.ColumnElement[float]:
        """Nearest rank: the value at rank ceil(p / 100 * n), in whole numbers."""
        return sa.func.min(sa.case((ranked.c.rank * 100 >= ranked.c.n * p, ranked.c.waited)))

    return (
        sa.select(
            ranked.c.key,
            sa.func.count().label("answered"),
            sa.func.min(ranked.c.waited).label("min"),
            *[percentile(p).label(f"p{p}") for p in PERCENTILES],
            sa.func.max(ranked.c.waited).label("max"),
            sa.func.avg(ranked.c.waited).label("mean"),
            *[
                sa.func.sum(sa.case((ranked.c.waited <= seconds, 1), else_=0)).label(f"within_{seconds}")
                for seconds in within_seconds
            ],
        )
        .group_by(ranked.c.key)
        .order_by(ranked.c.key)
    )


def hour_of_day(
    column: sa.ColumnElement[datetime], offsets: Sequence[tuple[datetime, int]], dialect: str
) -> sa.ColumnElement[str]:
    """The hour of a time since 1970, "00" to "23", in a zone that is so many seconds ahead of UTC from then on."""
    seconds: sa.ColumnElement[int]
    if dialect == "sqlite":
        seconds = sa.type_coerce(column, sa.BigInteger) // 1_000_000
    else:
        seconds = sa.cast(sa.func.floor(sa.extract("epoch", column)), sa.BigInteger)
    (_, first), *later = offsets
    ahead: sa.ColumnElement[int] = sa.literal(first, sa.BigInteger)
    if later:
        from_then_on = [
            (column >= sa.literal(moment, UtcDateTime()), sa.literal(seconds_ahead, sa.BigInteger))
            for moment, seconds_ahead in reversed(later)
        ]
        ahead = sa.case(*from_then_on, else_=ahead)
    hour = sa.cast(((seconds + ahead) % 86_400) // 3600, sa.Text)
    return sa.func.substr(sa.literal("0").concat(hour), sa.func.length(hour))
