"""An agent answers an offer."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain.waiting import back, given
from services.router.handlers.desk import unknown
from services.router.handlers.events_of import assigned_event
from services.router.handlers.figures import Figures
from services.router.store import agents, items, reservations
from services.router.store.items import Change, WorkItem
from services.router.store.reservations import Reservation
from services.router.store.setup import Setups


class Offers:
    """Reservations, accepted or rejected."""

    def __init__(self, setups: Setups, figures: Figures) -> None:
        self._setups = setups
        self._figures = figures

    async def known(self, session: AsyncSession, id_: str, teams: Collection[str]) -> Reservation:
        """One offer.

        Raises:
            Problem: 404.
        """
        found = await reservations.get(session, id_)
        if found is None or (found.team not in teams and "*" not in teams):
            raise unknown("reservation", id_, "GET /v1/agents/{agent}/offers lists an agent's.")
        return found

    async def accept(self, session: AsyncSession, id_: str, teams: Collection[str], actor: str) -> WorkItem:
        """The agent has it now.

        Raises:
            Problem: 404; 409 when the offer is over.
        """
        offer, work = await self._running(session, id_, teams)
        setup = await self._setups.current(session)
        now = await db.now(session)
        held = given(work.item, offer.agent, setup, now)
        await items.write(session, [Change(held, "accepted", actor, offer.agent)], now)
        await reservations.end(session, [held.id], "accepted", "", now)
        await agents.set_values(session, offer.agent, timeouts=0)
        emit(session, [assigned_event(held, work.key, now, traceparent())])
        self._figures.assigned(session, [held], now)
        return WorkItem(held, work.key, "accepted", now)

    async def reject(
        self, session: AsyncSession, id_: str, teams: Collection[str], actor: str, reason: str
    ) -> WorkItem:
        """It goes back with its age; this agent is not asked again in this step.

        Raises:
            Problem: 404; 409 when the offer is over.
        """
        offer, work = await self._running(session, id_, teams)
        setup = await self._setups.current(session)
        now = await db.now(session)
        waiting = back(work.item, setup, now, declined=offer.agent)
        await items.load_agents(session, Counter({offer.agent: -work.item.weight}), now)
        await items.write(session, [Change(waiting, reason, actor, offer.agent)], now)
        await reservations.end(session, [waiting.id], "rejected", reason, now)
        await agents.set_values(session, offer.agent, timeouts=0)
        return WorkItem(waiting, work.key, reason, now)

    async def _running(self, session: AsyncSession, id_: str, teams: Collection[str]) -> tuple[Reservation, WorkItem]:
        """The offer and its item, locked after its agent."""
        seen = await self.known(session, id_, teams)
        await agents.lock_agents(session, {seen.agent})
        work = await items.lock_item(session, seen.item_id, {"*"})
        offer = await self.known(session, id_, teams)
        now = await db.now(session)
        state = "timed_out" if offer.state == "pending" and offer.expires_at <= now else offer.state
        if state != "pending" or work is None or work.item.state != "reserved" or work.item.agent != offer.agent:
            raise Problem(
                409,
                "offer-over",
                "This offer is over",
                f"{id_} is {state}.",
                "GET /v1/agents/{agent}/offers lists what is offered now.",
                state=state,
            )
        return offer, work
