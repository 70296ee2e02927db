"""What is wrong with a set-up as a whole, and what is strange in it: names nobody has, loops, lines nobody serves."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from services.router.domain.clocks import Impossible, impossible
from services.router.domain.eligibility import Agent
from services.router.domain.finding import Finding, error, unknown_team, warning
from services.router.domain.findings_of_rules import findings_of_rules, serve
from services.router.domain.hours import ALWAYS, next_open
from services.router.domain.labels import ANY_OF, ONE_OF
from services.router.domain.reading import did_you_mean
from services.router.domain.setup import Queue, Setup
from services.router.domain.slots import zone_of
from services.router.domain.words import DEFAULT_QUEUE

__all__ = ["Finding", "findings"]

_CHAINS: Mapping[str, tuple[Callable[[Queue], str | None], str]] = {
    "overflow": (lambda queue: queue.overflow, "overflows"),
    "on_call": (lambda queue: queue.on_call, "has itself on call"),
    "supervisor": (lambda queue: queue.supervisor, "supervises itself"),
}


def findings(
    setup: Setup,
    agents: Sequence[Agent],
    now: datetime,
    *,
    about: tuple[str, str] | None = None,
    begin: tuple[str, str] | None = None,
) -> list[Finding]:
    """Everything worth saying, errors first, in the order of kinds and names.

    Args:
        agents: all of them, with the queues and teams they may name.
        now: deadlines that no one can meet are looked for from here on.
        about: only what is about this (kind, slug).
        begin: a circle that this (kind, slug) is in is told of it, else of the first of its names.
    """
    if too_many := list(_too_many(setup)):
        return too_many  # and nothing else: looking at all of it takes too long
    asked: dict[tuple[str, str], Impossible | None] = {}  # many queues share their hours and targets
    found = [
        *_of_queues(setup, agents, now, asked),
        *_loops(setup, begin or about),
        *findings_of_rules(setup, agents),
        *_of_the_rest(setup, agents),
        *_of_agents(setup, agents),
    ]
    if about is not None:
        found = [finding for finding in found if (finding.kind, finding.slug) == about]
    return sorted(found, key=lambda finding: finding.level != "error")  # stable


MOST_OF_A_KIND = 500
MOST_RULES = 500
"""Of a team, in all its policies: each is compared with those before it."""


def _too_many(setup: Setup) -> Iterator[Finding]:
    for kind, things in (
        ("queues", setup.queues), ("routing-policies", setup.policies), ("business-hours", setup.hours),
        ("sla-policies", setup.slas), ("skills", setup.skills), ("teams", setup.teams),
        ("procedures", setup.procedures),
    ):  # fmt: skip
        if len(things) > MOST_OF_A_KIND:
            detail = f"there would be {len(things)} of them"
            yield error(kind, "", "$", "too-many", detail, f"take some out: {MOST_OF_A_KIND} are allowed")
    rules: Counter[str] = Counter()
    for policy in setup.policies.values():
        rules[policy.team] += len(policy.rules)
    for team, count in rules.items():
        if count > MOST_RULES:
            detail = f"the team {team} would have {count} rules"
            yield error("routing-policies", "", "$", "too-many", detail, f"take some out: {MOST_RULES} are allowed")


# --- queues


def _of_queues(
    setup: Setup, agents: Sequence[Agent], now: datetime, asked: dict[tuple[str, str], Impossible | None]
) -> Iterator[Finding]:
    senders: dict[str, set[str]] = defaultdict(set)  # queue -> teams that send there
    targets: dict[str, set[str]] = defaultdict(set)  # queue -> policies of targets that apply there
    for policy in setup.policies.values():
        for rule in policy.rules:
            senders[rule.queue].add(policy.team)
            targets[rule.queue] |= {rule.sla} if rule.sla else set()
    for queue in setup.queues.values():
        for of, _ in _CHAINS.values():
            senders[of(queue) or ""].add(queue.team)
    for slug, queue in sorted(setup.queues.items()):
        yield from _names_of(queue, setup)
        if slug == DEFAULT_QUEUE and queue.languages:
            yield error(
                "queues", slug, "$.languages", "default-queue",
                "the default queue takes all languages: without it a post in another one would wait nowhere",
                "leave `languages` empty, or make another queue for these",
            )  # fmt: skip
        if queue.hours is None:
            yield warning(
                "queues", slug, "$.hours", "always-open", "it has no hours and so is always open",
                'name business hours; daily ["00:00-24:00"] where somebody is there day and night',
            )  # fmt: skip
        yield from _nobody(queue, senders[slug], setup, agents)
        yield from _targets_of(queue, targets[slug], setup, now, asked)


def _nobody(queue: Queue, senders: Collection[str], setup: Setup, agents: Sequence[Agent]) -> Iterator[Finding]:
    """What waits keeps its team wherever it is sent: somebody of that team has to take from there."""
    slug = queue.slug
    teams = {queue.team, *senders}
    if not any(serve(agents, slug, team) for team in teams):
        yield warning(
            "queues", slug, "$", "nobody-serves", "nobody can serve it: no agent of its team takes from it",
            f"give an agent the team {queue.team}, and this queue where they have queues of their own",
        )  # fmt: skip
        return
    for field, (of, _) in _CHAINS.items():
        to = of(queue)
        if to in setup.queues and to is not None and agents and not serve(agents, to, queue.team):
            yield warning(
                "queues", slug, f"$.{field}", "nobody-serves",
                f"nobody of the team {queue.team} takes from {to}: what comes from here would wait there for ever",
                f"give an agent who takes from {to} the team {queue.team} too (`teams`)",
            )  # fmt: skip


def _names_of(queue: Queue, setup: Setup) -> Iterator[Finding]:
    """What it names has to be there."""
    if found := unknown_team("queues", queue.slug, queue.team, setup):
        yield found
    named: Sequence[tuple[str, str | None, Collection[str], str]] = (
        ("hours", queue.hours, setup.hours, "business hours are"),
        ("sla", queue.sla, setup.slas, "SLA policy is"),
        *((field, of(queue), setup.queues, "queue is") for field, (of, _) in _CHAINS.items()),
    )
    for field, name, known, what in named:
        if name is not None and name not in known:
            fix = did_you_mean(name, known, f"set it up too, or leave `{field}` out")
            yield error("queues", queue.slug, f"$.{field}", f"unknown-{field}", f'no {what} called "{name}"', fix)


def _loops(setup: Setup, begin: tuple[str, str] | None) -> Iterator[Finding]:
    """Queues that hand on to each other in a circle; each circle once."""
    for field, (following, itself) in _CHAINS.items():
        told: set[str] = set()
        for slug in sorted(setup.queues, key=lambda name: (("queues", name) != begin, name)):
            circle = _circle(slug, following, setup)
            if not circle or told & set(circle):
                continue
            told |= set(circle)
            if len(circle) == 1:
                detail = f"it {itself}" + (" into itself" if field == "overflow" else "")
            else:
                detail = f"it goes round in a circle: {' -> '.join([*circle, slug])}"
            yield error("queues", slug, f"$.{field}", "loop", detail, f"leave `{field}` out of one of them")


def _circle(slug: str, following: Callable[[Queue], str | None], setup: Setup) -> list[str]:
    """The circle this queue is a part of, from here on; empty where it is in none."""
    way: list[str] = []
    name: str | None = slug
    while name is not None and name in setup.queues and name not in way:
        way.append(name)
        name = following(setup.queues[name])
    return way if name == slug else []


def _targets_of(
    queue: Queue,
    named: Collection[str],
    setup: Setup,
    now: datetime,
    asked: dict[tuple[str, str], Impossible | None],
) -> Iterator[Finding]:
    """Deadlines that pass before anybody is there, by the queue's own targets and by those its rules name."""
    if queue.hours is not None and queue.hours not in setup.hours:
        return  # said already
    if queue.overflow is not None:
        return  # outside hours it goes there, and is due by the hours of that queue
    hours = setup.hours_of(queue)
    if hours == ALWAYS:
        return
    for sla in sorted({queue.sla or "", *named}):
        policy = setup.sla_of(queue, sla or None)
        if (sla, hours.slug) not in asked:
            asked[sla, hours.slug] = impossible(policy, hours, now)
        missed = asked[sla, hours.slug]
        if missed is None:
            continue
        zone = zone_of(hours.zone)
        posted = f"{missed.posted_at.astimezone(zone):%Y-%m-%d %H:%M}"
        opens = next_open(hours, missed.posted_at)
        back = f"{opens.astimezone(zone):%Y-%m-%d %H:%M}" if opens else "for more than a year nobody"
        due = f"is due {missed.due_at.astimezone(zone):%Y-%m-%d %H:%M}" if missed.due_at else "is never due"
        what = {"information_request": "information", "feedback": "feedback"}.get(missed.intent, missed.urgency)
        low = missed.urgency == "low"  # whatever its target
        yield warning(
            "queues", queue.slug, "$.sla" if sla else "$.hours", "impossible-target",
            f"{f'the targets {sla}' if sla else 'the default targets'} cannot be met: what is {what} and posted "
            f"{posted} {due}{' (never over 24 h)' if low else ''}, and somebody is there again {back} ({hours.zone})",
            ("" if low or policy.basis == "business" else 'count in opening time (basis "business"), ')
            + ("" if low else "give more time, ") + "open longer, or name an overflow queue",
        )  # fmt: skip


# --- skills, teams, targets, procedures


def _of_the_rest(setup: Setup, agents: Sequence[Agent]) -> Iterator[Finding]:
    for slug, policy in sorted(setup.slas.items()):
        for name, target in policy.targets.items():
            if target is not None and not target:
                yield error(
                    "sla-policies", slug, f"$.{name}_seconds", "no-time",
                    "no time at all: it would be missed at once", "write at least a minute",
                )  # fmt: skip
            elif target is not None and name in ("information", "feedback") and target > policy.low_cap:
                yield warning(
                    "sla-policies", slug, f"$.{name}_seconds", "over-24-h",
                    "what is low never waits over 24 h, whatever its target", "write at most 86400 seconds",
                )  # fmt: skip
    for slug, skill in sorted(setup.skills.items()):
        if found := unknown_team("skills", slug, skill.team, setup):
            yield found
        if not any(agent.skills.get(slug) for agent in agents):
            yield warning(
                "skills", slug, "$", "nobody-has-it", "nobody has it yet",
                "give it to an agent with its level: PUT /v1/agents/{agent}",
            )  # fmt: skip
    for slug, procedure in sorted(setup.procedures.items()):
        if found := unknown_team("procedures", slug, procedure.team, setup):
            yield found
        for field, words, known in (
            ("topics", procedure.topics, ANY_OF["topics"]),
            ("intents", procedure.intents, ONE_OF["intent"]),
        ):
            for index, word in enumerate(words):
                if word not in known:
                    fix = did_you_mean(word, known, "it shows nowhere unless something tells it")
                    yield warning(
                        "procedures", slug, f"$.{field}[{index}]", f"unknown-{field[:-1]}",
                        f'the classifier knows no {field[:-1]} "{word}"', fix,
                    )  # fmt: skip


def _of_agents(setup: Setup, agents: Sequence[Agent]) -> Iterator[Finding]:
    for agent in sorted(agents, key=lambda agent: agent.slug):
        for team in (agent.team, *sorted(agent.teams)):
            if found := unknown_team("agents", agent.slug, team, setup):
                yield found
        for queue in sorted(agent.queues - setup.queues.keys()):
            yield error(
                "agents", agent.slug, "$.queues", "unknown-queue", f'no queue is called "{queue}"',
                did_you_mean(queue, setup.queues, "set it up too, or leave it out"),
            )  # fmt: skip
