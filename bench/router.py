"""What routing a mention costs with its whole transaction, beside the bare transaction."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa
import uvloop
from prometheus_client import CollectorRegistry

from bench.measure import Clock, Turn, cut, interleaved, own_cpu, profiled, quiet_gc, timed
from bench.options import Options
from bench.parts import real_parts
from bench.posts import PARTITIONS, Posts
from bench.results import Goal, Result, cpu_ratio, ratio, row_of
from bench.router_floor import FloorRow, PostgresFloor, SqliteFloor, rows_of
from libs.common.bus import MAX_BATCH
from libs.common.db import Database, connect
from libs.common.events import MentionClassified
from libs.common.migrate import migrate
from services.router.app import MIGRATIONS
from services.router.handlers.figures import Figures
from services.router.handlers.messages import Messages
from services.router.store.lines import Lines
from services.router.store.setup import Setups

QUESTION = f"routing with its whole transaction, in batches of {MAX_BATCH:,}, all by authors nobody knows yet"
GOAL = 0.60
FASTEST_EXPECTED = 60_000  # mentions a second: so many are made before each turn
TABLES = ("mentions", "conversations", "work_items", "work_item_changes", "own_posts", "clocks", "outbox")


class _Floor(Protocol):
    async def make(self) -> None: ...
    async def empty(self) -> None: ...
    async def route(self, rows: Sequence[FloorRow]) -> None: ...
    async def close(self) -> None: ...


class _RouterSide:
    """The product."""

    def __init__(self, database: Database, posts: Posts) -> None:
        self._database, self._posts = database, posts
        self._messages = Messages(Setups(), Lines(), Figures(CollectorRegistry()))

    async def ready(self, count: int) -> list[Sequence[MentionClassified]]:
        """Empty tables, and mentions for them."""
        async with self._database.begin() as session:
            if self._database.dialect == "postgresql":
                await session.execute(sa.text(f"TRUNCATE {', '.join(TABLES)}"))
            else:
                for table in TABLES:
                    await session.execute(sa.text(f"DELETE FROM {table}"))
        return cut(self._posts.classified(count), MAX_BATCH)

    async def handle(self, batch: Sequence[MentionClassified]) -> None:
        """One batch, as the worker does it."""
        async with self._database.begin() as session:
            session.info["partitions"] = {event.key: n % PARTITIONS for n, event in enumerate(batch)}
            await self._messages.on_messages(batch, session)


class _FloorSide:
    """The bare transaction."""

    def __init__(self, floor: _Floor, posts: Posts) -> None:
        self._floor, self._posts = floor, posts

    async def ready(self, count: int) -> list[Sequence[FloorRow]]:
        """Empty tables, and rows for them."""
        await self._floor.empty()
        return cut(rows_of(self._posts.received(count)), MAX_BATCH)

    async def handle(self, batch: Sequence[FloorRow]) -> None:
        """One batch."""
        await self._floor.route(batch)


async def _turn(side: Any, seconds: float, cpu: Mapping[str, Clock], profile: str = "") -> Turn:
    given = await side.ready(int(FASTEST_EXPECTED * seconds))
    turn = Turn()
    with quiet_gc(), profiled(profile), timed(turn, cpu):
        end = time.perf_counter() + seconds
        for batch in given:
            await side.handle(batch)
            turn.done += len(batch)
            if time.perf_counter() > end:
                break
    return turn


def measure(options: Options) -> Result:
    """The router on PostgreSQL and on SQLite."""
    seconds, rounds = options.turn_seconds(2.0), options.rounds(5)
    with real_parts(postgres=True, database=options.database) as parts:
        server = {name: clock for name, clock in parts.cpu.items() if name == "postgres"}
        local = f"sqlite:///{parts.folder}"
        turns = uvloop.run(_place(parts.database, PostgresFloor(parts.database), server, options, seconds, rounds))
        on_sqlite = uvloop.run(_place(local, SqliteFloor(parts.folder), {}, options, seconds, rounds))
    rows = [row_of(f"{name}, PostgreSQL", some) for name, some in turns.items()]
    rows += [row_of(f"{name}, SQLite", some) for name, some in on_sqlite.items()]
    return Result(
        name="router",
        question=QUESTION,
        unit="mentions",
        rows=rows,
        goals=[
            Goal(text="of the floor's rate, PostgreSQL", wanted=GOAL, found=ratio(turns["router"], turns["floor"])),
            Goal(text="of the floor's CPU, PostgreSQL", wanted=GOAL, found=cpu_ratio(turns["router"], turns["floor"])),
            Goal(text="of the floor's rate, SQLite", wanted=GOAL, found=ratio(on_sqlite["router"], on_sqlite["floor"])),
        ],
        settings={"batch": MAX_BATCH, "rounds": rounds, "turn_seconds": seconds, "seed": options.seed},
        notes=[
            "the floor keeps the mention, its assignment, an event and the agents' load, and does nothing else; "
            "each turn begins on empty tables; fsync and synchronous_commit are on",
        ],
        command=options.command("router"),
    )


async def _place(
    url: str, floor: _Floor, server: Mapping[str, Clock], options: Options, seconds: float, rounds: int
) -> dict[str, list[Turn]]:
    """Both sides on one database."""
    await migrate(url, "router", MIGRATIONS)
    await floor.make()
    database = connect(url, "router")
    posts = Posts(options.seed)
    cpu = {"client": own_cpu, **server}
    sides: dict[str, Any] = {"floor": _FloorSide(floor, posts), "router": _RouterSide(database, posts)}
    try:
        turns = await interleaved({name: partial(_turn, side, seconds, cpu) for name, side in sides.items()}, rounds)
        if options.profile:
            await _turn(sides["router"], seconds, cpu, profile=f"router, {database.dialect}")
        return turns
    finally:
        await database.close()
        await floor.close()
