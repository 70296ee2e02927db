"""Offers of one item to one agent for a limited time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_append
from services.router.store.tables import RESERVATIONS


@dataclass(frozen=True, slots=True)
class Reservation:
    """`state`: pending, accepted, rejected, timed_out, canceled or rescinded."""

    id: str
    item_id: str
    agent: str
    team: str
    state: str
    offered_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    reason: str = ""


async def add(session: AsyncSession, offers: Sequence[Reservation]) -> None:
    """These items are offered."""
    await bulk_append(session, (RESERVATIONS, [asdict(offer) for offer in offers]))


async def get(session: AsyncSession, id_: str) -> Reservation | None:
    """One offer; None for a stranger's name."""
    row = (await session.execute(sa.select(RESERVATIONS).where(RESERVATIONS.c.id == id_))).one_or_none()
    return Reservation(**row._mapping) if row else None


async def end(session: AsyncSession, item_ids: Sequence[str], state: str, reason: str, now: datetime) -> None:
    """The running offers of these items are over."""
    if item_ids:
        running = sa.and_(RESERVATIONS.c.item_id.in_(sorted(item_ids)), RESERVATIONS.c.state == "pending")
        values = {"state": state, "ended_at": now, "reason": reason}
        await session.execute(sa.update(RESERVATIONS).where(running).values(**values))


async def of_agent(session: AsyncSession, agent: str) -> list[Reservation]:
    """What is offered to this agent now, the oldest first."""
    statement = sa.select(RESERVATIONS).where(RESERVATIONS.c.agent == agent, RESERVATIONS.c.state == "pending")
    rows = await session.execute(statement.order_by(RESERVATIONS.c.offered_at, RESERVATIONS.c.id))
    return [Reservation(**row._mapping) for row in rows]
