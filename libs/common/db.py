"""The database: engines, transactions, bulk statements, and errors in the house's words.

The only place that knows `unnest` (PostgreSQL) from `json_each` (SQLite); both stand under the alias `v`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from libs.common.errors import Misconfigured, Raced, Unavailable

T = TypeVar("T")

RACES = 4  # times a person's write that raced runs again at once
LOCK_SECONDS = 2
STATEMENT_SECONDS = 4
IDLE_IN_TRANSACTION_SECONDS = 15

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC time: `timestamptz`, or whole microseconds on SQLite (whose own times come back naive)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value if value is None else value.astimezone(UTC)
        return _EPOCH + timedelta(microseconds=value)


class Json(sa.types.TypeDecorator[Any]):
    """A value as JSON text on both databases (lists too: never arrays)."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else _encode(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


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
            _house_errors(),
            AsyncSession(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            session.info["clock_offset"] = self._clock_offset
            session.info["partition_count"] = self._partitions
            yield session
            if before := session.info.get("before_commit"):
                await before(session)
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
        async with _house_errors(), AsyncSession(self._reader, expire_on_commit=False) as session:
            session.info["clock_offset"] = self._clock_offset
            yield session

    async def ping(self) -> None:
        """Return when the database answers, else raise `Unavailable`."""
        try:
            async with asyncio.timeout(3), self.read() as session:
                await session.execute(sa.text("SELECT 1"))
        except TimeoutError as error:
            raise Unavailable("the database", "no answer in 3 s") from error

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
        writer = _sqlite_engine(file, pool_size=1, begin="BEGIN IMMEDIATE")
        return Database(writer, _sqlite_engine(file, pool_size=4, begin="BEGIN"), clock_offset, partitions)
    if url.startswith(("postgresql://", "postgres://")):
        try:
            address = sa.make_url(url).set(drivername="postgresql+asyncpg")
        except exc.ArgumentError as error:
            raise Misconfigured(f"the database address cannot be read: {error}") from error
        engine = create_async_engine(
            address,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=STATEMENT_SECONDS,
            pool_reset_on_return="rollback",
            connect_args={"timeout": 5, "server_settings": server_settings(service)},
        )
        return Database(engine, engine, clock_offset, partitions)
    raise Misconfigured(f"a database address begins with postgresql:// or sqlite:///, not {url.split(':')[0]!r}")


def server_settings(service: str) -> dict[str, str]:
    """What each PostgreSQL connection of a service asks of the server: its schema and its time limits."""
    return {
        "search_path": service,
        "application_name": f"guichet-{service}",
        "jit": "off",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    }


def _sqlite_engine(file: Path, pool_size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        connect_args={"timeout": 5.0},
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def say_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


# --- errors


@asynccontextmanager
async def _house_errors() -> AsyncIterator[None]:
    try:
        yield
    except exc.TimeoutError as error:  # the pool had no connection in time
        raise Unavailable("the database", "no free connection") from error
    except exc.DBAPIError as error:
        raise _translated(error) from error
    except (ConnectionError, OSError) as error:
        raise Unavailable("the database", str(error)) from error


_RACED = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available
_AWAY = {
    "57014",
    "57P01",
    "57P02",
    "57P03",
    "53300",
    "25P03",
}  # cancelled, shutdown, too many connections, idle


def _translated(error: exc.DBAPIError) -> Exception:
    state = getattr(error.orig, "sqlstate", None) or ""
    text = str(error.orig)
    if state in _RACED:
        return Raced(f"{state}: {text}")
    if error.connection_invalidated or state in _AWAY or state.startswith(("08", "53")):
        return Unavailable("the database", text.splitlines()[0] if text else state)
    if (state == "42P01" and "relation" in text) or state == "3F000" or "no such table" in text:
        return Unavailable("the database", f"its tables are not there yet ({text.splitlines()[0]})")
    if isinstance(error, exc.InterfaceError) and not state:
        return Unavailable("the database", text)
    if isinstance(error, exc.OperationalError) and ("locked" in text or "disk" in text or "full" in text):
        return Unavailable("the database", text)
    return error


async def now(session: AsyncSession) -> datetime:
    """The database's clock, read once a transaction: leases and due times never use a pod's."""
    known: datetime | None = session.info.get("now")
    if known is None:
        if session.get_bind().dialect.name == "sqlite":
            known = datetime.now(UTC)  # one machine: its clock is the database's
        else:
            known = (await session.execute(sa.select(sa.func.clock_timestamp()))).scalar_one().astimezone(UTC)
        known += session.info.get("clock_offset", timedelta())
        session.info["now"] = known
    return known


# --- bulk statements

Row = Mapping[str, Any]


def v(column: str) -> sa.ColumnElement[Any]:
    """A column of the rows given to a bulk statement."""
    return sa.literal_column(f"v.{column}")


async def bulk_insert(
    session: AsyncSession,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    on_conflict: Sequence[str] = (),
    update: Sequence[str] = (),
    where: sa.ColumnElement[bool] | None = None,
    returning: Sequence[str] = (),
) -> list[Any]:
    """Insert the rows in one statement, in their order; all must have the same columns.

    Args:
        on_conflict: the columns of a unique key; rows that meet one are passed over, or with `update` set anew.
        update: columns to take from the new row on a conflict (`where`: only if this holds).
        returning: columns of the rows that were written.
    """
    if not rows:
        return []
    names = tuple(rows[0])
    statement = _insert(
        session.get_bind().dialect.name,
        table,
        names,
        tuple(on_conflict),
        tuple(update),
        tuple(returning),
        where,
    )
    result = await session.execute(statement, _params(session, table, names, rows))
    return list(result.all()) if returning else []


async def bulk_update(
    session: AsyncSession,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    key: Sequence[str],
    values: Mapping[str, Any] | None = None,
    where: sa.ColumnElement[bool] | None = None,
) -> int:
    """Update the rows found by `key` in one statement; returns how many were.

    Args:
        values: what to set, in terms of the table's columns and `v("column")`; by default each column that is
            not in the key is taken from the row.
        where: a further condition; a row that does not meet it is left, and not counted.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    source = _source(session.get_bind().dialect.name, table, names)
    wanted = values or {name: v(name) for name in names if name not in key}
    statement = (
        sa.update(table)
        .values(dict(wanted))
        .where(*[table.c[name] == source.c[name] for name in key])
        .where(*([where] if where is not None else []))
    )
    result: Any = await session.execute(statement, _params(session, table, names, rows))
    return int(result.rowcount)


def matching(
    session: AsyncSession, table: sa.Table, statement: sa.Select[Any], keys: Sequence[Row]
) -> tuple[sa.Select[Any], dict[str, Any]]:
    """`statement` joined with the given keys (column -> value), and its parameters: one question for a batch."""
    names = tuple(keys[0])
    source = _source(session.get_bind().dialect.name, table, names)
    joined = statement.join(source, sa.and_(*[table.c[name] == source.c[name] for name in names]))
    return joined, _params(session, table, names, keys)


def _type_of(table: sa.Table, name: str) -> sa.types.TypeEngine[Any]:
    return table.c[name].type if name in table.c else sa.Integer()


@lru_cache(maxsize=512)
def _source(dialect: str, table: sa.Table, names: tuple[str, ...]) -> sa.FromClause:
    """The rows of a bulk statement as a table `v`, in their order where it matters to an insert."""
    if dialect == "postgresql":
        arrays = [sa.bindparam(f"v_{name}", type_=postgresql.ARRAY(_element(_type_of(table, name)))) for name in names]
        typed = [sa.column(name, _type_of(table, name)) for name in names]
        return sa.func.unnest(*arrays).table_valued(*typed, name="v").render_derived(name="v")
    each = sa.func.json_each(sa.bindparam("v_rows", type_=sa.Text())).table_valued(sa.column("value", sa.Text()))
    fields = [
        sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{i}]"), _type_of(table, name)).label(name)
        for i, name in enumerate(names)
    ]
    return sa.select(*fields).subquery("v")


def _element(type_: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    if isinstance(type_, UtcDateTime):
        return sa.DateTime(timezone=True)
    return sa.Text() if isinstance(type_, sa.Text | sa.String | Json) else type_


@lru_cache(maxsize=512)
def _insert(
    dialect: str,
    table: sa.Table,
    names: tuple[str, ...],
    on_conflict: tuple[str, ...],
    update: tuple[str, ...],
    returning: tuple[str, ...],
    where: sa.ColumnElement[bool] | None,
) -> Any:
    source = _source(dialect, table, names)
    rows = sa.select(*[source.c[name] for name in names])
    statement: Any
    if dialect == "postgresql":
        statement = postgresql.insert(table).from_select(list(names), rows)
    else:
        # "WHERE true" tells SQLite's parser that the ON that follows is not a join's
        statement = sqlite.insert(table).from_select(list(names), rows.where(sa.true()))
    if on_conflict:
        if update:
            excluded = {name: statement.excluded[name] for name in update}
            statement = statement.on_conflict_do_update(index_elements=list(on_conflict), set_=excluded, where=where)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(on_conflict))
    if returning:
        statement = statement.returning(*[table.c[name] for name in returning])
    return statement


def _params(session: AsyncSession, table: sa.Table, names: tuple[str, ...], rows: Sequence[Row]) -> dict[str, Any]:
    if session.get_bind().dialect.name == "postgresql":
        return {
            f"v_{name}": (
                [None if row[name] is None else _encode(row[name]).decode() for row in rows]
                if isinstance(_type_of(table, name), Json)
                else [row[name] for row in rows]
            )
            for name in names
        }
    columns = [_plain(_type_of(table, name)) for name in names]
    lines = [[plain(row[name]) for name, plain in zip(names, columns, strict=True)] for row in rows]
    return {"v_rows": _encode(lines).decode()}


def _plain(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """How a value of this type stands in the JSON that SQLite reads."""
    if isinstance(type_, UtcDateTime):
        return lambda value: None if value is None else (value - _EPOCH) // _MICROSECOND
    if isinstance(type_, Json):
        return lambda value: None if value is None else _encode(value).decode()
    return lambda value: value
