"""What waits for the commit: written with it, together and in one statement where that is quicker, or not at all."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import (
    FEW,
    Database,
    append_at_commit,
    bulk_insert,
    connect,
    insert_at_commit,
    update_at_commit,
    v,
)
from libs.common.errors import Raced
from tests.builders import make_tables

metadata = sa.MetaData()
SHELF = sa.Table(
    "shelf",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("room", sa.Integer, nullable=False),
)
GIVEN = sa.Table(
    "given", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("times", sa.Integer, nullable=False)
)
LOG = sa.Table("log", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("text", sa.Text))

SIZES = pytest.mark.parametrize("size", [1, 2 * FEW])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Two shelves with room for one more, and one that is full."""
    opened = connect(database_url, "tests")
    await make_tables(opened, "tests", metadata)
    async with opened.begin() as session:
        shelves = [("a", 0, 1), ("b", 4, 5), ("full", 3, 3)]
        await bulk_insert(session, SHELF, [{"name": name, "used": n, "room": room} for name, n, room in shelves])
    yield opened
    await opened.close()


def use(session: AsyncSession, *names: str) -> None:
    """Put one more on each of these shelves, where there is room."""
    update_at_commit(
        session,
        SHELF,
        [{"name": name, "more": 1} for name in names],
        key=["name"],
        values={"used": SHELF.c.used + v("more")},
        where=SHELF.c.used + v("more") <= SHELF.c.room,
        raced="no room any more",
    )


def log(session: AsyncSession, *ids: str) -> None:
    append_at_commit(session, (LOG, [{"id": id_, "text": "it's kept"} for id_ in ids]))


def give(session: AsyncSession, **times: int) -> None:
    rows = [{"name": name, "times": n} for name, n in times.items()]
    insert_at_commit(session, GIVEN, rows, on_conflict=["name"], update=["times"])


async def kept(database: Database) -> tuple[dict[str, int], dict[str, int], list[str]]:
    """How full each shelf is, what was given, and the log."""
    async with database.read() as session:
        used = {row.name: row.used for row in await session.execute(sa.select(SHELF))}
        given = {row.name: row.times for row in await session.execute(sa.select(GIVEN))}
        return used, given, list((await session.execute(sa.select(LOG.c.id).order_by(LOG.c.id))).scalars())


@SIZES
async def test_all_of_it_is_there_after_the_commit_and_nothing_before(database: Database, size: int) -> None:
    ids = [f"{n:03}" for n in range(size)]
    async with database.begin() as session:
        log(session, *ids)
        use(session, "b", "a")
        give(session, a=1, b=1)
        give(session, c=7)
        before = (await session.execute(sa.select(sa.func.count()).select_from(LOG))).scalar_one()
    assert before == 0
    assert await kept(database) == ({"a": 1, "b": 5, "full": 3}, {"a": 1, "b": 1, "c": 7}, ids)

    async with database.begin() as session:
        give(session, a=2)
    assert (await kept(database))[1] == {"a": 2, "b": 1, "c": 7}


@SIZES
async def test_a_row_that_is_not_as_it_should_be_means_raced_and_nothing_is_kept(database: Database, size: int) -> None:
    untouched = await kept(database)
    for names in (("a", "full"), ("a", "nowhere")):

        async def work(session: AsyncSession, names: tuple[str, ...] = names) -> None:
            use(session, *names)
            give(session, a=1)
            log(session, *[f"{n}" for n in range(size)])

        with pytest.raises(Raced, match="no room any more"):
            await database.write(work)
    assert await kept(database) == untouched


@SIZES
async def test_a_row_that_is_there_already_means_raced_and_nothing_is_kept(database: Database, size: int) -> None:
    async with database.begin() as session:
        log(session, "0")

    async def work(session: AsyncSession) -> None:
        use(session, "a")
        log(session, *[f"{n}" for n in range(size)])

    with pytest.raises(Raced):
        await database.write(work)
    assert await kept(database) == ({"a": 0, "b": 4, "full": 3}, {}, ["0"])


@pytest.mark.postgres
async def test_a_row_that_stays_locked_means_raced_and_nothing_is_kept(postgres_url: str) -> None:
    database = connect(postgres_url, "tests")
    await make_tables(database, "tests", metadata)
    async with database.begin() as session:
        await bulk_insert(session, SHELF, [{"name": "a", "used": 0, "room": 1}])

    async def work() -> None:
        async with database.begin() as session:
            log(session, "never")
            use(session, "a")

    async with database.begin() as holding:
        await holding.execute(sa.select(SHELF).with_for_update())
        with pytest.raises(Raced, match="lock timeout"):
            await work()
    assert await kept(database) == ({"a": 0}, {}, [])
    await database.close()


async def test_what_raced_is_written_once_when_it_runs_again(database: Database) -> None:
    turns: list[str] = []

    async def work(session: AsyncSession) -> None:
        turns.append("full" if not turns else "b")
        use(session, "a", turns[-1])
        log(session, "once")

    await database.write(work)
    assert turns == ["full", "b"]
    assert await kept(database) == ({"a": 1, "b": 5, "full": 3}, {}, ["once"])


async def test_a_transaction_that_fails_writes_nothing_of_it(database: Database) -> None:
    untouched = await kept(database)

    async def work(session: AsyncSession) -> None:
        use(session, "a")
        log(session, "never")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(work)
    assert await kept(database) == untouched


async def test_nothing_at_all_can_wait(database: Database) -> None:
    untouched = await kept(database)
    async with database.begin() as session:
        use(session)
        give(session)
        log(session)
    assert await kept(database) == untouched
