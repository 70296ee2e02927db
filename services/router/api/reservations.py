"""Offers over REST: an agent takes what was offered, or does not."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from libs.common.auth import Caller, needs
from libs.common.db import Database
from services.router.api.work_items import ItemOut, item_out
from services.router.handlers.offers import Offers
from services.router.store.reservations import Reservation


class ReservationOut(BaseModel):
    """An offer of one item to one agent: pending, accepted, rejected, timed_out, canceled or rescinded."""

    id: str
    item_id: str
    agent: str
    state: str
    offered_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    reason: str | None


class RejectIn(BaseModel):
    """Why not."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")] = "declined"


_REJECTED = RejectIn()


def routes(database: Database, offers: Offers) -> APIRouter:
    """The reservations' routes."""
    router = APIRouter(prefix="/v1/reservations", tags=["work items"])
    writes = needs("work-items:write")

    @router.get("/{reservation}")
    async def get_reservation(reservation: str, caller: Annotated[Caller, needs("work-items:read")]) -> ReservationOut:
        """One offer."""
        async with database.read() as session:
            return _out(await offers.known(session, reservation, caller.teams))

    @router.post("/{reservation}/accept")
    async def accept(reservation: str, caller: Annotated[Caller, writes]) -> ItemOut:
        """The agent takes it."""
        return item_out(
            await database.write(lambda session: offers.accept(session, reservation, caller.teams, caller.key_id))
        )

    @router.post("/{reservation}/reject")
    async def reject(reservation: str, caller: Annotated[Caller, writes], body: RejectIn = _REJECTED) -> ItemOut:
        """The agent does not; it goes back with its age, to somebody else."""
        return item_out(
            await database.write(
                lambda session: offers.reject(session, reservation, caller.teams, caller.key_id, body.reason)
            )
        )

    return router


def _out(offer: Reservation) -> ReservationOut:
    return ReservationOut(
        id=offer.id,
        item_id=offer.item_id,
        agent=offer.agent,
        state=offer.state,
        offered_at=offer.offered_at,
        expires_at=offer.expires_at,
        ended_at=offer.ended_at,
        reason=offer.reason or None,
    )
