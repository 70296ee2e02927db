"""The router's floor: a bare transaction that keeps a mention, its assignment, its event, and the agents' load.

No conversations, no look at what is known already, no history, no decisions worth the name: what a transaction of
this kind costs in SQLAlchemy Core with arrays (PostgreSQL) or `executemany` (SQLite) when nothing else is done.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from libs.common.events import MentionReceived

AGENTS = 50
DUE = datetime(2026, 3, 2, 12, tzinfo=UTC)

_TABLES = """
create schema floor;
create table floor.mention(id text primary key, network text not null, author_id text not null, author text,
  body text not null, language text, label text not null, score real not null, created_at timestamptz not null,
  raw text);
create table floor.assignment(id bigserial primary key, mention_id text not null unique, queue text not null,
  agent_id int, status text not null default 'open', priority int not null, due_at timestamptz not null);
create index on floor.assignment(queue, priority, id) where status = 'open';
create table floor.outbox(id bigserial primary key, topic text not null, key text, payload text not null);
create table floor.agent(id int primary key, load int not null default 0);
insert into floor.agent select g, 0 from generate_series(1, 50) g
"""
_SQLITE_TABLES = """
create table mention(id text primary key, network text, author_id text, author text, body text, language text,
  label text, score real, created_at text, raw text);
create table assignment(id integer primary key, mention_id text unique, queue text, agent_id int,
  status text default 'open', priority int, due_at text);
create table outbox(id integer primary key, topic text, key text, payload text);
create table agent(id int primary key, load int);
"""

FloorRow = tuple[Any, ...]
_MENTION = ("id", "network", "author_id", "author", "body", "language", "label", "score", "created_at", "raw")
_ASSIGNMENT = ("mention_id", "queue", "agent_id", "priority", "due_at")
_OUTBOX = ("topic", "key", "payload")
_LOAD = ("agent", "more")
_TYPES: dict[str, Any] = {
    "score": sa.Float(),
    "created_at": sa.DateTime(timezone=True),
    "due_at": sa.DateTime(timezone=True),
    "agent_id": sa.Integer(),
    "priority": sa.Integer(),
    "agent": sa.Integer(),
    "load": sa.Integer(),
    "more": sa.Integer(),
}


def _table(name: str, columns: Sequence[str]) -> Any:
    return sa.table(name, *[sa.column(column, _TYPES.get(column, sa.Text())) for column in columns], schema="floor")


def _arrays(columns: Sequence[str]) -> Any:
    given = [sa.bindparam(f"a_{name}", type_=postgresql.ARRAY(_TYPES.get(name, sa.Text()))) for name in columns]
    return (
        sa.func.unnest(*given)
        .table_valued(*[sa.column(name, _TYPES.get(name, sa.Text())) for name in columns], name="u")
        .render_derived()
    )


def _insert(name: str, columns: Sequence[str]) -> Any:
    source = _arrays(columns)
    return postgresql.insert(_table(name, columns)).from_select(list(columns), sa.select(*source.c))


def _given(columns: Sequence[str], rows: Sequence[FloorRow]) -> dict[str, list[Any]]:
    return {f"a_{name}": list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


_KEEP = _insert("mention", _MENTION).on_conflict_do_nothing().returning(sa.column("id"))
_ASSIGN = _insert("assignment", _ASSIGNMENT)
_TELL = _insert("outbox", _OUTBOX)
_agents = _table("agent", ("id", "load"))
_more = _arrays(_LOAD)
_BURDEN = sa.update(_agents).where(_agents.c.id == _more.c.agent).values(load=_agents.c.load + _more.c.more)


def rows_of(mentions: Sequence[MentionReceived]) -> list[FloorRow]:
    """Mentions as the floor's rows."""
    return [
        (m.post_id, m.network, m.author_id, m.author_username, m.text, m.language_hint, "support", 0.93, m.posted_at,
         bytes(m.raw).decode())
        for m in mentions
    ]  # fmt: skip


def _decide(ids: Sequence[str]) -> tuple[list[FloorRow], list[FloorRow], list[FloorRow]]:
    assigned = [(id_, "support", int(id_) % AGENTS + 1, 2, DUE) for id_ in ids]
    told = [
        ("mentions.routed", id_, json.dumps({"id": id_, "queue": queue, "agent": agent}))
        for id_, queue, agent, *_ in assigned
    ]
    burden: dict[int, int] = {}
    for _, _, agent, *_ in assigned:
        burden[agent] = burden.get(agent, 0) + 1
    return assigned, told, sorted(burden.items())


class PostgresFloor:
    """The bare transaction on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            sa.make_url(url).set(drivername="postgresql+asyncpg"), pool_size=1
        )

    async def make(self) -> None:
        """Its tables."""
        async with self._engine.begin() as connection:
            for statement in _TABLES.split(";"):
                await connection.execute(sa.text(statement))

    async def empty(self) -> None:
        """Forget all mentions."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.text("truncate floor.mention, floor.assignment, floor.outbox"))

    async def route(self, rows: Sequence[FloorRow]) -> None:
        """One batch."""
        async with self._engine.begin() as connection:
            ids = [row.id for row in await connection.execute(_KEEP, _given(_MENTION, rows))]
            if not ids:
                return
            assigned, told, burden = _decide(ids)
            await connection.execute(_ASSIGN, _given(_ASSIGNMENT, assigned))
            await connection.execute(_TELL, _given(_OUTBOX, told))
            await connection.execute(_BURDEN, _given(_LOAD, burden))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._engine.dispose()


class SqliteFloor:
    """The bare transaction on SQLite: WAL, synchronous FULL."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "floor.db"
        self._connection: aiosqlite.Connection | None = None

    async def make(self) -> None:
        """Its tables."""
        connection = self._connection = await aiosqlite.connect(self._file, isolation_level=None)
        await connection.execute("pragma journal_mode=wal")
        await connection.execute("pragma synchronous=full")
        await connection.executescript(_SQLITE_TABLES)
        await connection.executemany("insert into agent values(?, 0)", [(n,) for n in range(1, AGENTS + 1)])

    async def empty(self) -> None:
        """Forget all mentions."""
        assert self._connection is not None
        for table in ("mention", "assignment", "outbox"):
            await self._connection.execute(f"delete from {table}")

    async def route(self, rows: Sequence[FloorRow]) -> None:
        """One batch."""
        connection = self._connection
        assert connection is not None
        assigned, told, burden = _decide([row[0] for row in rows])
        kept = [(*row[:8], row[8].isoformat(), row[9]) for row in rows]
        places = ",".join("?" * len(_MENTION))
        await connection.execute("begin immediate")
        await connection.executemany(f"insert into mention values({places}) on conflict do nothing", kept)
        await connection.executemany(
            "insert into assignment(mention_id, queue, agent_id, priority, due_at) values(?,?,?,?,?)",
            [(*row[:4], row[4].isoformat()) for row in assigned],
        )
        await connection.executemany("insert into outbox(topic, key, payload) values(?,?,?)", told)
        await connection.executemany(
            "update agent set load = load + ? where id = ?", [(more, agent) for agent, more in burden]
        )
        await connection.execute("commit")

    async def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            await self._connection.close()
