"""Routing policies: which queue an item waits in, for whom at first, and for whom when time passes."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from services.router.domain.eligibility import Needs, needs_of
from services.router.domain.hours import is_open
from services.router.domain.setup import Queue, RoutingPolicy, Rule, Setup, Step, When
from services.router.domain.words import DEFAULT_QUEUE, DEFAULT_TEAM

ANYBODY = Step()
"""After the last step: any agent of the queue."""


class Subject(Struct, frozen=True, gc=False):
    """What a policy may look at."""

    team: str
    language: str  # BCP 47, "und" where nobody could tell
    network: str
    handle: str
    intent: str
    urgency: str
    topics: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    private: bool = False
    followers: int | None = None


class Plan(Struct, frozen=True):
    """Where an item goes, and what decided it."""

    queue: Queue
    policy: str = ""  # none: the queue of its language, or the default one
    policy_version: int = 0
    rule: str = ""
    steps: tuple[Step, ...] = ()
    weight: int = 1
    sla: str | None = None


def matches(when: When, subject: Subject) -> bool:
    """Whether all that is written holds. A language's main part is enough ("fr" takes "fr-CA")."""
    return (
        (not when.languages or _speaks(when.languages, subject.language))
        and (not when.networks or subject.network in when.networks)
        and (not when.handles or subject.handle in when.handles)
        and (not when.intents or subject.intent in when.intents)
        and (not when.urgencies or subject.urgency in when.urgencies)
        and (not when.topics or not set(when.topics).isdisjoint(subject.topics))
        and (not when.reasons or not set(when.reasons).isdisjoint(subject.reasons))
        and (not when.flags or not set(when.flags).isdisjoint(subject.flags))
        and (when.private is None or when.private == subject.private)
        and (when.min_followers is None or (subject.followers or 0) >= when.min_followers)
    )


def plan_for(subject: Subject, setup: Setup) -> Plan:
    """The first rule that takes it, of its team's policies by slug; else the queue of its language, else the default.

    A rule whose queue is gone is passed over.
    """
    for policy in _policies_of(subject.team, setup):
        for rule in policy.rules:
            if rule.queue in setup.queues and matches(rule.when, subject):
                return _planned(policy, rule, setup)
    return Plan(queue_for(subject.language, subject.team, setup))


def planned_again(policy: str, rule: str, queue: str, setup: Setup) -> Plan:
    """The plan an item got, as the set-up says it now; a rule that is gone leaves it in its queue for anybody."""
    known = setup.policies.get(policy)
    for found in known.rules if known else ():
        if found.name == rule and found.queue == queue:
            return _planned(known, found, setup)  # type: ignore[arg-type]
    return Plan(setup.queues.get(queue) or setup.queues[DEFAULT_QUEUE])


def _planned(policy: RoutingPolicy, rule: Rule, setup: Setup) -> Plan:
    queue = setup.queues[rule.queue]
    return Plan(queue, policy.slug, policy.version, rule.name, rule.steps, rule.weight, rule.sla)


def _policies_of(team: str, setup: Setup) -> list[RoutingPolicy]:
    found = setup.by_team.get(team)
    if found is None:
        in_order = [policy for _, policy in sorted(setup.policies.items())]
        own = [policy for policy in in_order if policy.team == team]
        found = setup.by_team[team] = own or [policy for policy in in_order if policy.team == DEFAULT_TEAM]
    return found


def queue_for(language: str, team: str, setup: Setup) -> Queue:
    """The queue that names the language or its main part: the team's own first, then by slug.

    Where none does: a queue of the team's own that takes all languages and that nothing else sends to, else the
    default one.
    """
    found = setup.by_language.get((team, language))
    if found is None:
        found = setup.by_language[team, language] = _queue_for(language, team, setup)
    return found


def _queue_for(language: str, team: str, setup: Setup) -> Queue:
    queues = setup.queues.values()
    named = [queue for queue in queues if queue.languages and _speaks(queue.languages, language)]
    targets = {rule.queue for policy in setup.policies.values() for rule in policy.rules}
    for queue in queues:
        targets |= {slug for slug in (queue.overflow, queue.on_call, queue.supervisor) if slug}
    own = [queue for queue in queues if queue.team == team and not queue.languages and queue.slug not in targets]
    if team == DEFAULT_TEAM or not own:
        own = [setup.queues[DEFAULT_QUEUE]]
    return min(named or own, key=lambda queue: (queue.team != team, queue.slug))


def _speaks(languages: Collection[str], language: str) -> bool:
    return language in languages or language.partition("-")[0] in languages


def step_now(steps: Sequence[Step], age: timedelta, target: timedelta | None) -> tuple[int, Step]:
    """The step an item of this routing age is in; after the last one anybody of the queue.

    A step's span counts from where the one before ended; its share is of the time to the first response.
    """
    ends = timedelta(0)
    for number, step in enumerate(steps):
        until = _until(step, ends, target)
        if until is None or age < until:
            return number, step
        ends = max(ends, until)
    return len(steps), ANYBODY


def _until(step: Step, begins: timedelta, target: timedelta | None) -> timedelta | None:
    ends = []
    if step.expires_after_seconds is not None:
        ends.append(begins + timedelta(seconds=step.expires_after_seconds))
    if step.expires_at_share is not None and target is not None:
        ends.append(target * step.expires_at_share)
    return min(ends, default=None)


def next_change(steps: Sequence[Step], age: timedelta, target: timedelta | None) -> timedelta | None:
    """The routing age at which what an item requires changes next: a step ends or a skill is dropped. None: never."""
    ends = timedelta(0)
    for step in steps:
        until = _until(step, ends, target)
        drops = [timedelta(seconds=r.drop_after_seconds) for r in step.requires if r.drop_after_seconds is not None]
        ahead = [drop for drop in drops if drop > age and drop >= ends and (until is None or drop < until)]
        if until is None or age < until:
            return min([*ahead, *([until] if until is not None else [])], default=None)
        ends = max(ends, until)
    return None


def needs_now(
    plan: Plan, age: timedelta, target: timedelta | None, *, language: str, network: str
) -> tuple[int, Needs]:
    """The number of the step an item is in, and the skills it requires there."""
    if not plan.steps:
        return 0, ()
    number, step = step_now(plan.steps, age, target)
    return number, needs_of(step, age.total_seconds(), language=language, network=network)


def queue_at(queue: Queue, urgency: str, setup: Setup, now: datetime) -> Queue:
    """Where an item waits at this hour: what is critical goes on call, other things overflow, or it waits with age.

    Follows one hop: an overflow queue that is closed too keeps what it gets.
    """
    if not queue.hours or is_open(setup.hours_of(queue), now):
        return queue
    elsewhere = queue.on_call if urgency == "critical" and queue.on_call else queue.overflow
    return setup.queues.get(elsewhere, queue) if elsewhere else queue
