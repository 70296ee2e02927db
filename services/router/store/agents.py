"""Agents: who they are, whether they are there, how much they hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import ask_and_read_clock
from services.router.store.items import of_teams
from services.router.store.tables import AGENTS


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who answers. `used` of `capacity` units are taken by what they hold."""

    slug: str
    name: str
    team: str
    skills: tuple[str, ...]
    capacity: int
    used: int
    presence: str
    presence_at: datetime
    version: int
    updated_at: datetime

    @property
    def availability(self) -> str:
        """What follows from presence and load."""
        return "at_capacity" if self.presence == "available" and self.used >= self.capacity else self.presence


async def list_agents(session: AsyncSession, teams: Collection[str]) -> list[Agent]:
    """All agents of these teams, by slug."""
    rows = await session.execute(sa.select(AGENTS).where(of_teams(AGENTS, teams)).order_by(AGENTS.c.slug))
    return [_agent(row) for row in rows]


async def get_agent(session: AsyncSession, slug: str, teams: Collection[str], *, lock: bool = False) -> Agent | None:
    """One agent; None for a stranger's too."""
    statement = sa.select(AGENTS).where(AGENTS.c.slug == slug, of_teams(AGENTS, teams))
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return _agent(row) if row else None


async def lock_agents(session: AsyncSession, slugs: Collection[str]) -> dict[str, Agent]:
    """Those of the agents that exist, for changing; locked in the order of their names."""
    rows = await ask_and_read_clock(session, _LOCKED, {"slugs": sorted(slugs)})
    return {row.slug: _agent(row) for row in rows}


_LOCKED = (
    sa.select(AGENTS)
    .where(AGENTS.c.slug.in_(sa.bindparam("slugs", expanding=True)))
    .order_by(AGENTS.c.slug)
    .with_for_update()
)


async def put_agent(
    session: AsyncSession,
    before: Agent | None,
    slug: str,
    *,
    name: str,
    team: str,
    skills: Sequence[str],
    capacity: int,
    now: datetime,
) -> Agent:
    """Create (offline) or change an agent; what they hold and whether they are there stays."""
    row = {
        "slug": slug,
        "name": name,
        "team": team,
        "skills": list(skills),
        "capacity": capacity,
        "used": before.used if before else 0,
        "presence": before.presence if before else "offline",
        "presence_at": before.presence_at if before else now,
        "version": before.version + 1 if before else 1,
        "updated_at": now,
    }
    if before is None:
        await session.execute(sa.insert(AGENTS).values(row))
    else:
        await session.execute(sa.update(AGENTS).where(AGENTS.c.slug == slug).values(row))
    return Agent(**row | {"skills": tuple(skills)})  # type: ignore[arg-type]


async def set_presence(session: AsyncSession, agent: Agent, presence: str, now: datetime) -> Agent:
    """Whether the (locked) agent is there."""
    values = {"presence": presence, "presence_at": now, "version": agent.version + 1, "updated_at": now}
    await session.execute(sa.update(AGENTS).where(AGENTS.c.slug == agent.slug).values(values))
    return Agent(**{name: getattr(agent, name) for name in Agent.__dataclass_fields__} | values)


async def delete_agent(session: AsyncSession, slug: str) -> None:
    """Take an agent out who holds nothing."""
    await session.execute(sa.delete(AGENTS).where(AGENTS.c.slug == slug))


def _agent(row: sa.Row[tuple[object, ...]]) -> Agent:
    fields = {name: getattr(row, name) for name in Agent.__dataclass_fields__}
    return Agent(**fields | {"skills": tuple(fields["skills"])})
