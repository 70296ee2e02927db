"""Agents: who they are, whether they are there, how much they hold."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, ask_and_read_clock, update_at_commit, v
from services.router.domain.eligibility import Agent as Candidate
from services.router.domain.hours import is_open
from services.router.domain.setup import Setup
from services.router.store.items import of_teams
from services.router.store.setup import Setups
from services.router.store.tables import AGENT_CHANGES, AGENTS


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who answers. `used` of `capacity` units are taken by what they hold."""

    slug: str
    name: str
    team: str
    skills: dict[str, int]  # and the level of each, 1..5
    capacity: int
    used: int
    presence: str
    presence_at: datetime
    version: int
    updated_at: datetime
    teams: tuple[str, ...] = ()  # further ones
    queues: tuple[str, ...] = ()  # only these; none: all of their teams
    hours: str = ""
    idle_since: datetime | None = None
    timeouts: int = 0  # offers in a row that they did not take
    next_at: datetime | None = None  # when what they hold goes back, if they stay away

    def availability(self, setup: Setup, now: datetime) -> str:
        """What follows from presence, load and their hours."""
        if self.presence != "available":
            return self.presence
        hours = setup.hours.get(self.hours)
        if hours is not None and not is_open(hours, now):
            return "outside_hours"
        return "at_capacity" if self.used >= self.capacity else "available"

    def as_candidate(self, setup: Setup) -> Candidate:
        """As the decisions see them."""
        return Candidate(
            slug=self.slug,
            team=self.team,
            teams=frozenset(self.teams),
            skills=self.skills,
            queues=frozenset(self.queues),
            capacity=self.capacity,
            used=self.used,
            presence=self.presence,
            idle_since=self.idle_since,
            hours=setup.hours.get(self.hours),
        )


_FIELDS = tuple(Agent.__dataclass_fields__)
_AGENTS = sa.select(*[AGENTS.c[name] for name in _FIELDS])


async def list_agents(session: AsyncSession, teams: Collection[str]) -> list[Agent]:
    """All agents of these teams, by slug."""
    return [
        _agent(row) for row in await session.execute(_AGENTS.where(of_teams(AGENTS, teams)).order_by(AGENTS.c.slug))
    ]


async def get_agent(session: AsyncSession, slug: str, teams: Collection[str], *, lock: bool = False) -> Agent | None:
    """One agent; None for a stranger's too."""
    statement = _AGENTS.where(AGENTS.c.slug == slug, of_teams(AGENTS, teams))
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return _agent(row) if row else None


async def lock_agents(session: AsyncSession, slugs: Collection[str]) -> dict[str, Agent]:
    """Those of the agents that exist, for changing; locked in the order of their names."""
    rows = await ask_and_read_clock(session, _LOCKED, {"slugs": sorted(slugs)})
    return {row.slug: _agent(row[: len(_FIELDS)]) for row in rows}


_LOCKED = (
    _AGENTS.where(AGENTS.c.slug.in_(sa.bindparam("slugs", expanding=True))).order_by(AGENTS.c.slug).with_for_update()
)


async def see_agents(session: AsyncSession, slugs: Collection[str], setups: Setups) -> tuple[dict[str, Agent], Setup]:
    """Those of the agents that exist, as they are now and free for everybody, and the set-up that is in force.

    Who gives to many would, by locking them all, let everything that they do wait: `load_seen` finds what changed.
    """
    rows, setup = await setups.beside(session, _SEEN, {"slugs": sorted(slugs)})
    return {row.slug: _agent(row[: len(_FIELDS)]) for row in rows}, setup


_SEEN = _AGENTS.where(AGENTS.c.slug.in_(sa.bindparam("slugs", expanding=True)))


async def see_who_is_there(session: AsyncSession) -> dict[str, Agent]:
    """Who is available, with or without room, in the order of their names; not locked, as `see_agents`."""
    rows = await ask_and_read_clock(session, _AVAILABLE)
    return {row.slug: _agent(row[: len(_FIELDS)]) for row in rows}


_AVAILABLE = _AGENTS.where(AGENTS.c.presence == "available").order_by(AGENTS.c.slug)


def load_seen(session: AsyncSession, more: Counter[str], seen: Mapping[str, Agent]) -> None:
    """With the commit, add to what agents hold whom we saw but did not lock.

    It is `Raced` where one left, was changed, or got or gave back something since.
    """
    taken = [
        {"slug": slug, "more": n, "version": seen[slug].version, "used": seen[slug].used}
        for slug, n in sorted(more.items())
    ]
    changed = "an agent changed since we looked"
    update_at_commit(session, AGENTS, taken, key=["slug"], values=_TAKEN, where=_AS_SEEN, raced=changed)


_TAKEN = {"used": AGENTS.c.used + v("more"), "idle_since": sa.null()}
_AS_SEEN = sa.and_(
    AGENTS.c.version == v("version"), AGENTS.c.used == v("used"), AGENTS.c.used + v("more") <= AGENTS.c.capacity
)


async def to_be_relieved(session: AsyncSession, now: datetime) -> list[Agent]:
    """Who has been away for longer than their grace; locked."""
    return [_agent(row) for row in await session.execute(_GONE, {"now": now})]


_GONE = (
    _AGENTS.where(AGENTS.c.next_at <= sa.bindparam("now", type_=UtcDateTime()))
    .order_by(AGENTS.c.slug)
    .with_for_update(skip_locked=True)
)


async def put_agent(
    session: AsyncSession, before: Agent | None, slug: str, values: Mapping[str, Any], *, actor: str, now: datetime
) -> Agent:
    """Create (offline) or change an agent; what they hold and whether they are there stays."""
    if before is None:
        known = sa.select(sa.func.max(AGENT_CHANGES.c.version)).where(AGENT_CHANGES.c.agent == slug)
        version = ((await session.execute(known)).scalar() or 0) + 1  # goes on after one of the name who left
        agent = Agent(
            slug=slug, used=0, presence="offline", presence_at=now, version=version, updated_at=now, idle_since=now,
            **values,
        )  # fmt: skip
        await session.execute(sa.insert(AGENTS).values(_row(agent)))
    else:
        agent = replace(before, **values, version=before.version + 1, updated_at=now)
        await _save(session, agent)
    await _note(session, agent, "set_up", actor, now)
    return agent


async def set_presence(
    session: AsyncSession,
    agent: Agent,
    presence: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    relieve_at: datetime | None,
) -> Agent:
    """Whether the (locked) agent is there; `relieve_at`: when what they hold goes back into its queues."""
    changed = replace(
        agent, presence=presence, presence_at=now, timeouts=0, next_at=relieve_at, version=agent.version + 1,
        updated_at=now, idle_since=now if presence == "available" and not agent.used else agent.idle_since,
    )  # fmt: skip
    await _save(session, changed)
    await _note(session, changed, reason, actor, now)
    return changed


async def set_values(session: AsyncSession, slug: str, **values: Any) -> None:
    """What no version tells of: timers and counts of a (locked) agent."""
    await session.execute(sa.update(AGENTS).where(AGENTS.c.slug == slug).values(**values))


async def delete_agent(session: AsyncSession, agent: Agent, *, actor: str, now: datetime) -> None:
    """Take a (locked) agent out who holds nothing."""
    await session.execute(sa.delete(AGENTS).where(AGENTS.c.slug == agent.slug))
    await _note(session, replace(agent, version=agent.version + 1, presence="offline"), "deleted", actor, now)


async def changes_of(session: AsyncSession, slug: str) -> list[dict[str, Any]]:
    """What this agent declared, oldest first."""
    statement = sa.select(AGENT_CHANGES).where(AGENT_CHANGES.c.agent == slug).order_by(AGENT_CHANGES.c.version)
    return [dict(row._mapping) for row in await session.execute(statement)]


async def _save(session: AsyncSession, agent: Agent) -> None:
    """All but what they hold: others write that."""
    values = {name: value for name, value in _row(agent).items() if name not in ("slug", "used")}
    await session.execute(sa.update(AGENTS).where(AGENTS.c.slug == agent.slug).values(values))


async def _note(session: AsyncSession, agent: Agent, reason: str, actor: str, now: datetime) -> None:
    row = {"agent": agent.slug, "version": agent.version, "presence": agent.presence, "capacity": agent.capacity,
           "reason": reason, "actor": actor, "at": now}  # fmt: skip
    await session.execute(sa.insert(AGENT_CHANGES).values(row))


def _row(agent: Agent) -> dict[str, Any]:
    return {name: getattr(agent, name) for name in _FIELDS}


def _agent(row: Any) -> Agent:
    fields = dict(zip(_FIELDS, row, strict=True))
    skills = fields["skills"]
    return Agent(
        **fields
        | {
            "skills": skills
            if isinstance(skills, dict)
            else dict.fromkeys(skills, 1),  # before levels there was a list
            "teams": tuple(fields["teams"]),
            "queues": tuple(fields["queues"]),
        }
    )
