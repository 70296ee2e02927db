"""What a transaction promises, on SQLite and on PostgreSQL, also when the database is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import Database, UtcDateTime, connect, now, sqlite_engine
from libs.common.errors import Raced, Unavailable
from tests.builders import NOON, make_tables
from tests.buses import PATIENCE
from tests.servers import Postgres

metadata = sa.MetaData()
THING = sa.Table(
    "thing",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, server_default="0"),
    sa.Column("at", UtcDateTime),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One empty table."""
    async with opened(database_url) as made:
        await make_tables(made, "tests", metadata)
        yield made


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    """The same, for what only PostgreSQL does."""
    async with opened(postgres_url) as made:
        await make_tables(made, "tests", metadata)
        yield made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database that is closed at the end."""
    database = connect(url, "tests")
    try:
        yield database
    finally:
        await database.close()


async def put(session: AsyncSession, *ids: str) -> None:
    """Write rows."""
    await session.execute(sa.insert(THING), [{"id": id_} for id_ in ids])


async def ids(database: Database) -> list[str]:
    """What is committed."""
    async with database.read() as session:
        return sorted((await session.execute(sa.select(THING.c.id))).scalars())


# --- commit and rollback


async def put_and_fail(database: Database, error: Exception) -> None:
    async with database.begin() as session:
        await put(session, "a")
        raise error


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.begin() as session:
        await put(session, "a", "b")
        assert await ids(database) == []
    assert await ids(database) == ["a", "b"]


async def test_an_exception_rolls_back_and_goes_through_as_it_is(database: Database) -> None:
    for error in (ValueError("ours"), OSError("no such file"), TimeoutError(), Raced("ours"), KeyError("x")):
        with pytest.raises(type(error)) as caught:
            await put_and_fail(database, error)
        assert caught.value is error
    assert await ids(database) == []


async def test_a_connection_is_whole_again_after_a_failure(database: Database) -> None:
    for _ in range(20):  # more often than the pool has connections
        with pytest.raises(ZeroDivisionError):
            await put_and_fail(database, ZeroDivisionError())
    async with database.begin() as session:
        await put(session, "b")
    assert await ids(database) == ["b"]


async def test_a_reader_does_not_wait_for_a_writer_and_sees_what_is_committed(database: Database) -> None:
    async with database.begin() as session:
        await put(session, "a")
    async with database.begin() as session:
        await put(session, "b")
        async with asyncio.timeout(2):
            assert await ids(database) == ["a"]


async def test_what_a_reader_writes_is_not_kept(database: Database) -> None:
    async with database.read() as session:
        await put(session, "a")
    assert await ids(database) == []


async def test_many_writers_at_once_all_get_their_turn(database: Database) -> None:
    async def add_one() -> None:
        async with database.begin() as session:
            await session.execute(sa.update(THING).values(number=THING.c.number + 1).where(THING.c.id == "a"))

    async with database.begin() as session:
        await put(session, "a")
    await asyncio.gather(*(add_one() for _ in range(40)))
    async with database.read() as session:
        assert (await session.execute(sa.select(THING.c.number))).scalar_one() == 40


async def test_on_sqlite_one_writes_at_a_time(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path}", "tests")
    await make_tables(database, "tests", metadata)
    order: list[str] = []
    first_has_it, go_on = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.begin() as session:
            await put(session, "a")
            first_has_it.set()
            await go_on.wait()
            order.append("first")

    async def second() -> None:
        await first_has_it.wait()
        async with database.begin() as session:
            await session.execute(sa.select(THING))
            order.append("second")

    both = asyncio.gather(first(), second())
    await first_has_it.wait()
    assert await ids(database) == []
    go_on.set()
    await both
    await database.close()
    assert order == ["first", "second"]


async def test_a_write_that_raced_runs_again_on_fresh_rows(database: Database) -> None:
    tries = 0

    async def work(session: AsyncSession) -> int:
        nonlocal tries
        tries += 1
        await put(session, "a")
        if tries < 3:
            raise Raced("somebody was quicker")
        return tries

    assert await database.write(work) == 3
    assert await ids(database) == ["a"]


async def test_a_write_that_always_races_says_so_after_five_times(database: Database) -> None:
    tries = 0

    async def work(session: AsyncSession) -> None:
        nonlocal tries
        tries += 1
        raise Raced("always")

    with pytest.raises(Raced, match="always"):
        await database.write(work)
    assert tries == 5


# --- time


async def test_now_is_aware_and_one_value_a_transaction(database: Database) -> None:
    async with database.begin() as session:
        first = await now(session)
        await put(session, "a")
        assert await now(session) == first
    async with database.begin() as session:
        assert await now(session) > first
    assert first.utcoffset() == timedelta(0)
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_clock_can_be_shifted_for_a_test(database_url: str) -> None:
    database = connect(database_url, "tests", clock_offset=timedelta(days=-3))
    try:
        for using in (database.begin, database.read):
            async with using() as session:
                ago = datetime.now(UTC) - await now(session)
                assert timedelta(days=3) - timedelta(minutes=1) < ago < timedelta(days=3, minutes=1)
    finally:
        await database.close()


async def test_times_are_compared_as_times(database: Database) -> None:
    async with database.begin() as session:
        rows = [{"id": str(n), "at": NOON + timedelta(microseconds=n)} for n in range(3)]
        await session.execute(sa.insert(THING), rows)
    async with database.read() as session:
        later = sa.select(THING.c.id).where(THING.c.at > NOON).order_by(THING.c.at.desc())
        assert (await session.execute(later)).scalars().all() == ["2", "1"]
        assert (await session.execute(sa.select(sa.func.max(THING.c.at)))).scalar_one() == NOON + timedelta(
            microseconds=2
        )


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="a time without a zone"):
        async with database.begin() as session:
            await session.execute(sa.insert(THING).values(id="a", at=NOON.replace(tzinfo=None)))
    assert await ids(database) == []


# --- errors in the house's words


async def test_a_row_that_breaks_a_unique_key_stays_an_integrity_error(database: Database) -> None:
    async with database.begin() as session:
        await put(session, "a")
    with pytest.raises(sa.exc.IntegrityError):
        async with database.begin() as session:
            await put(session, "a")


async def test_a_bug_in_a_statement_stays_what_it_is(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="no_such_column"):
        async with database.begin() as session:
            await session.execute(sa.text("SELECT no_such_column FROM thing"))


async def test_tables_that_are_not_there_yet_are_unavailable(database_url: str) -> None:
    async with opened(database_url) as database:
        for using in (database.begin, database.read):
            with pytest.raises(Unavailable, match="its tables are not there yet"):
                async with using() as session:
                    await session.execute(sa.select(THING))


async def test_a_database_that_answers_is_there(database: Database) -> None:
    await database.ping()
    assert database.dialect in ("sqlite", "postgresql")


async def test_a_file_that_cannot_be_opened_is_unavailable_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "tests.db").mkdir()
    async with opened(f"sqlite:///{tmp_path}") as database:
        with pytest.raises(Unavailable, match="unable to open"):
            await database.ping()
        (tmp_path / "tests.db").rmdir()
        await database.ping()


async def test_a_file_that_another_process_writes_for_too_long_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "tests.db"
    impatient = sqlite_engine(file, pool_size=1, begin="BEGIN IMMEDIATE", busy_seconds=0)
    async with opened(f"sqlite:///{tmp_path}") as theirs:
        await make_tables(theirs, "tests", metadata)
        ours = Database(impatient, impatient)
        async with theirs.begin() as holding:
            await put(holding, "theirs")
            with pytest.raises(Unavailable, match="locked"):
                await ours.ping()
        assert await ids(ours) == ["theirs"]
        await ours.close()


async def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    async with opened("postgresql://postgres@127.0.0.1:1/nothing") as database:
        with pytest.raises(Unavailable, match="the database is away"):
            await database.ping()


@pytest.mark.postgres
async def test_a_row_that_stays_locked_is_a_race(postgres_database: Database) -> None:
    change = sa.update(THING).values(number=1).where(THING.c.id == "a")
    async with postgres_database.begin() as session:
        await put(session, "a")
    async with postgres_database.begin() as holding:
        await holding.execute(change)
        with pytest.raises(Raced, match="lock timeout"):  # the statement's would be Unavailable
            async with postgres_database.begin() as session:
                await session.execute(change)


@pytest.mark.postgres
async def test_a_deadlock_is_a_race_for_one_and_the_other_goes_on(postgres_database: Database) -> None:
    both_have_one = asyncio.Barrier(2)

    async def change(first: str, second: str) -> None:
        async with postgres_database.begin() as session:
            await session.execute(sa.update(THING).values(number=1).where(THING.c.id == first))
            await both_have_one.wait()
            await session.execute(sa.update(THING).values(number=1).where(THING.c.id == second))

    async with postgres_database.begin() as session:
        await put(session, "a", "b")
    ends = await asyncio.gather(change("a", "b"), change("b", "a"), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "Raced"]


@pytest.mark.postgres
async def test_a_statement_that_takes_too_long_is_unavailable(postgres_database: Database) -> None:
    async def sleep() -> None:
        async with postgres_database.begin() as session:
            await session.execute(sa.text("SET LOCAL statement_timeout = '50ms'"))
            await session.execute(sa.text("SELECT pg_sleep(5)"))

    with pytest.raises(Unavailable, match="statement timeout"):
        await sleep()


@pytest.mark.postgres
async def test_a_connection_that_was_ended_is_unavailable_and_the_next_one_works(postgres_database: Database) -> None:
    async def be_ended() -> None:
        async with postgres_database.begin() as session:
            await put(session, "a")
            mine = (await session.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            async with postgres_database.read() as other:
                await other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
            await put(session, "b")

    with pytest.raises(Unavailable, match="the database is away"):
        await be_ended()
    async with postgres_database.begin() as session:
        await put(session, "c")
    assert await ids(postgres_database) == ["c"]


@pytest.mark.postgres
async def test_each_connection_carries_the_services_limits(postgres_database: Database) -> None:
    wanted = {
        "search_path": "tests",
        "lock_timeout": "2s",
        "statement_timeout": "4s",
        "idle_in_transaction_session_timeout": "15s",
        "application_name": "guichet-tests",
    }
    async with postgres_database.read() as session:
        found = {name: (await session.execute(sa.text(f"SHOW {name}"))).scalar_one() for name in wanted}
    assert found == wanted


@pytest.mark.postgres
async def test_a_killed_server_is_unavailable_and_all_works_again_when_it_is_back(postgres_to_crash: Postgres) -> None:
    database = connect(postgres_to_crash.create_database("crashed"), "tests")

    async def be_there_when_it_crashes() -> None:
        async with database.begin() as session:
            await put(session, "in hand")
            postgres_to_crash.kill()
            await put(session, "after the crash")

    await make_tables(database, "tests", metadata)
    async with database.begin() as session:
        await put(session, "committed")
    with pytest.raises(Unavailable):
        await be_there_when_it_crashes()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await database.ping()

    postgres_to_crash.restart()
    async with asyncio.timeout(PATIENCE):
        while await ids_or_away(database) is None:
            continue
    async with database.begin() as session:
        await put(session, "again")
    assert await ids(database) == ["again", "committed"]
    await database.close()


async def ids_or_away(database: Database) -> list[str] | None:
    """None for a connection from before the crash of which it was not yet noticed."""
    try:
        return await ids(database)
    except Unavailable:
        return None
