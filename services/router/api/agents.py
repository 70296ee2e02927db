"""Agents over REST: who they are, whether they are there."""

from datetime import datetime
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
from services.router.handlers.desk import unknown
from services.router.store import agents as store
from services.router.store.agents import Agent

Presence = Literal["offline", "available", "finishing", "away"]
IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]
HINT = "GET /v1/agents lists them; PUT /v1/agents/{agent} makes one."


class AgentIn(BaseModel):
    """Who an agent is. Capacity is in units: one conversation that needs us uses one."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    team: Slug = "main"
    skills: list[Annotated[str, Field(min_length=1, max_length=64)]] = []
    capacity: int = Field(3, ge=1, le=100)


class AgentOut(BaseModel):
    """An agent; `availability` follows from presence and load."""

    agent: str
    name: str
    team: str
    skills: list[str]
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


def routes(database: Database) -> APIRouter:
    """The agents' routes."""
    router = APIRouter(prefix="/v1/agents", tags=["agents"])

    @router.get("")
    async def list_agents(caller: Annotated[Caller, needs("agents:read")]) -> AgentList:
        """All agents of your teams, by name."""
        async with database.read() as session:
            return AgentList(items=[_out(agent) for agent in await store.list_agents(session, caller.teams)])

    @router.get("/{agent}")
    async def get_agent(agent: str, response: Response, caller: Annotated[Caller, needs("agents:read")]) -> AgentOut:
        """One agent."""
        async with database.read() as session:
            found = await store.get_agent(session, agent, caller.teams)
        return _answer(response, found, agent)

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

        async def work(session: AsyncSession) -> Agent:
            before = await store.get_agent(session, agent, {"*"}, lock=True)
            if before is not None:
                if not caller.sees(before.team):
                    raise Problem(409, "name-taken", "This name is taken", fix="Choose another one.")
                check_if_match(if_match, before.version)
            return await store.put_agent(
                session, before, agent, name=body.name, team=body.team, skills=body.skills, capacity=body.capacity,
                now=await db.now(session),
            )  # fmt: skip

        return _answer(response, await database.write(work), agent)

    @router.put("/{agent}/presence")
    async def put_presence(
        agent: str, body: PresenceIn, response: Response, caller: Annotated[Caller, needs("presence:write")]
    ) -> AgentOut:
        """Say whether an agent is there."""

        async def work(session: AsyncSession) -> Agent | None:
            before = await store.get_agent(session, agent, caller.teams, lock=True)
            if before is None or before.presence == body.presence:
                return before
            return await store.set_presence(session, before, body.presence, await db.now(session))

        return _answer(response, await database.write(work), agent)

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
            await store.delete_agent(session, agent)

        await database.write(work)

    return router


def _answer(response: Response, agent: Agent | None, slug: str) -> AgentOut:
    if agent is None:
        raise unknown("agent", slug, HINT)
    response.headers["ETag"] = etag_of(agent.version)
    return _out(agent)


def _out(agent: Agent) -> AgentOut:
    return AgentOut(
        agent=agent.slug,
        name=agent.name,
        team=agent.team,
        skills=list(agent.skills),
        capacity=agent.capacity,
        used=agent.used,
        presence=agent.presence,  # type: ignore[arg-type]
        presence_at=agent.presence_at,
        availability=agent.availability,
        version=agent.version,
    )
