"""What is wrong with a set-up as a whole, and what is only strange."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.router.domain.clocks import SlaPolicy
from services.router.domain.eligibility import Agent
from services.router.domain.findings import Finding, findings
from services.router.domain.findings_of_rules import contradiction, covers
from services.router.domain.hours import hours_from
from services.router.domain.naming import named_by
from services.router.domain.setup import (
    Procedure,
    Queue,
    Requirement,
    RoutingPolicy,
    Rule,
    Setup,
    Skill,
    Step,
    Team,
    When,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
OFFICE = hours_from("office", "Europe/Paris", {"mon-fri": ["09:00-18:00"]})
ALL_DAY = hours_from("always", "UTC", {"daily": ["00:00-24:00"]})
ANA = Agent("ana", skills={"lang:fr": 5})


def setup(*queues: Queue, rules: tuple[Rule, ...] = (), **more: Any) -> Setup:
    """These queues beside the default one, all day, and one policy with these rules."""
    ours = (Queue(slug="default", hours="always"), *queues)
    policies = {"p": RoutingPolicy(slug="p", rules=rules)} if rules else {}
    given: dict[str, Any] = {"policies": policies, "hours": {"office": OFFICE, "always": ALL_DAY}} | more
    return Setup(queues={queue.slug: queue for queue in ours}, **given)


def found(known: Setup, agents: tuple[Agent, ...] = (ANA,)) -> list[Finding]:
    return findings(known, agents, NOW)


def one(known: Setup, agents: tuple[Agent, ...] = (ANA,)) -> Finding:
    [finding] = found(known, agents)
    return finding


def rule(name: str = "r", **more: Any) -> Rule:
    return Rule(name=name, **{"queue": "default"} | more)


def test_a_plain_set_up_has_nothing_strange() -> None:
    assert found(setup(Queue(slug="fr", languages=("fr",), hours="always"))) == []


@pytest.mark.parametrize(
    ("queue", "path", "fix"),
    [
        (Queue(slug="a", hours="ofice"), "$.hours", 'did you mean "office"?'),
        (Queue(slug="a", hours="always", sla="fast"), "$.sla", "set it up too, or leave `sla` out"),
        (Queue(slug="a", hours="always", overflow="defalt"), "$.overflow", 'did you mean "default"?'),
        (Queue(slug="a", hours="always", on_call="x"), "$.on_call", "set it up too, or leave `on_call` out"),
        (Queue(slug="a", hours="always", supervisor="x"), "$.supervisor", "set it up too, or leave `supervisor` out"),
        (Queue(slug="a", hours="always", team="nrd"), "$.team", 'did you mean "nord"?'),
    ],
)
def test_a_queue_names_only_what_is_there(queue: Queue, path: str, fix: str) -> None:
    errors = [each for each in found(setup(queue, teams={"nord": Team(slug="nord")})) if each.level == "error"]

    assert [(each.path, each.fix) for each in errors] == [(path, fix)]


def test_a_circle_is_told_once_and_in_order() -> None:
    a, b, c = (Queue(slug=slug, hours="always", overflow=to) for slug, to in (("a", "b"), ("b", "c"), ("c", "a")))
    known = setup(a, b, c, Queue(slug="d", hours="always", overflow="a"))  # leads into it, and is no part

    finding = one(known)

    assert (finding.slug, finding.code, finding.path) == ("a", "loop", "$.overflow")
    assert finding.detail.endswith("a -> b -> c -> a")
    [from_c] = findings(known, (ANA,), NOW, about=("queues", "c"))
    assert from_c.detail.endswith("c -> a -> b -> c")
    assert findings(known, (ANA,), NOW, about=("queues", "d")) == []


@pytest.mark.parametrize("field", ["overflow", "on_call", "supervisor"])
def test_a_queue_does_not_hand_on_to_itself(field: str) -> None:
    known = replace(Queue(slug="a", hours="always"), **{field: "a"})

    assert one(setup(known)).path == f"$.{field}"


def test_the_default_queue_takes_all_languages() -> None:
    assert one(setup(Queue(slug="default", hours="always", languages=("nl",)))).code == "default-queue"


def test_a_queue_without_hours_is_always_open() -> None:
    assert one(setup(Queue(slug="a"))).code == "always-open"


def test_a_set_up_has_an_end() -> None:
    queues = [Queue(slug=f"q{number}", hours="always") for number in range(500)]
    rules = tuple(rule(f"r{number}", when=When(handles=(f"h{number}",))) for number in range(501))

    assert [(each.kind, each.code) for each in found(setup(*queues, rules=rules))] == [
        ("queues", "too-many"),
        ("routing-policies", "too-many"),
    ]
    assert found(setup(*queues[1:], rules=rules[1:])) == []


# --- rules


def test_a_rule_names_only_what_is_there() -> None:
    when = When(intents=("complain",), reasons=("fraude",), flags=("is_questoin",), topics=("outages",))
    known = setup(rules=(rule(queue="defalt", sla="x", when=when),))

    paths = {each.path: (each.level, each.fix) for each in found(known)}

    assert paths == {
        "$.rules[0].queue": ("error", 'did you mean "default"?'),
        "$.rules[0].sla": ("error", "set it up too, or leave `sla` out"),
        "$.rules[0].when.intents[0]": ("error", 'did you mean "complaint"?'),
        "$.rules[0].when.reasons[0]": ("error", 'did you mean "fraud"?'),
        "$.rules[0].when.flags[0]": ("error", 'did you mean "is_question"?'),
        "$.rules[0].when.topics[0]": ("warning", 'did you mean "outage"?'),
    }


def test_two_rules_have_two_names() -> None:
    known = setup(rules=(rule(when=When(private=True)), rule(when=When(private=False))))

    assert (one(known).code, one(known).path) == ("two-of-a-name", "$.rules[1].name")


def test_a_rule_behind_one_that_takes_everything_never_gets_anything() -> None:
    known = setup(rules=(rule("all"), rule("vip", when=When(min_followers=1000))))

    finding = one(known)

    assert (finding.level, finding.code, finding.path) == ("error", "shadowed", "$.rules[1].when")
    assert '"all" comes before it' in finding.detail


def test_a_rule_behind_another_policy_is_only_strange() -> None:
    policies = {slug: RoutingPolicy(slug=slug, rules=(rule(slug),)) for slug in ("a", "b")}

    finding = one(setup(policies=policies))

    assert (finding.level, finding.slug, finding.code) == ("warning", "b", "shadowed")
    assert "of the policy a" in finding.detail


def test_a_rule_whose_queue_is_gone_takes_nothing_from_others() -> None:
    known = setup(rules=(rule("all", queue="gone"), rule("rest")))

    assert [each.code for each in found(known)] == ["unknown-queue"]


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (When(), When(languages=("fr",), private=True), True),
        (When(languages=("fr",)), When(), False),
        (When(languages=("fr",)), When(languages=("fr-CA", "fr")), True),
        (When(languages=("fr-CA",)), When(languages=("fr",)), False),
        (When(languages=("fr", "en")), When(languages=("en",), networks=("x",)), True),
        (When(networks=("x",)), When(languages=("fr",)), False),
        (When(intents=("complaint", "feedback")), When(intents=("feedback",)), True),
        (When(urgencies=("critical", "high", "normal", "low", "none")), When(), True),
        (When(topics=("billing",)), When(topics=("billing", "outage")), False),
        (When(topics=("billing", "outage")), When(topics=("billing",)), True),
        (When(private=True), When(private=False), False),
        (When(private=True), When(private=True, handles=("a",)), True),
        (When(min_followers=0), When(), True),
        (When(min_followers=10), When(min_followers=10), True),
        (When(min_followers=10), When(min_followers=9), False),
    ],
)
def test_one_rule_takes_all_that_another_is_for(wide: When, narrow: When, covered: bool) -> None:
    assert covers(wide, narrow) is covered


@pytest.mark.parametrize(
    ("when", "never"),
    [
        (When(intents=("complaint",), urgencies=("low", "normal")), True),
        (When(intents=("complaint", "feedback"), urgencies=("low",)), False),
        (When(intents=("feedback",), urgencies=("critical",)), False),  # anything may become it
        (When(reasons=("safety", "press"), urgencies=("high",)), True),
        (When(reasons=("safety", "manual"), urgencies=("high",)), False),
        (When(reasons=("deadline",), urgencies=("low",)), True),
        (When(reasons=("deadline",), urgencies=("high",)), False),
        (When(urgencies=("none",)), False),
    ],
)
def test_some_conditions_never_hold_together(when: When, never: bool) -> None:
    assert (contradiction(when) is not None) is never
    assert ([each.code for each in found(setup(rules=(rule(when=when),)))] == ["never-matches"]) is never


def test_steps_end_one_after_the_other() -> None:
    steps = (Step(expires_at_share=0.5), Step(expires_at_share=0.5), Step(expires_at_share=0.6))

    finding = one(setup(rules=(rule(steps=steps),)))

    assert (finding.level, finding.code) == ("error", "step-never-comes")
    assert finding.path == "$.rules[0].steps[1].expires_at_share"


def test_a_step_that_may_end_sooner_leaves_room_for_the_next() -> None:
    steps = (Step(expires_at_share=0.5, expires_after_seconds=60), Step(expires_at_share=0.4))

    assert found(setup(rules=(rule(steps=steps),))) == []


def test_nothing_comes_after_a_step_without_an_end() -> None:
    finding = one(setup(rules=(rule(steps=(Step(), Step(expires_after_seconds=60))),)))

    assert (finding.level, finding.code, finding.path) == ("warning", "step-never-ends", "$.rules[0].steps[0]")


# --- people


def needing(skill: str, level: int = 1, **when: Any) -> Setup:
    steps = (Step(requires=(Requirement(skill=skill, level=level),)),)
    fr = Queue(slug="fr", languages=("fr",), hours="always")
    return setup(fr, rules=(rule(queue="fr", steps=steps, when=When(**when)),))


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (needing("lang:fr", 5), None),
        (needing("lang:{language}", 5), None),
        (needing("lang:{language}", 5, languages=("fr-CA",)), None),
        (needing("lang:{language}", 5, languages=("fr", "de")), "lang:de at level 5"),
        (needing("lang:fr-2", 1), "lang:fr-2 at level 1"),
        (needing("net:{network}", 2, networks=("x",)), "net:x at level 2"),
        (needing("net:{network}", 2), None),  # nobody can say which
    ],
)
def test_a_skill_nobody_has_is_told(known: Setup, says: str | None) -> None:
    details = [each.detail for each in found(known) if each.code == "nobody-has-it"]

    assert len(details) == (0 if says is None else 1)
    assert says is None or says in details[0]


def test_the_level_is_told_and_who_does_not_take_from_the_queue_does_not_count() -> None:
    expert = Agent("bo", skills={"refunds": 5}, queues=frozenset(("default",)))
    novice = Agent("ana", skills={"refunds": 2})

    finding = one(needing("refunds", 3), (expert, novice))

    assert "refunds at level 3 or above (the best has 2)" in finding.detail


def test_a_skill_is_set_up_before_anybody_has_it() -> None:
    known = setup(skills={"lang:fr": Skill(slug="lang:fr"), "refunds": Skill(slug="refunds")})

    assert [(each.slug, each.code) for each in found(known)] == [("refunds", "nobody-has-it")]


def test_a_queue_nobody_can_serve_is_told() -> None:
    elsewhere = Agent("ana", queues=frozenset(("default",)))

    assert [each.code for each in found(setup(Queue(slug="a", hours="always")), (elsewhere,))] == ["nobody-serves"]
    assert len([each for each in found(setup(), ()) if each.code == "nobody-serves"]) == 1


def test_what_a_team_sends_elsewhere_needs_somebody_of_that_team_there() -> None:
    ana = Agent("ana", queues=frozenset(("default",)))
    nord = Agent("bo", team="nord")
    queue = Queue(slug="a", hours="always", team="nord")
    known = setup(queue, rules=(rule(queue="a"),), teams={"nord": Team(slug="nord")})

    finding = one(known, (ana, nord))

    assert (finding.kind, finding.path, finding.code) == ("routing-policies", "$.rules[0].queue", "nobody-serves")
    assert found(known, (ana, replace(nord, teams=frozenset(("main",))))) == []


def test_what_overflows_needs_somebody_of_its_team_there() -> None:
    known = setup(
        Queue(slug="a", hours="always", team="nord", overflow="b"),
        Queue(slug="b", hours="always"),
        teams={"nord": Team(slug="nord")},
    )
    nord = Agent("bo", team="nord", queues=frozenset(("a",)))

    finding = one(known, (ANA, nord))

    assert (finding.slug, finding.path, finding.code) == ("a", "$.overflow", "nobody-serves")
    assert found(known, (ANA, replace(nord, queues=frozenset()))) == []


def test_an_agent_names_only_what_is_there() -> None:
    agent = Agent("ana", team="nord", queues=frozenset(("default", "defalt")))

    errors = [(each.code, each.fix) for each in found(setup(), (ANA, agent)) if each.level == "error"]

    assert errors == [
        ("unknown-team", "set the team up too, or leave `team` out"),
        ("unknown-queue", 'did you mean "default"?'),
    ]


# --- targets


def test_a_target_the_hours_make_impossible_is_told_with_its_first_date() -> None:
    fast = SlaPolicy("fast", basis="elapsed")

    finding = one(setup(Queue(slug="a", hours="office", sla="fast"), slas={"fast": fast}))

    assert (finding.level, finding.code) == ("warning", "impossible-target")
    assert "what is high and posted 2026-03-02 18:00 is due 2026-03-02 19:00" in finding.detail
    assert "somebody is there again 2026-03-03 09:00 (Europe/Paris)" in finding.detail


def test_what_is_low_is_due_within_a_day_even_over_a_weekend() -> None:
    known = setup(Queue(slug="a", hours="office", sla="calm"), slas={"calm": SlaPolicy("calm")})

    assert "posted 2026-03-06 18:00 is due 2026-03-07 18:00 (never over 24 h)" in one(known).detail


def test_what_overflows_is_due_where_it_goes() -> None:
    assert found(setup(Queue(slug="a", hours="office", overflow="default"))) == []


def test_targets_of_no_time_and_of_too_much() -> None:
    targets = {"high": timedelta(0), "feedback": timedelta(hours=30), "normal": timedelta(hours=30)}
    known = setup(slas={"s": SlaPolicy("s", targets=dict(targets))})

    assert [(each.level, each.path) for each in found(known)] == [
        ("error", "$.high_seconds"),
        ("warning", "$.feedback_seconds"),
    ]


def test_a_procedure_for_an_unknown_topic_is_told() -> None:
    known = setup(procedures={"p": Procedure(slug="p", topics=("biling", "outage"))})

    assert (one(known).path, one(known).fix) == ("$.topics[0]", 'did you mean "billing"?')


# --- who names what


def test_everything_that_names_a_thing_is_found() -> None:
    steps = (Step(requires=(Requirement(skill="lang:fr"),)),)
    known = setup(
        Queue(slug="a", hours="office", overflow="default", sla="s"),
        rules=(rule(steps=steps, sla="s"),),
        slas={"s": SlaPolicy("s")},
    )
    ana = Agent("ana", skills={"lang:fr": 5}, queues=frozenset(("a",)), hours=OFFICE, teams=frozenset(("nord",)))
    teams = {("queues", "a"): "main", ("skills", "x"): "nord"}

    def names(kind: str, slug: str) -> list[tuple[str, str]]:
        return [(each.slug, each.path) for each in named_by(kind, slug, known, (ana,), teams)]

    assert names("queues", "default") == [("a", "$.overflow"), ("p", "$.rules[0].queue")]
    assert names("queues", "a") == [("ana", "$.queues")]
    assert names("sla-policies", "s") == [("a", "$.sla"), ("p", "$.rules[0].sla")]
    assert names("business-hours", "office") == [("a", "$.hours"), ("ana", "$.hours")]
    assert names("skills", "lang:fr") == [("p", "$.rules[0].steps[0].requires[0]"), ("ana", "$.skills")]
    assert names("teams", "nord") == [("x", "$.team"), ("ana", "$.teams")]
    assert names("procedures", "x") == []
