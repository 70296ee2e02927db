"""Rows that are new, as each database takes them best: COPY or one statement on PostgreSQL, `executemany` on SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from libs.common.db.bulk import Row, as_rows, without_nul
from libs.common.db.columns import Json, UtcDateTime, as_json, aware, microseconds
from libs.common.errors import Raced, Rejected

FEW = 100  # rows: so few cost more in round trips than in themselves

Part = tuple[sa.Table, Sequence[Row]]
"""Rows for a table, all with the same columns: more than one."""


async def bulk_append(session: AsyncSession, *parts: Part) -> None:
    """Write rows that were new when we looked, in their order; a table's before the next one's.

    Half of `bulk_insert`'s cost, for rows that meet no conflict and give nothing back.

    Raises:
        Raced: one with the same primary key is there now.
    """
    parts = tuple(part for part in parts if part[1])
    if not parts:
        return
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        await _to_postgresql(session, connection, parts)
    else:
        for table, rows in parts:
            await _execute_many(connection, table, rows)


def append_at_commit(session: AsyncSession, *parts: Part) -> None:
    """Write these rows with the last statement of the transaction, together with what it tells: one round trip less.

    For rows that nothing in the transaction reads. `Raced` then comes from the commit.
    """
    session.info.setdefault(AT_COMMIT, []).extend(part for part in parts if part[1])


AT_COMMIT = "at_commit"


async def _to_postgresql(session: AsyncSession, connection: AsyncConnection, parts: Sequence[Part]) -> None:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await connection.execute(_ANYTHING)  # SQLAlchemy says BEGIN with its own first statement
    try:
        if sum(len(rows) for _, rows in parts) <= FEW:
            statement = _at_once(tuple((table, tuple(rows[0])) for table, rows in parts))
            await driver.execute(statement, *(as_rows(session, table, tuple(rows[0]), rows) for table, rows in parts))
        else:
            for table, rows in parts:
                names = tuple(rows[0])
                records = _records("postgresql", table, names, rows)
                await driver.copy_records_to_table(table.name, records=records, columns=names)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name in {f"{table.name}_pkey" for table, _ in parts}:
            raise Raced(f"a row is there already: {error.constraint_name}") from error
        raise exc.IntegrityError("append", None, error, hide_parameters=True) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        away = driver.is_closed()
        if away:
            await connection.invalidate()
        raise exc.DBAPIError("append", None, error, hide_parameters=True, connection_invalidated=away) from error


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
def _at_once(parts: tuple[tuple[sa.Table, tuple[str, ...]], ...]) -> str:
    """One statement for a few rows of each: each INSERT but the last stands in the WITH of the last."""
    inserts = []
    for number, (table, names) in enumerate(parts, 1):
        quoted = _quoted(names)
        types = [table.c[name].type.compile(postgresql.dialect()) for name in names]  # type: ignore[no-untyped-call]
        columns = ", ".join(f"{name} {type_}" for name, type_ in zip(quoted, types, strict=True))
        source = f"SELECT {', '.join(quoted)} FROM json_to_recordset(${number}::json) AS v ({columns})"  # noqa: S608
        inserts.append(_insert(table.name, names, source))
    *first, last = inserts
    named = [f"i{number} AS ({insert})" for number, insert in enumerate(first)]
    return f"WITH {', '.join(named)} {last}" if named else last


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
    time = microseconds if dialect == "sqlite" else aware
    types = [(place, table.c[name].type) for place, name in enumerate(names)]
    return (
        *((place, _or_none(time)) for place, type_ in types if isinstance(type_, UtcDateTime)),
        *((place, _or_none(_json)) for place, type_ in types if isinstance(type_, Json)),
    )


def _json(value: Any) -> str:
    return without_nul(as_json(value))


def _or_none(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else plain(value)
