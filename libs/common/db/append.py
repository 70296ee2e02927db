"""Rows that are new, as each database takes them best: COPY or one statement on PostgreSQL, `executemany` on SQLite."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from libs.common.db.bulk import Row, as_rows, insert_statement, update_statement, without_nul
from libs.common.db.columns import Json, UtcDateTime, as_json, microseconds
from libs.common.errors import Raced, Rejected

FEW = 100  # rows: so few cost more in round trips than in themselves

Appended = tuple[sa.Table, Sequence[Row]]
"""Rows for a table, all with the same columns: more than one."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows, and the one statement that takes them all: None, where they are appended and COPY may do it too."""

    table: sa.Table
    rows: Sequence[Row]
    statement: Any = None
    raced: str = ""  # what it means when fewer rows were written than given; "": nothing

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.rows[0])


async def bulk_append(session: AsyncSession, *appended: Appended) -> None:
    """Write rows that were new when we looked, in their order; a table's before the next one's.

    Half of `bulk_insert`'s cost, for rows that meet no conflict and give nothing back.

    Raises:
        Raced: one with the same primary key is there now.
    """
    await write_parts(session, [Part(table, rows) for table, rows in appended])


def append_at_commit(session: AsyncSession, *appended: Appended) -> None:
    """Append these rows with the last statement of the transaction.

    All that waits for the commit goes together with what the transaction tells: one round trip for all of it. For
    rows that nothing in the transaction reads. `Raced` then comes from the commit.
    """
    _at_commit(session, *(Part(table, rows) for table, rows in appended))


def insert_at_commit(
    session: AsyncSession, table: sa.Table, rows: Sequence[Row], *, on_conflict: Sequence[str], update: Sequence[str]
) -> None:
    """`bulk_insert` as `append_at_commit`."""
    if rows:
        dialect = session.get_bind().dialect.name
        made = insert_statement(dialect, table, tuple(rows[0]), tuple(on_conflict), tuple(update), (), None)
        _at_commit(session, Part(table, rows, made))


def update_at_commit(
    session: AsyncSession,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    key: Sequence[str],
    values: Mapping[str, Any] | None = None,
    where: sa.ColumnElement[bool] | None = None,
    raced: str,
) -> None:
    """`bulk_update` as `append_at_commit`; where not all rows are found as they should be, the commit is `Raced`."""
    if rows:
        chosen = tuple(values.items()) if values else None
        dialect = session.get_bind().dialect.name
        made = update_statement(dialect, table, tuple(rows[0]), tuple(key), chosen, where)
        _at_commit(session, Part(table, rows, made, raced))


def _at_commit(session: AsyncSession, *parts: Part) -> None:
    session.info.setdefault(_PARTS, []).extend(part for part in parts if part.rows)


_PARTS = "at_commit"


async def write_at_commit(session: AsyncSession) -> None:
    """All that waited for the commit, which comes next."""
    parts: list[Part] = session.info.pop(_PARTS, [])
    changes = [part for part in parts if part.statement is not None]
    await write_parts(session, changes + [part for part in parts if part.statement is None])


async def write_parts(session: AsyncSession, parts: Sequence[Part]) -> None:
    """One after the other; in one statement where that is quicker."""
    parts = [part for part in parts if part.rows]
    if not parts:
        return
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        await _to_postgresql(session, connection, parts)
        return
    for part in parts:
        if part.statement is None:
            await _execute_many(connection, part.table, part.rows)
        else:
            await _execute(session, part)


async def _execute(session: AsyncSession, part: Part) -> None:
    given = {"v_rows": as_rows(session, part.table, part.names, part.rows)}
    result: Any = await session.execute(part.statement, given)
    _check(part, result.rowcount)


def _check(part: Part, written: int) -> None:
    if part.raced and written != len(part.rows):
        raise Raced(part.raced)


async def _to_postgresql(session: AsyncSession, connection: AsyncConnection, parts: Sequence[Part]) -> None:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await connection.execute(_ANYTHING)  # SQLAlchemy says BEGIN with its own first statement
    few = sum(len(part.rows) for part in parts) <= FEW
    try:
        if few:
            statement = _at_once(tuple((part.table, part.names, part.statement, bool(part.raced)) for part in parts))
            rows = [as_rows(session, part.table, part.names, part.rows) for part in parts]
            written = await driver.fetchrow(statement, *rows)
        else:
            for part in parts:
                if part.statement is not None:
                    await _execute(session, part)
                    continue
                records = _records("postgresql", part.table, part.names, part.rows)
                await driver.copy_records_to_table(part.table.name, records=records, columns=part.names)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name in {f"{part.table.name}_pkey" for part in parts}:
            raise Raced(f"a row is there already: {error.constraint_name}") from error
        raise exc.IntegrityError("append", None, error, hide_parameters=True) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        away = driver.is_closed()
        if away:
            await connection.invalidate()
        raise exc.DBAPIError("append", None, error, hide_parameters=True, connection_invalidated=away) from error
    if few:
        for part, count in zip((part for part in parts if part.raced), written, strict=True):
            _check(part, count)


async def _execute_many(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> None:
    names = tuple(rows[0])
    records = _records("sqlite", table, names, rows)
    if any(isinstance(value, str) and "\0" in value for record in records for value in record):
        raise Rejected("a text with a NUL character")  # PostgreSQL refuses it by itself, SQLite would cut it there
    try:
        await connection.exec_driver_sql(_insert(table.name, names, f"VALUES ({', '.join('?' * len(names))})"), records)
    except exc.IntegrityError as error:
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
            raise Raced(f"a row is there already: {table.name}") from error
        raise


_ANYTHING: sa.Select[Any] = sa.select(sa.literal_column("1"))


def _insert(table: str, names: Sequence[str], source: str) -> str:
    return f"INSERT INTO {table} ({', '.join(_quoted(names))}) {source}"


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


@lru_cache(maxsize=512)
def _at_once(parts: tuple[tuple[sa.Table, tuple[str, ...], Any, bool], ...]) -> str:
    """One statement for a few rows of each: each part stands in its WITH, and those are counted that may race."""
    named, counted = [], []
    for number, (table, names, made, may_race) in enumerate(parts, 1):
        statement = _append(table, names) if made is None else _compiled(made.returning(_ONE) if may_race else made)
        named.append(f"p{number} AS ({statement.replace('$1', f'${number}')})")
        if may_race:
            counted.append(f"(SELECT count(*) FROM p{number})")  # noqa: S608
    return f"WITH {', '.join(named)} SELECT {', '.join(counted)}"


_ONE: sa.ColumnElement[int] = sa.literal_column("1")


def _append(table: sa.Table, names: tuple[str, ...]) -> str:
    quoted = _quoted(names)
    types = [table.c[name].type.compile(postgresql.dialect()) for name in names]  # type: ignore[no-untyped-call]
    columns = ", ".join(f"{name} {type_}" for name, type_ in zip(quoted, types, strict=True))
    source = f"SELECT {', '.join(quoted)} FROM json_to_recordset($1::json) AS v ({columns})"  # noqa: S608
    return _insert(table.name, names, source)


def _compiled(statement: Any) -> str:
    """A bulk statement as the driver takes it: its rows are its one parameter, $1."""
    compiled = statement.compile(dialect=_DRIVER)
    assert compiled.positiontup == ["v_rows"], f"parameters besides the rows: {compiled.positiontup}"
    return str(compiled)


_DRIVER = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]


def _records(dialect: str, table: sa.Table, names: tuple[str, ...], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The rows as the driver takes them: a column at a time, and only those that need it."""
    special = _special(dialect, table, names)
    records = list(map(itemgetter(*names), rows))
    if not special:
        return records
    columns: list[Any] = list(zip(*records, strict=True))
    for place, plain in special:
        columns[place] = map(plain, columns[place])
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=512)
def _special(dialect: str, table: sa.Table, names: tuple[str, ...]) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """The columns whose values the driver does not take as they are, by place."""
    types = [(place, table.c[name].type) for place, name in enumerate(names)]
    times = [place for place, type_ in types if isinstance(type_, UtcDateTime)] if dialect == "sqlite" else []
    return (
        *((place, _or_none(microseconds)) for place in times),
        *((place, _or_none(_json)) for place, type_ in types if isinstance(type_, Json)),
    )


def _json(value: Any) -> str:
    return without_nul(as_json(value))


def _or_none(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else plain(value)
