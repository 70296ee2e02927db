"""Which queue an item waits in, for whom at first, and for whom when time passes."""

from datetime import timedelta
from typing import Any

import pytest

from services.router.domain.hours import hours_from
from services.router.domain.policies import matches, needs_now, next_change, plan_for, planned_again, queue_at, step_now
from services.router.domain.setup import Queue, Requirement, Rule, Setup, Step, When
from tests.unit.router.builders import HOUR, NOON, policy, setup, step, subject

REFUNDS = Rule(name="refunds", queue="refunds", when=When(topics=("billing",)), steps=(step("refunds=3"),), weight=2)
ANYTHING = Rule(name="rest", queue="fr")


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"languages": ("fr",)}, True),
        ({"languages": ("en", "de")}, False),
        ({"handles": ("acme",), "networks": ("x",)}, True),
        ({"handles": ("acme",), "networks": ("bluesky",)}, False),
        ({"topics": ("billing", "outage")}, True),
        ({"topics": ("outage",)}, False),
        ({"private": True}, False),
        ({"private": False}, True),
        ({"min_followers": 1000}, False),
        ({"min_followers": 10}, True),
    ],
)
def test_all_that_is_written_must_hold(when: dict[str, Any], holds: bool) -> None:
    asked = subject(language="fr-CA", topics=("billing", "rudeness"), followers=50)

    assert matches(When(**when), asked) is holds


def test_the_first_rule_that_takes_it_wins_and_is_named() -> None:
    known = setup(Queue(slug="refunds"), policies=(policy(REFUNDS, ANYTHING),))

    plan = plan_for(subject(topics=("billing",)), known)

    assert (plan.queue.slug, plan.policy, plan.policy_version, plan.rule) == ("refunds", "main", 3, "refunds")
    assert plan.weight == 2
    assert plan_for(subject(), known).rule == "rest"


def test_what_no_rule_takes_goes_to_the_queue_of_its_language() -> None:
    known = setup(Queue(slug="refunds"), policies=(policy(REFUNDS),))

    plan = plan_for(subject(language="en"), known)

    assert (plan.queue.slug, plan.rule) == ("en", "")


def test_a_team_without_a_policy_takes_the_main_teams() -> None:
    known = setup(policies=(policy(ANYTHING), policy(Rule(name="theirs", queue="en"), slug="nord", team="nord")))

    assert plan_for(subject(team="nord"), known).rule == "theirs"
    assert plan_for(subject(team="sud"), known).rule == "rest"


def test_a_plan_survives_a_rule_that_is_gone() -> None:
    known = setup(Queue(slug="refunds"), policies=(policy(ANYTHING),))

    assert planned_again("main", "refunds", "refunds", known).steps == ()
    assert planned_again("main", "refunds", "nowhere", known).queue.slug == "default"


STEPS = (step("refunds=3", after=600), step("refunds", share=0.5), step("lang:fr"))


@pytest.mark.parametrize(
    ("minutes", "number", "needs"),
    [(0, 0, (("refunds", 3),)), (10, 1, (("refunds", 1),)), (30, 2, (("lang:fr", 1),)), (600, 2, (("lang:fr", 1),))],
)
def test_steps_widen_the_pool_as_time_passes(minutes: int, number: int, needs: tuple[tuple[str, int], ...]) -> None:
    plan = plan_for(subject(), setup(policies=(policy(Rule(name="r", queue="fr", steps=STEPS)),)))

    assert needs_now(plan, timedelta(minutes=minutes), HOUR, language="fr", network="x") == (number, needs)


def test_after_the_last_step_anybody_of_the_queue_may_have_it() -> None:
    number, last = step_now((step("refunds", after=60),), timedelta(seconds=60), None)

    assert (number, last.requires) == (1, ())


def test_the_next_change_is_the_end_of_a_step_or_a_skill_that_is_dropped() -> None:
    additional = Step(requires=(Requirement(skill="vip", drop_after_seconds=60),), expires_after_seconds=300)

    assert next_change((additional,), timedelta(0), HOUR) == timedelta(seconds=60)
    assert next_change((additional,), timedelta(seconds=60), HOUR) == timedelta(seconds=300)
    assert next_change((additional,), timedelta(seconds=300), HOUR) is None
    assert next_change(STEPS, timedelta(minutes=10), HOUR) == timedelta(minutes=30)


def closed_at_noon(**more: Any) -> Setup:
    mornings = {"mornings": hours_from("mornings", "UTC", {"daily": ["08:00-12:00"]})}
    return setup(Queue(slug="day", hours="mornings", **more), Queue(slug="night"), Queue(slug="duty"), hours=mornings)


def test_outside_hours_it_waits_or_overflows_and_what_is_critical_goes_on_call() -> None:
    waits = closed_at_noon()
    overflows = closed_at_noon(overflow="night", on_call="duty")

    assert queue_at(waits.queues["day"], "critical", waits, NOON).slug == "day"
    assert queue_at(overflows.queues["day"], "normal", overflows, NOON).slug == "night"
    assert queue_at(overflows.queues["day"], "critical", overflows, NOON).slug == "duty"
    assert queue_at(overflows.queues["day"], "critical", overflows, NOON - HOUR).slug == "day"
