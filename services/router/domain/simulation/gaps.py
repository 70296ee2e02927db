"""Why items waited for people who are not there: the skill nobody has, the hours nobody works."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from services.router.domain.eligibility import Agent, Needs, never, parse_line
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.lines import Line, needs_told


class Gap(Struct, frozen=True):
    """Items of one line that nobody could take, at least at first; `unanswered`: to the end."""

    queue: str
    needs: str  # "refunds >= 2"; "" where nothing is required
    reason: str
    items: int
    unanswered: int


def gaps_of(floor: Floor) -> tuple[Gap, ...]:
    """Lines that nobody may ever take from, and items that were never answered for another reason."""
    opened: Counter[Line] = Counter()
    never_answered: Counter[Line] = Counter()
    for record in floor.records:
        first = _line(floor, record.first_line)
        if not first.profiles:
            opened[first] += 1
        if record.answered_at is None:
            never_answered[_line(floor, record.item.line)] += 1
    return tuple(
        Gap(
            line.queue.slug,
            needs_told(line.needs),
            reason_of(line, floor.profiles) or "nobody was there in opening hours with room for it",
            opened[line] or never_answered[line],
            never_answered[line],
        )
        for line in sorted({*opened, *never_answered}, key=lambda line: line.name)
    )


def _line(floor: Floor, name: str) -> Line:
    return floor.queues[parse_line(name)[0]].line(name, floor.profiles)


def reason_of(line: Line, agents: Sequence[Agent]) -> str | None:
    """Why none of them may take from the line, whatever the hour: "nobody has refunds >= 2". None: somebody may."""
    if line.profiles:
        return None
    if not agents:
        return "there are no agents"
    teams = {line.team, line.queue.queue.team}
    here = [agent for agent in agents if any(_why(agent, line, team, ()) != "team" for team in teams)]
    if not here:
        return f"nobody is in the team {line.team}"
    here = [agent for agent in here if any(_why(agent, line, team, ()) is None for team in teams)]
    if not here:
        return f"nobody takes from {line.queue.slug}"
    missing = [
        (skill, level) for skill, level in line.needs if all(agent.skills.get(skill, 0) < level for agent in here)
    ]
    if missing:
        return f"nobody has {needs_told(tuple(missing))}"
    return f"nobody has {needs_told(line.needs)} together"


def _why(agent: Agent, line: Line, team: str, needs: Needs) -> str | None:
    return never(agent, queue=line.queue.slug, team=team, needs=needs)
