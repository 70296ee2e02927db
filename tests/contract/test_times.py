"""Times, however they are written: to the microsecond, the same moment, and read back in UTC, on both databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import FEW, Database, UtcDateTime, bulk_append, bulk_insert, connect
from tests.builders import NOON, make_tables

metadata = sa.MetaData()
MOMENT = sa.Table(
    "moment", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("at", UtcDateTime, nullable=True)
)
Rows = list[dict[str, Any]]
Write = Callable[[AsyncSession, Rows], Awaitable[None]]

INDIA = timezone(timedelta(hours=5, minutes=30))
MOMENTS = {
    "long ago": datetime(1, 1, 1, tzinfo=UTC),
    "before PostgreSQL counts": datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "from where PostgreSQL counts": datetime(2000, 1, 1, tzinfo=UTC),
    "to the microsecond": NOON + timedelta(microseconds=1),
    "elsewhere": datetime(2026, 3, 2, 17, 30, 0, 5, tzinfo=INDIA),
    "the second time of the hour that comes twice": datetime(2026, 10, 25, 1, 30, fold=1, tzinfo=UTC),
    "never": datetime(9999, 1, 1, tzinfo=UTC),
    "none": None,
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One empty table."""
    database = connect(database_url, "tests")
    await make_tables(database, "tests", metadata)
    yield database
    await database.close()


async def one_by_one(session: AsyncSession, rows: Rows) -> None:
    """As a statement's parameters."""
    for row in rows:
        await session.execute(sa.insert(MOMENT), row)


async def together(session: AsyncSession, rows: Rows) -> None:
    """As one statement's rows."""
    await bulk_insert(session, MOMENT, rows)


async def appended(session: AsyncSession, rows: Rows) -> None:
    """As a few new rows."""
    await bulk_append(session, (MOMENT, rows))


async def appended_among_many(session: AsyncSession, rows: Rows) -> None:
    """As many new rows: these are copied."""
    await bulk_append(session, (MOMENT, [*rows, *({"id": f"{n}", "at": NOON} for n in range(FEW + 1))]))


WAYS = pytest.mark.parametrize("write", [one_by_one, together, appended, appended_among_many])


@WAYS
async def test_a_time_is_read_as_it_was_written_and_in_utc(database: Database, write: Write) -> None:
    async with database.begin() as session:
        await write(session, [{"id": id_, "at": at} for id_, at in MOMENTS.items()])
    async with database.read() as session:
        found = await session.execute(sa.select(MOMENT).where(MOMENT.c.id.in_(MOMENTS)))
        read = {row.id: row.at for row in found}
    assert read == MOMENTS
    assert {at.tzinfo for at in read.values() if at is not None} == {UTC}


@WAYS
async def test_a_time_is_the_same_moment_for_the_database_too(database: Database, write: Write) -> None:
    known = {id_: at for id_, at in MOMENTS.items() if at is not None}
    async with database.begin() as session:
        await write(session, [{"id": id_, "at": at} for id_, at in known.items()])
    async with database.read() as session:
        in_order = sa.select(MOMENT.c.id).where(MOMENT.c.id.in_(known)).order_by(MOMENT.c.at)
        assert (await session.execute(in_order)).scalars().all() == sorted(known, key=known.__getitem__)
        for id_, at in known.items():
            same = sa.select(MOMENT.c.id).where(MOMENT.c.id == id_, MOMENT.c.at == at.astimezone(INDIA))
            assert (await session.execute(same)).scalars().all() == [id_]


@WAYS
async def test_a_time_without_a_zone_is_refused(database: Database, write: Write) -> None:
    with pytest.raises(Exception, match="a time without a zone"):
        async with database.begin() as session:
            await write(session, [{"id": "a", "at": NOON.replace(tzinfo=None)}])
    async with database.read() as session:
        assert (await session.execute(sa.select(MOMENT))).all() == []
