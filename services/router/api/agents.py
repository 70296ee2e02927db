"""Agents over REST: who they are, whether they are there."""

from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import check_if_match, etag_of
from libs.common.problems import Problem
from services.router.api.queues import Slug
from services.router.api.work_items import ItemOut, item_out
from services.router.domain.order import NEVER
from services.router.domain.setup import Setup
from services.router.handlers.desk import unknown
from services.router.handlers.presence import Left, Presences
from services.router.store import agents as store
from services.router.store import items, reservations
from services.router.store.agents import Agent
from services.router.store.setup import Setups

SkillName = Annotated[str, Field(pattern=r"^[a-z0-9][a-zA-Z0-9:_.-]{0,62}$")]
Presence = Literal["offline", "available", "finishing", "away"]
IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]
HINT = "GET /v1/agents lists them; PUT /v1/agents/{agent} makes one."


class AgentIn(BaseModel):
    """Who an agent is. Capacity is in units: one conversation that needs us uses one."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    team: Slug = "main"
    skills: dict[SkillName, Annotated[int, Field(ge=1, le=5)]] | list[SkillName] = Field(
        {}, description="Skills with their levels, 1 to 5; a list of names is level 1 of each"
    )
    capacity: int = Field(3, ge=1, le=100)
    teams: list[Slug] = Field([], max_length=50, description="Further teams")
    queues: list[Slug] = Field([], max_length=200, description="Only these queues; none: all of the teams")
    hours: Slug | None = Field(None, description="Business hours of the agent's own")


class AgentOut(BaseModel):
    """An agent; `availability` follows from presence and load."""

    agent: str
    name: str
    team: str
    teams: list[str]
    skills: dict[str, int]
    queues: list[str]
    hours: str | None
    capacity: int
    used: int
    presence: Presence
    presence_at: datetime
    availability: str
    version: int


class AgentList(BaseModel):
    """All agents of the caller's teams."""

    items: list[AgentOut]


class PresenceIn(BaseModel):
    """Whether the agent is there."""

    model_config = ConfigDict(extra="forbid")

    presence: Presence
    reason: Left = Field("declared", description="A lost connection has two minutes before held items go back")


class Workload(BaseModel):
    """What an agent holds, in the order of their deadlines."""

    agent: AgentOut
    items: list[ItemOut]


class Offer(BaseModel):
    """An item this agent may take until it expires."""

    reservation: str
    item: ItemOut
    offered_at: datetime
    expires_at: datetime


class OfferList(BaseModel):
    """What is offered to an agent now, the oldest first."""

    items: list[Offer]


def routes(database: Database, setups: Setups, presences: Presences) -> APIRouter:
    """The agents' routes."""
    router = APIRouter(prefix="/v1/agents", tags=["agents"])

    @router.get("")
    async def list_agents(caller: Annotated[Caller, needs("agents:read")]) -> AgentList:
        """All agents of your teams, by name."""
        async with database.read() as session:
            setup, now = await setups.current(session), await db.now(session)
            found = await store.list_agents(session, caller.teams)
        return AgentList(items=[_out(agent, setup, now) for agent in found])

    @router.get("/{agent}")
    async def get_agent(agent: str, response: Response, caller: Annotated[Caller, needs("agents:read")]) -> AgentOut:
        """One agent."""
        async with database.read() as session:
            found = await _known(session, agent, caller)
            return await _answer(response, setups, session, found)

    @router.put("/{agent}")
    async def put_agent(
        agent: Slug,
        body: AgentIn,
        response: Response,
        caller: Annotated[Caller, needs("agents:write")],
        if_match: IfMatch = None,
    ) -> AgentOut:
        """Create (offline) or change an agent. Idempotent."""
        if not caller.sees(body.team):
            raise unknown("team", body.team, "Name a team of yours.")

        skills = body.skills if isinstance(body.skills, dict) else dict.fromkeys(body.skills, 1)
        values = {
            "name": body.name, "team": body.team, "skills": skills, "capacity": body.capacity,
            "teams": tuple(body.teams), "queues": tuple(body.queues), "hours": body.hours or "",
        }  # fmt: skip

        async def work(session: AsyncSession) -> AgentOut:
            setup = await setups.current(session)
            _check_names(body, setup)
            before = await store.get_agent(session, agent, {"*"}, lock=True)
            if before is not None:
                if not caller.sees(before.team):
                    raise Problem(409, "name-taken", "This name is taken", fix="Choose another one.")
                check_if_match(if_match, before.version)
                if all(getattr(before, name) == value for name, value in values.items()):
                    return await _answer(response, setups, session, before)
            now = await db.now(session)
            saved = await store.put_agent(session, before, agent, values, actor=caller.key_id, now=now)
            return await _answer(response, setups, session, saved)

        return await database.write(work)

    @router.put("/{agent}/presence")
    async def put_presence(
        agent: str, body: PresenceIn, response: Response, caller: Annotated[Caller, needs("presence:write")]
    ) -> AgentOut:
        """Say whether an agent is there. Who goes offline gives back what they hold, with its age."""

        async def work(session: AsyncSession) -> AgentOut:
            await presences.declare(session, agent, body.presence, body.reason, caller.teams, caller.key_id)
            return await _answer(response, setups, session, await _known(session, agent, caller))

        return await database.write(work)

    @router.get("/{agent}/workload")
    async def get_workload(agent: str, caller: Annotated[Caller, needs("agents:read")]) -> Workload:
        """What an agent holds now."""
        async with database.read() as session:
            found = await _known(session, agent, caller)
            setup, now = await setups.current(session), await db.now(session)
            held = await items.held_by(session, [found.slug], lock=False)
        in_order = sorted(held, key=lambda work: (work.item.due_at or NEVER, work.item.id))
        return Workload(agent=_out(found, setup, now), items=[item_out(work) for work in in_order])

    @router.get("/{agent}/offers")
    async def get_offers(agent: str, caller: Annotated[Caller, needs("work-items:read")]) -> OfferList:
        """What is offered to an agent now: POST /v1/reservations/{id}/accept takes it."""
        async with database.read() as session:
            found = await _known(session, agent, caller)
            offers = await reservations.of_agent(session, found.slug)
            held = {work.item.id: work for work in await items.held_by(session, [found.slug], lock=False)}
        return OfferList(
            items=[
                Offer(
                    reservation=offer.id,
                    item=item_out(held[offer.item_id]),
                    offered_at=offer.offered_at,
                    expires_at=offer.expires_at,
                )
                for offer in offers
                if offer.item_id in held
            ]
        )

    @router.delete("/{agent}", status_code=204)
    async def delete_agent(agent: str, caller: Annotated[Caller, needs("agents:write")]) -> None:
        """Take an agent out who holds nothing."""

        async def work(session: AsyncSession) -> None:
            found = await store.get_agent(session, agent, caller.teams, lock=True)
            if found is None:
                raise unknown("agent", agent, HINT)
            if found.used:
                raise Problem(
                    409, "holds-items", "This agent holds items", f"{agent} holds {found.used}.",
                    "Release or complete them first.", items=found.used,
                )  # fmt: skip
            await store.delete_agent(session, found, actor=caller.key_id, now=await db.now(session))

        await database.write(work)

    return router


async def _known(session: AsyncSession, slug: str, caller: Caller) -> Agent:
    found = await store.get_agent(session, slug, caller.teams)
    if found is None:
        raise unknown("agent", slug, HINT)
    return found


def _check_names(body: AgentIn, setup: Setup) -> None:
    """Refuse names that nothing has, with the nearest that something has."""
    for path, names, known in (
        ("queues", body.queues, setup.queues),
        ("hours", [body.hours] if body.hours else [], setup.hours),
    ):
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, 1)
                raise Problem(
                    422,
                    "unknown-name",
                    "This name is not known",
                    f"$.{path}: nothing is called {name!r}.",
                    f"Did you mean {near[0]!r}?" if near else "Set it up first.",
                    errors=[{"in": "body", "path": f"$.{path}", "detail": f"unknown: {name}"}],
                )


async def _answer(response: Response, setups: Setups, session: AsyncSession, agent: Agent) -> AgentOut:
    response.headers["ETag"] = etag_of(agent.version)
    return _out(agent, await setups.current(session), await db.now(session))


def _out(agent: Agent, setup: Setup, now: datetime) -> AgentOut:
    return AgentOut(
        agent=agent.slug,
        name=agent.name,
        team=agent.team,
        teams=list(agent.teams),
        skills=agent.skills,
        queues=list(agent.queues),
        hours=agent.hours or None,
        capacity=agent.capacity,
        used=agent.used,
        presence=agent.presence,  # type: ignore[arg-type]
        presence_at=agent.presence_at,
        availability=agent.availability(setup, now),
        version=agent.version,
    )
