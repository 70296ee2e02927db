"""Who may get an item, and why another may not."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from services.router.domain.hours import Hours, is_open
from services.router.domain.setup import Requirement, Step

Needs = tuple[tuple[str, int], ...]
"""Skills and the level of each, by name: what an item requires at this moment."""


class Agent(Struct, frozen=True):
    """A person who answers, as the decisions see them."""

    slug: str
    team: str = "main"
    teams: frozenset[str] = frozenset()  # further ones
    skills: Mapping[str, int] = {}
    queues: frozenset[str] = frozenset()  # only these; none: all of their teams
    capacity: int = 3
    used: int = 0
    presence: str = "available"
    idle_since: datetime | None = None  # since when they hold nothing
    hours: Hours | None = None  # their own; none: whenever they say they are there

    @property
    def room(self) -> int:
        """Free units."""
        return self.capacity - self.used


def why_not(
    agent: Agent,
    *,
    queue: str,
    team: str,
    needs: Needs,
    weight: int,
    now: datetime,
    declined_by: Collection[str] = (),
) -> str | None:
    """Why this agent cannot get such an item now, or None.

    Returns:
        The first that holds of `offline`, `away`, `finishing`, `outside_hours`, `team`, `queue`, `skill:<name>`,
        `capacity`, `declined`.
    """
    if agent.presence != "available":
        return agent.presence
    if agent.hours is not None and not is_open(agent.hours, now):
        return "outside_hours"
    if (reason := never(agent, queue=queue, team=team, needs=needs)) is not None:
        return reason
    if agent.room < weight:
        return "capacity"
    return "declined" if agent.slug in declined_by else None


def never(agent: Agent, *, queue: str, team: str, needs: Needs) -> str | None:
    """The part of `why_not` that neither time nor load changes: `team`, `queue`, `skill:<name>`, or None."""
    if agent.team != team and team not in agent.teams:
        return "team"
    if agent.queues and queue not in agent.queues:
        return "queue"
    for skill, level in needs:
        if agent.skills.get(skill, 0) < level:
            return f"skill:{skill}"
    return None


def needs_of(step: Step, age_seconds: float, *, language: str, network: str) -> Needs:
    """What the step requires of an item this old, by skill; an additional one only until it is dropped.

    A language's main part is enough: `lang:{language}` of "fr-CA" is `lang:fr`.
    """
    wanted: dict[str, int] = {}
    for requirement in step.requires:
        if _dropped(requirement, age_seconds):
            continue
        skill = requirement.skill.replace("{language}", language.partition("-")[0]).replace("{network}", network)
        wanted[skill] = max(wanted.get(skill, 0), requirement.level)
    return tuple(sorted(wanted.items()))


def _dropped(requirement: Requirement, age_seconds: float) -> bool:
    return requirement.drop_after_seconds is not None and age_seconds >= requirement.drop_after_seconds


def surplus(agent: Agent, needs: Needs) -> int:
    """By how much an agent is over-qualified: levels beyond what is asked, all levels of skills not asked included."""
    asked = dict(needs)
    return sum(level - asked.get(skill, 0) for skill, level in agent.skills.items())


def choose(agents: Collection[Agent], needs: Needs) -> Agent | None:
    """Of those eligible the one who should get it, or None where there is nobody.

    The least over-qualified first (experts stay free), then the least loaded, the longest idle, the lower slug.
    """
    return min(
        agents,
        key=lambda agent: (
            surplus(agent, needs),
            agent.used / agent.capacity,
            agent.idle_since.timestamp() if agent.idle_since else float("inf"),
            agent.slug,
        ),
        default=None,
    )


@lru_cache(maxsize=4096)
def line_of(queue: str, team: str, needs: Needs, weight: int = 1) -> str:
    """The name of the waiting line of all items of a queue that ask the same: "support-fr main x2 lang:fr=3".

    `x2`: they take two units of capacity; one is not said.
    """
    units = () if weight == 1 else (f"x{weight}",)
    return " ".join((queue, team, *units, *(f"{skill}={level}" for skill, level in needs)))


def parse_line(line: str) -> tuple[str, str, Needs]:
    """What `line_of` put together, but for the weight: queue, team, needs."""
    queue, team, *asked = line.split(" ")
    needs = (each.rpartition("=") for each in asked if "=" in each)
    return queue, team, tuple((skill, int(level)) for skill, _, level in needs)


def weight_of(line: str) -> int:
    """How many units of capacity each item of the line takes."""
    _, _, *asked = line.split(" ")
    return next((int(each[1:]) for each in asked if "=" not in each), 1)
