"""Public pages: what a brand says of a handle's wait, and to whom."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.store.wait_tables import PUBLIC_PAGES


@dataclass(frozen=True, slots=True)
class Page:
    """The public page of a handle."""

    handle: str
    team: str
    network: str
    queue: str  # "": where its team's routing sends a plain question
    zone: str  # "": that of the queue's hours
    languages: tuple[str, ...]
    other_ways: tuple[str, ...]
    published: str  # auto, on, off
    version: int
    updated_at: datetime


_FIELDS = tuple(Page.__dataclass_fields__)


async def get_page(session: AsyncSession, handle: str, *, lock: bool = False) -> Page | None:
    """One page, whosever it is."""
    statement = sa.select(PUBLIC_PAGES).where(PUBLIC_PAGES.c.handle == handle)
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return _page(row) if row else None


async def put_page(session: AsyncSession, before: Page | None, page: Page) -> None:
    """Create or change a page."""
    row: dict[str, Any] = {name: getattr(page, name) for name in _FIELDS}
    if before is None:
        await session.execute(sa.insert(PUBLIC_PAGES).values(row))
    else:
        await session.execute(sa.update(PUBLIC_PAGES).where(PUBLIC_PAGES.c.handle == page.handle).values(row))


def _page(row: Any) -> Page:
    fields = {name: getattr(row, name) for name in _FIELDS}
    return Page(**fields | {name: tuple(fields[name]) for name in ("languages", "other_ways")})
