"""What is wrong with routing rules: names nobody has, rules that never get anything, steps that never come."""

from collections.abc import Collection, Iterator, Sequence

from services.router.domain.eligibility import Agent, never
from services.router.domain.finding import Finding, error, unknown_team, warning
from services.router.domain.labels import ANY_OF, ONE_OF
from services.router.domain.reading import did_you_mean
from services.router.domain.setup import Queue, Requirement, Rule, Setup, Step, When
from services.router.domain.words import RANK, URGENCIES

KIND = "routing-policies"

LEAST_URGENT = {
    "complaint": "high",
    "assistance_request": "normal",
    "information_request": "low",
    "feedback": "low",
    "praise_thanks": "none",
    "chatter": "none",
    "spam_abuse": "none",
}
"""What an intent is at least; reasons only raise it."""
CRITICAL_REASONS = frozenset(("safety", "fraud", "legal", "press", "viral_risk"))
PRESSING_REASONS = frozenset(("deadline", "repeat_contact", "channel_escalation", "wait_loop"))
"""Either makes a message critical, or at least high."""

_WORDS = {"intents": ONE_OF["intent"], "reasons": ANY_OF["reasons"], "flags": ANY_OF["flags"]}


def findings_of_rules(setup: Setup, agents: Sequence[Agent]) -> Iterator[Finding]:
    """Of all policies, by slug and rule."""
    before: dict[str, list[tuple[str, Rule]]] = {}
    for slug, policy in sorted(setup.policies.items()):
        if found := unknown_team(KIND, slug, policy.team, setup):
            yield found
        names: set[str] = set()
        earlier = before.setdefault(policy.team, [])
        for index, rule in enumerate(policy.rules):
            path = f"$.rules[{index}]"
            if rule.name in names:
                detail = f'two rules are called "{rule.name}"'
                yield error(KIND, slug, f"{path}.name", "two-of-a-name", detail, "give each a name of its own")
            names.add(rule.name)
            yield from _names_of(slug, path, rule, setup)
            yield from _never(slug, path, rule, earlier)
            yield from _steps(slug, path, rule)
            if (queue := setup.queues.get(rule.queue)) is not None:
                earlier.append((slug, rule))  # one whose queue is gone is passed over
                yield from _languages(slug, path, rule, queue)
                yield from _people(slug, path, rule, queue, policy.team, setup, agents)


def _names_of(slug: str, path: str, rule: Rule, setup: Setup) -> Iterator[Finding]:
    if rule.queue not in setup.queues:
        fix = did_you_mean(rule.queue, setup.queues, "set it up too, or name another one")
        yield error(KIND, slug, f"{path}.queue", "unknown-queue", f'no queue is called "{rule.queue}"', fix)
    if rule.sla is not None and rule.sla not in setup.slas:
        fix = did_you_mean(rule.sla, setup.slas, "set it up too, or leave `sla` out")
        yield error(KIND, slug, f"{path}.sla", "unknown-sla", f'no SLA policy is called "{rule.sla}"', fix)
    for field, known in _WORDS.items():
        for index, word in enumerate(getattr(rule.when, field)):
            if word not in known:
                detail = f'there is no {field[:-1]} "{word}"'
                fix = did_you_mean(word, known, f"there are {', '.join(known)}")
                yield error(KIND, slug, f"{path}.when.{field}[{index}]", f"unknown-{field[:-1]}", detail, fix)
    for index, topic in enumerate(rule.when.topics):
        if topic not in ANY_OF["topics"]:  # a brand may train topics of its own
            detail = f'the classifier that ships knows no topic "{topic}"'
            fix = did_you_mean(topic, ANY_OF["topics"], "leave it where your own model tells it")
            yield warning(KIND, slug, f"{path}.when.topics[{index}]", "unknown-topic", detail, fix)


# --- rules that never get anything


def _never(slug: str, path: str, rule: Rule, earlier: Sequence[tuple[str, Rule]]) -> Iterator[Finding]:
    if why := contradiction(rule.when):
        yield error(
            KIND, slug, f"{path}.when", "never-matches", f'"{rule.name}" never gets anything: {why}', "widen it"
        )
        return
    for policy, other in earlier:
        if covers(other.when, rule.when):
            same = policy == slug
            where = f'"{other.name}"' if same else f'"{other.name}" of the policy {policy}'
            detail = f'"{rule.name}" never gets anything: {where} comes before it and takes all it is for'
            say = error if same else warning  # two policies come one after the other, whichever is there first
            yield say(
                KIND, slug, f"{path}.when", "shadowed", detail, f'put it before "{other.name}", or narrow that one'
            )
            return


def contradiction(when: When) -> str | None:
    """Why no message can ever be all of this; None where that is not certain."""
    possible = set(when.urgencies or URGENCIES)
    for intent in when.intents:
        if intent not in LEAST_URGENT:
            return None  # said already
    if when.intents:
        least = max(RANK[LEAST_URGENT[intent]] for intent in when.intents)
        if not any(RANK[urgency] <= least for urgency in possible):
            return f"{' and '.join(when.intents)} is at least {URGENCIES[least]}, and it is only for {_list(possible)}"
    reasons = set(when.reasons)
    if reasons and reasons <= CRITICAL_REASONS and "critical" not in possible:
        return f"{' and '.join(when.reasons)} makes a message critical, and it is only for {_list(possible)}"
    if reasons and reasons <= CRITICAL_REASONS | PRESSING_REASONS and possible.isdisjoint(("critical", "high")):
        return f"{' and '.join(when.reasons)} makes a message at least high, and it is only for {_list(possible)}"
    return None


def _list(urgencies: Collection[str]) -> str:
    return " and ".join(urgency for urgency in URGENCIES if urgency in urgencies)


def covers(wide: When, narrow: When) -> bool:
    """Whether `wide` takes every message that `narrow` takes."""
    return (
        _all_languages(wide.languages, narrow.languages)
        and _within(narrow.networks, wide.networks)
        and _within(narrow.handles, wide.handles)
        and _within(narrow.intents, wide.intents, ONE_OF["intent"])
        and _within(narrow.urgencies, wide.urgencies, URGENCIES)
        and _within(narrow.topics, wide.topics)
        and _within(narrow.reasons, wide.reasons)
        and _within(narrow.flags, wide.flags)
        and wide.private in (None, narrow.private)
        and (wide.min_followers or 0) <= (narrow.min_followers or 0)
    )


def _within(narrow: Collection[str], wide: Collection[str], everything: Collection[str] = ()) -> bool:
    """Nothing written is everything."""
    if not wide or (everything and set(everything) <= set(wide)):
        return True
    return bool(narrow) and set(narrow) <= set(wide)


def _all_languages(wide: Collection[str], narrow: Collection[str]) -> bool:
    """A language's main part takes all of it: "fr" takes "fr-CA"."""
    return not wide or (bool(narrow) and all(one in wide or one.partition("-")[0] in wide for one in narrow))


# --- steps


def _steps(slug: str, path: str, rule: Rule) -> Iterator[Finding]:
    ends_at: tuple[int, float] | None = None  # the latest certain end, as a share of the target
    for index, step in enumerate(rule.steps):
        here = f"{path}.steps[{index}]"
        share = step.expires_at_share
        if share is not None and ends_at is not None and share <= ends_at[1]:
            detail = f"it never comes: step {ends_at[0] + 1} ends at {ends_at[1]:g} of the target, this at {share:g}"
            fix = "let each step end later than the one before"
            yield error(KIND, slug, f"{here}.expires_at_share", "step-never-comes", detail, fix)
        if share is not None and step.expires_after_seconds is None:
            ends_at = (index, max(share, ends_at[1] if ends_at else 0.0))
        if _lasts(step) and index < len(rule.steps) - 1:
            detail = "it never ends, so the steps after it never come"
            yield warning(
                KIND, slug, here, "step-never-ends", detail, "write `expires_after_seconds` or `expires_at_share`"
            )


def _lasts(step: Step) -> bool:
    return step.expires_after_seconds is None and step.expires_at_share is None


# --- who could serve it


def _languages(slug: str, path: str, rule: Rule, queue: Queue) -> Iterator[Finding]:
    for index, language in enumerate(rule.when.languages):
        if queue.languages and not _all_languages(queue.languages, (language,)):
            detail = f'it sends "{language}" to {queue.slug}, which is for {" and ".join(queue.languages)}'
            fix = f"name another queue, or add the language to {queue.slug}"
            yield warning(KIND, slug, f"{path}.when.languages[{index}]", "other-language", detail, fix)


def serve(agents: Sequence[Agent], queue: str, team: str) -> list[Agent]:
    """Those who may take what a team has in a queue, whatever it requires."""
    return [agent for agent in agents if never(agent, queue=queue, team=team, needs=()) is None]


def _people(
    slug: str, path: str, rule: Rule, queue: Queue, team: str, setup: Setup, agents: Sequence[Agent]
) -> Iterator[Finding]:
    """Skills that nobody who serves the queue has at that level; the items wait until the step ends."""
    serving = serve(agents, queue.slug, team)
    if not serving:
        if agents:
            detail = f"nobody of the team {team} takes from {queue.slug}: what it sends would wait there for ever"
            fix = f"give an agent who takes from {queue.slug} the team {team} too (`teams`)"
            yield warning(KIND, slug, f"{path}.queue", "nobody-serves", detail, fix)
        return
    for at, step in enumerate(rule.steps):
        for index, requirement in enumerate(step.requires):
            here = f"{path}.steps[{at}].requires[{index}]"
            for skill in _meant(requirement, rule, queue):
                levels = [agent.skills.get(skill, 0) for agent in serving]
                if max(levels, default=0) >= requirement.level:
                    continue
                best = max(levels, default=0)
                detail = f"nobody who serves {queue.slug} has {skill} at level {requirement.level} or above" + (
                    f" (the best has {best})" if best else ""
                )
                known = {name for agent in agents for name in agent.skills} | set(setup.skills)
                fix = "give it to an agent, or lower the level"
                if skill not in known:
                    fix = did_you_mean(skill, known, fix)
                yield warning(KIND, slug, here, "nobody-has-it", detail, fix)


def _meant(requirement: Requirement, rule: Rule, queue: Queue) -> list[str]:
    """The skills it stands for, as far as the rule and its queue say."""
    names = [requirement.skill]
    for template, values in (
        ("{language}", [one.partition("-")[0] for one in rule.when.languages or queue.languages]),
        ("{network}", list(rule.when.networks)),
    ):
        if template in requirement.skill:
            names = [name.replace(template, value) for name in names for value in dict.fromkeys(values)]
    return names
