"""The set-up as a whole, and what hangs on it: what a change is judged by."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.domain.words import OPEN_STATES
from services.router.store.setup import Kept
from services.router.store.tables import SETUP, SETUP_REVISION, WORK_ITEMS, in_states

Whole = dict[tuple[str, str], Kept]
"""Everything configured, of all teams, by kind and slug."""


async def whole(session: AsyncSession) -> Whole:
    """All of it, in the order of kinds and slugs."""
    rows = await session.execute(sa.select(SETUP).order_by(SETUP.c.kind, SETUP.c.slug))
    return {(row.kind, row.slug): Kept(**row._mapping) for row in rows}


async def revision(session: AsyncSession) -> int:
    """What rises with every change."""
    return int((await session.execute(sa.select(SETUP_REVISION.c.revision))).scalar_one())


async def open_items(session: AsyncSession, queues: Collection[str]) -> dict[str, int]:
    """How many items each of these queues holds; one that holds none is left out."""
    if not queues:
        return {}
    statement = (
        sa.select(WORK_ITEMS.c.queue, sa.func.count().label("n"))
        .where(in_states(OPEN_STATES), WORK_ITEMS.c.queue.in_(sorted(queues)))
        .group_by(WORK_ITEMS.c.queue)
    )
    return {row.queue: row.n for row in await session.execute(statement)}
