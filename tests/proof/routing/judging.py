"""All promises, looked at when the story is over."""

import asyncpg
import sqlalchemy as sa

from libs.common.db import connect
from services.router.store.items import ITEMS, WorkItem, work_item
from tests.proof.routing import history, tables
from tests.proof.routing.replaying import Replay
from tests.proof.routing.story import Played, Tell
from tests.proof.routing.verdict import Verdict


async def judge(url: str, played: Played, tell: Tell) -> list[Verdict]:
    """By the database alone, but for the ids of what was sent."""
    connection = await asyncpg.connect(url)
    try:
        found = await tables.of_tables(connection, played)
        told = await history.read(connection)
        picks = dict(await connection.fetch("SELECT queue, picks FROM router.picks"))
    finally:
        await connection.close()
    items = await _items(url)
    tell(f"{len(items):,} items, {len(told.steps):,} steps, {len(told.transactions):,} transactions to play again")
    found.append(tables.of_paths(told, items))
    found.append(tables.of_places(items, told.setup, played))
    return found + Replay(told, played).run(picks)


async def _items(url: str) -> list[WorkItem]:
    database = connect(url, "router")
    try:
        async with database.read() as session:
            await session.execute(sa.text("SET statement_timeout = 0"))
            return [work_item(row) for row in await session.execute(ITEMS)]
    finally:
        await database.close()
