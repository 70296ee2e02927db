"""One statement for a whole batch: its rows go as one JSON parameter and stand in it as a table `v`.

The only place that knows `json_to_recordset` (PostgreSQL) from `json_each` (SQLite).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db.columns import Json, UtcDateTime, as_json, aware, microseconds
from libs.common.errors import Rejected

Row = Mapping[str, Any]

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON, and not the six characters themselves


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
    statement = insert_statement(
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
        values: what to set, in terms of the table's columns and `v("column")`; by default each column of
            the table that is not in the key is taken from the row.
        where: a further condition; a row that does not meet it is left, and not counted.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    chosen = tuple(values.items()) if values else None
    statement = update_statement(session.get_bind().dialect.name, table, names, tuple(key), chosen, where)
    result: Any = await session.execute(statement, _params(session, table, names, rows))
    return int(result.rowcount)


def matching(
    session: AsyncSession, table: sa.Table, statement: sa.Select[Any], keys: Sequence[Row]
) -> tuple[sa.Select[Any], dict[str, Any]]:
    """`statement` joined with the given keys (column -> value), and its parameters: one question for a batch.

    Give it a statement that is made once: what is made of it is kept.
    """
    names = tuple(keys[0])
    return _joined(session.get_bind().dialect.name, table, statement, names), _params(session, table, names, keys)


@lru_cache(maxsize=512)
def _joined(dialect: str, table: sa.Table, statement: sa.Select[Any], names: tuple[str, ...]) -> sa.Select[Any]:
    source = _source(dialect, table, names)
    return statement.join(source, sa.and_(*[table.c[name] == source.c[name] for name in names]))


@lru_cache(maxsize=512)
def update_statement(
    dialect: str,
    table: sa.Table,
    names: tuple[str, ...],
    key: tuple[str, ...],
    values: tuple[tuple[str, Any], ...] | None,
    where: sa.ColumnElement[bool] | None,
) -> sa.Update:
    """What `bulk_update` asks; the same object each time, and the rows are its one parameter."""
    source = _source(dialect, table, names)
    wanted = dict(values) if values else {name: v(name) for name in names if name in table.c and name not in key}
    statement = sa.update(table).values(wanted).where(*[table.c[name] == source.c[name] for name in key])
    return statement if where is None else statement.where(where)


def _type_of(table: sa.Table, name: str) -> sa.types.TypeEngine[Any]:
    return table.c[name].type if name in table.c else sa.Integer()


@lru_cache(maxsize=512)
def _source(dialect: str, table: sa.Table, names: tuple[str, ...]) -> sa.FromClause:
    """The rows of a bulk statement as a table `v`, in their order where it matters to an insert."""
    rows = sa.bindparam("v_rows", type_=sa.Text())
    if dialect == "postgresql":
        typed = [sa.column(name, _type_of(table, name)) for name in names]
        records = sa.func.json_to_recordset(sa.cast(rows, postgresql.JSON)).table_valued(*typed, name="v")
        return records.render_derived(name="v", with_types=True)
    each = sa.func.json_each(rows).table_valued(sa.column("value", sa.Text()))
    fields = [
        sa.type_coerce(sa.func.json_extract(each.c.value, f"$.{name}"), _type_of(table, name)).label(name)
        for name in names
    ]
    return sa.select(*fields).subquery("v")


@lru_cache(maxsize=512)
def insert_statement(
    dialect: str,
    table: sa.Table,
    names: tuple[str, ...],
    on_conflict: tuple[str, ...],
    update: tuple[str, ...],
    returning: tuple[str, ...],
    where: sa.ColumnElement[bool] | None,
) -> Any:
    """What `bulk_insert` asks; the same object each time, and the rows are its one parameter."""
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
    return {"v_rows": as_rows(session, table, names, rows)}


def as_rows(session: AsyncSession, table: sa.Table, names: tuple[str, ...], rows: Sequence[Row]) -> str:
    """The rows as JSON. Half the client's time goes when a driver need not look at each element of an array."""
    special = _special(session.get_bind().dialect.name, table, names)
    if special:
        rows = [{**row, **{name: plain(row[name]) for name, plain in special}} for row in rows]
    for name in names:
        if isinstance(_type_of(table, name), UtcDateTime):
            for row in rows:
                if isinstance(row[name], datetime):
                    aware(row[name])
    return without_nul(as_json(rows))


def without_nul(encoded: str) -> str:
    """The same JSON; PostgreSQL refuses a NUL character in a text, SQLite would cut the text there."""
    if r"\u0000" in encoded and _NUL.search(encoded):
        raise Rejected("a text with a NUL character")
    return encoded


@lru_cache(maxsize=512)
def _special(dialect: str, table: sa.Table, names: tuple[str, ...]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The columns whose values do not stand in JSON as they are, and how they do."""
    times = [name for name in names if isinstance(_type_of(table, name), UtcDateTime)] if dialect == "sqlite" else []
    texts = [name for name in names if isinstance(_type_of(table, name), Json)]
    return (*((name, _microseconds) for name in times), *((name, _quoted) for name in texts))


def _microseconds(value: Any) -> int | None:
    return None if value is None else microseconds(value)


def _quoted(value: Any) -> Any:
    """JSON within JSON becomes its text by itself; only a lone text would lose its quotes."""
    return as_json(value) if isinstance(value, str) else value
