"""The set-up and the people of a rehearsal: what is in force, with what somebody would change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from services.router.domain.configured import KINDS, hours_of, policy_of, written
from services.router.domain.eligibility import Agent
from services.router.domain.findings import findings
from services.router.domain.hours import Hours
from services.router.domain.reading import Mistake, Unreadable, did_you_mean, read
from services.router.domain.setup import BusinessHours, Level, Name, Queue, Setup, SkillName, Slug, Targets
from services.router.domain.simulation.traffic import Worker
from services.router.domain.words import DEFAULT_QUEUE, DEFAULT_TEAM

AGENTS = "agents"

Things = Mapping[str, object]
"""Bodies by slug; None takes one out."""

_FIELDS = {
    "queues": "queues", "routing-policies": "policies", "sla-policies": "slas", "business-hours": "hours",
    "skills": "skills", "teams": "teams", "procedures": "procedures",
}  # fmt: skip


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent as a person writes one."""

    slug: Slug
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    teams: tuple[Slug, ...] = ()
    queues: tuple[Slug, ...] = ()
    skills: dict[SkillName, Level] = {}  # a list of names is level 1 of each
    capacity: Annotated[int, Meta(ge=1, le=100)] = 3
    hours: Slug | None = None


def rehearsed(
    setup: Setup, agents: Sequence[Agent], changes: Mapping[str, Things], now: datetime
) -> tuple[Setup, list[Worker]]:
    """The set-up with these things in place of those of the same name, and its agents likewise, all of them there.

    Args:
        changes: by kind as in `PATCH /v1/setup`, and `agents`.
        now: deadlines that nobody can meet are looked for from here on.

    Raises:
        Unreadable: a kind nobody knows, or all mistakes in what is written.
    """
    _check_kinds(changes)
    kept = {kind: dict(getattr(setup, field)) for kind, field in _FIELDS.items()}
    mistakes: list[Mistake] = []
    for kind, things in changes.items():
        for slug, body in things.items() if kind != AGENTS else ():
            if body is None:
                kept[kind].pop(slug, None)
            else:
                try:
                    kept[kind][slug] = _thing(kind, slug, body)
                except Unreadable as error:
                    mistakes += _placed(error, kind, slug)
    if mistakes:
        raise Unreadable(mistakes)
    kept["queues"].setdefault(DEFAULT_QUEUE, Queue(slug=DEFAULT_QUEUE))
    after = replace(setup, by_language={}, **{field: kept[kind] for kind, field in _FIELDS.items()})
    people = _people(agents, changes.get(AGENTS, {}), after)
    touched = {(kind, slug) for kind, things in changes.items() for slug in things}
    mistakes = [
        Mistake(f"$.{found.kind}.{found.slug}{found.path[1:]}", found.detail, found.fix)
        for found in findings(after, people, now)
        if found.level == "error" and (found.kind, found.slug) in touched
    ]
    if mistakes:
        raise Unreadable(mistakes)
    return after, [Worker(agent) for agent in people]


def _check_kinds(changes: Mapping[str, Things]) -> None:
    known = (*KINDS, AGENTS)
    for kind, things in changes.items():
        if kind not in known:
            fix = did_you_mean(kind, known, f"there are {', '.join(known)}")
            raise Unreadable([Mistake(f"$.{kind}", "nothing of this kind is set up", fix)])
        if not isinstance(things, Mapping):
            raise Unreadable([Mistake(f"$.{kind}", "a table is wanted, by slug", 'write {"slug": {...}}')])


def _thing(kind: str, slug: str, body: object) -> Any:
    thing = written(kind, slug, body)
    if isinstance(thing, BusinessHours):
        return hours_of(thing)
    return policy_of(thing) if isinstance(thing, Targets) else thing


def _placed(error: Unreadable, kind: str, slug: str) -> list[Mistake]:
    return [replace(mistake, path=f"$.{kind}.{slug}{mistake.path[1:]}") for mistake in error.mistakes]


def _people(agents: Sequence[Agent], section: Things, setup: Setup) -> list[Agent]:
    found = {agent.slug: replace(agent, used=0, presence="available", idle_since=None) for agent in agents}
    mistakes: list[Mistake] = []
    for slug, body in section.items():
        if body is None:
            found.pop(slug, None)
            continue
        try:
            person = read(Person, _with_levels(slug, body))
            found[slug] = _agent(person, _hours(person, setup))
        except Unreadable as error:
            mistakes += _placed(error, AGENTS, slug)
    if mistakes:
        raise Unreadable(mistakes)
    return [agent for _, agent in sorted(found.items())]


def _with_levels(slug: str, body: object) -> object:
    if not isinstance(body, Mapping):
        return body
    skills = body.get("skills")
    levels = dict.fromkeys(skills, 1) if isinstance(skills, (list, tuple)) else skills
    return {**body, "slug": slug} | ({"skills": levels} if levels is not None else {})


def _hours(person: Person, setup: Setup) -> Hours | None:
    if person.hours is None:
        return None
    if person.hours not in setup.hours:
        fix = did_you_mean(person.hours, setup.hours, "set them up too, or leave `hours` out")
        raise Unreadable([Mistake("$.hours", f'no business hours are called "{person.hours}"', fix)])
    return setup.hours[person.hours]


def _agent(person: Person, hours: Hours | None) -> Agent:
    return Agent(
        slug=person.slug,
        team=person.team,
        teams=frozenset(person.teams),
        skills=person.skills,
        queues=frozenset(person.queues),
        capacity=person.capacity,
        hours=hours,
    )
