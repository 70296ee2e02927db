"""Who names what in a set-up: what is named cannot be taken out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from services.router.domain.eligibility import Agent
from services.router.domain.setup import RoutingPolicy, Setup


class Named(Struct, frozen=True):
    """This thing names another, there."""

    kind: str
    slug: str
    path: str
    team: str


def named_by(
    kind: str, slug: str, setup: Setup, agents: Sequence[Agent], teams: Mapping[tuple[str, str], str]
) -> list[Named]:
    """All that name this thing.

    Args:
        teams: whose each configured thing is, by kind and slug.
    """
    return list(_NAMERS.get(kind, _nobody)(slug, setup, agents, teams))


Teams = Mapping[tuple[str, str], str]


def _nobody(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterable[Named]:
    return ()


def _queue(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterator[Named]:
    for queue in setup.queues.values():
        for field in ("overflow", "on_call", "supervisor"):
            if getattr(queue, field) == slug and queue.slug != slug:
                yield Named("queues", queue.slug, f"$.{field}", queue.team)
    yield from _rules(setup, "queue", slug)
    for agent in agents:
        if slug in agent.queues:
            yield Named("agents", agent.slug, "$.queues", agent.team)


def _sla(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterator[Named]:
    for queue in setup.queues.values():
        if queue.sla == slug:
            yield Named("queues", queue.slug, "$.sla", queue.team)
    yield from _rules(setup, "sla", slug)


def _rules(setup: Setup, field: str, slug: str) -> Iterator[Named]:
    for policy in setup.policies.values():
        for index, rule in enumerate(policy.rules):
            if getattr(rule, field) == slug:
                yield Named("routing-policies", policy.slug, f"$.rules[{index}].{field}", policy.team)


def _hours(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterator[Named]:
    for queue in setup.queues.values():
        if queue.hours == slug:
            yield Named("queues", queue.slug, "$.hours", queue.team)
    for agent in agents:
        if agent.hours is not None and agent.hours.slug == slug:
            yield Named("agents", agent.slug, "$.hours", agent.team)


def _skill(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterator[Named]:
    for policy in setup.policies.values():
        yield from _requirements(policy, slug)
    for agent in agents:
        if agent.skills.get(slug):
            yield Named("agents", agent.slug, "$.skills", agent.team)


def _requirements(policy: RoutingPolicy, skill: str) -> Iterator[Named]:
    for at, rule in enumerate(policy.rules):
        for step_at, step in enumerate(rule.steps):
            for index, requirement in enumerate(step.requires):
                if requirement.skill == skill:
                    path = f"$.rules[{at}].steps[{step_at}].requires[{index}]"
                    yield Named("routing-policies", policy.slug, path, policy.team)


def _team(slug: str, setup: Setup, agents: Sequence[Agent], teams: Teams) -> Iterator[Named]:
    for (kind, name), team in teams.items():
        if team == slug and kind != "teams":
            yield Named(kind, name, "$.team", team)
    for agent in agents:
        if agent.team == slug or slug in agent.teams:
            yield Named("agents", agent.slug, "$.team" if agent.team == slug else "$.teams", agent.team)


_NAMERS = {
    "queues": _queue,
    "sla-policies": _sla,
    "business-hours": _hours,
    "skills": _skill,
    "teams": _team,
}
