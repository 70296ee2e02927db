"""Connections and transactions, on PostgreSQL and on SQLite."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from libs.common.db.append import write_at_commit
from libs.common.db.columns import from_timestamptz, to_timestamptz
from libs.common.db.errors import house_errors
from libs.common.errors import Misconfigured, Raced, Unavailable

T = TypeVar("T")

RACES = 4  # times a person's write that raced runs again at once
CONNECT_SECONDS = 5
LOCK_SECONDS = 2
STATEMENT_SECONDS = 4
IDLE_IN_TRANSACTION_SECONDS = 15


class Database:
    """One service's database. On SQLite one connection writes and a few read; on PostgreSQL a pool does both."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine, clock_offset: timedelta = timedelta(), partitions: int = 12
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_offset = clock_offset
        self._partitions = partitions  # of every topic, for what a transaction tells
        self.after_commit: list[Callable[[], None]] = []  # each is called when a transaction told something

    @property
    def dialect(self) -> str:
        """`postgresql` or `sqlite`."""
        return self._writer.dialect.name

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction: commits at the end, rolls back on an exception.

        Raises:
            Raced: a deadlock, a lock not had in time, a row somebody was quicker with.
            Unavailable: the database is away, or went during the commit (then it may have happened: run again).
        """
        async with (
            house_errors(),
            AsyncSession(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            session.info["clock_offset"] = self._clock_offset
            session.info["partition_count"] = self._partitions
            yield session
            if before := session.info.get("before_commit"):
                await before(session)
            await write_at_commit(session)
        for done in session.info.get("committed", ()):
            done()
        if session.info.get("told"):
            for wake in self.after_commit:
                wake()

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What `work` answers, in a transaction of its own; run again when somebody was quicker, at most five times.

        Raises:
            Raced, Unavailable: as `begin`.
        """
        for _ in range(RACES):
            with contextlib.suppress(Raced):
                async with self.begin() as session:
                    return await work(session)
        async with self.begin() as session:
            return await work(session)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for questions only; it sees what is committed and never waits for a writer."""
        async with house_errors(), AsyncSession(self._reader, expire_on_commit=False) as session:
            session.info["clock_offset"] = self._clock_offset
            yield session

    async def ping(self) -> None:
        """Return when the database answers, else raise `Unavailable`."""
        try:
            async with asyncio.timeout(3), self.read() as session:
                await session.execute(sa.text("SELECT 1"))
        except TimeoutError as error:
            raise Unavailable("the database", "no answer in 3 s") from error

    async def vacuum(self, table: str) -> None:
        """Take a table's dead rows away now; SQLite leaves none."""
        if self.dialect == "postgresql":
            async with house_errors(), self._writer.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                # cut nothing off its end: that would lock everybody out
                await connection.execute(sa.text(f"VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) {table}"))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


def connect(
    url: str, service: str, *, pool_size: int = 8, clock_offset: timedelta = timedelta(), partitions: int = 12
) -> Database:
    """The service's database behind `postgresql://...` (schema `service`) or `sqlite:///folder` (one file each).

    Opens nothing yet. `clock_offset` shifts the database's clock, for tests.

    Raises:
        Misconfigured: the address is neither.
    """
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///")) / f"{service}.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        writer = sqlite_engine(file, pool_size=1, begin="BEGIN IMMEDIATE")
        return Database(writer, sqlite_engine(file, pool_size=4, begin="BEGIN"), clock_offset, partitions)
    if url.startswith(("postgresql://", "postgres://")):
        try:
            address = sa.make_url(url).set(drivername="postgresql+asyncpg")
        except (exc.ArgumentError, ValueError) as error:  # a port that is not a number
            raise Misconfigured(f"the database address cannot be read: {error}") from error
        engine = create_async_engine(
            address,
            hide_parameters=True,  # they are texts and names, and errors go to the log
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=STATEMENT_SECONDS,
            pool_reset_on_return="rollback",
            connect_args={
                "timeout": CONNECT_SECONDS,
                "server_settings": server_settings(service),
                "async_creator_fn": reach,
            },
        )
        return Database(engine, engine, clock_offset, partitions)
    raise Misconfigured(f"a database address begins with postgresql:// or sqlite:///, not {url.split(':')[0]!r}")


async def reach(*args: Any, **options: Any) -> Any:
    """asyncpg's own `connect`, with our way of times. A server that cannot be reached is said here, where it cannot be
    anything else.
    """
    try:
        connection = await asyncpg.connect(*args, **options)
        try:
            await connection.set_type_codec(
                "timestamptz", schema="pg_catalog", format="binary", encoder=to_timestamptz, decoder=from_timestamptz
            )
        except BaseException:
            connection.terminate()  # nobody else has it yet
            raise
    except OSError as error:  # a time limit's error is one too
        raise Unavailable("the database", str(error) or "no answer in time") from error
    return connection


def server_settings(service: str) -> dict[str, str]:
    """What each PostgreSQL connection of a service asks of the server: its schema and its time limits."""
    return {
        "search_path": service,
        "application_name": f"guichet-{service}",
        "jit": "off",
        # A prepared statement's plan is kept for ever, and one that was made while the tables were small reads
        # them whole when they are large: by themselves, or along an index to join them with a batch's rows. Every
        # question on the way of a mention has its index, and goes from the batch's rows to it, row by row.
        **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material"), "off"),
        # PostgreSQL does not know what a LIMIT will be, thinks that it could do better, and plans each time anew.
        "plan_cache_mode": "force_generic_plan",
        # Nor does such a plan know that a question finds nothing: each look for what is due would start processes.
        "max_parallel_workers_per_gather": "0",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    }


def sqlite_engine(
    file: Path, *, pool_size: int, begin: str, busy_seconds: int = 5, foreign_keys: bool = True
) -> AsyncEngine:
    """One SQLite file; `begin` says what a transaction begins with, a write lock or a view of what is committed."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}",
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        connect_args={"timeout": float(busy_seconds)},
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_seconds * 1000}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def say_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def now(session: AsyncSession) -> datetime:
    """The database's clock, read once a transaction: leases and due times never use a pod's."""
    known: datetime | None = session.info.get("now")
    if known is None:
        if session.get_bind().dialect.name == "sqlite":
            return _it_is(session, datetime.now(UTC))  # one machine: its clock is the database's
        known = _it_is(session, (await session.execute(sa.select(_CLOCK))).scalar_one())
    return known


def once_committed(session: AsyncSession, done: Callable[[], None]) -> None:
    """Call this when, and only if, the transaction has committed: a count of what is now a fact."""
    session.info.setdefault("committed", []).append(done)


async def ask_and_read_clock(
    session: AsyncSession, statement: sa.Select[Any], params: Mapping[str, Any] | None = None
) -> Sequence[sa.Row[Any]]:
    """The rows; if there are any, `now` is known then without a question of its own. For a statement made once."""
    if session.get_bind().dialect.name == "sqlite":
        plain: Sequence[sa.Row[Any]] = (await session.execute(statement, params)).all()
        return plain
    rows: Sequence[sa.Row[Any]] = (await session.execute(_with_clock(statement), params)).all()
    if rows:
        _it_is(session, rows[0].clock)
    return rows


@lru_cache(maxsize=64)
def _with_clock(statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.add_columns(_CLOCK)


_CLOCK: sa.ColumnElement[datetime] = sa.func.clock_timestamp().label("clock")


def _it_is(session: AsyncSession, read: datetime) -> datetime:
    moment: datetime = read.astimezone(UTC) + session.info.get("clock_offset", timedelta())
    session.info["now"] = moment
    return moment
