"""What time does to an item, and what it never does."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from services.router.domain.setup import Queue, Rule, Setup
from services.router.domain.waiting import (
    Changed,
    Completed,
    Item,
    Released,
    arrange,
    back,
    given,
    moved,
    offered,
    plan_of,
    tick,
)
from tests.unit.router.builders import HOUR, MINUTE, NOON, SETUP, item, policy, setup, step


def lived(waiting: Item, until: datetime, known: Setup = SETUP) -> list[tuple[datetime, Changed]]:
    """Every moment that changes the item until then."""
    told = []
    while waiting.next_at is not None and waiting.next_at <= until:
        at = waiting.next_at
        changed = tick(waiting, known, at)
        assert isinstance(changed, Changed)
        assert changed.item.next_at is None or changed.item.next_at > at  # time goes on
        told.append((at, changed))
        waiting = changed.item
    return told


@pytest.mark.parametrize("urgency", ["critical", "high", "normal", "low", "none"])
def test_urgency_never_changes_by_waiting(urgency: str) -> None:
    waiting = item(urgency=urgency, due_at=None if urgency == "none" else NOON + HOUR)

    story = lived(waiting, NOON + timedelta(days=30))

    assert {changed.item.urgency for _, changed in story} | {urgency} == {urgency}
    if urgency in ("none", "low", "normal"):
        assert story[-1][1].item.rank < waiting.rank  # only its place in the order did


def test_a_normal_item_at_75_percent_of_its_target_is_not_suddenly_breached() -> None:
    story = lived(item(), NOON + 90 * MINUTE)

    assert [(at - NOON, changed.warned) for at, changed in story] == [(45 * MINUTE, 0.5), (67.5 * MINUTE, 0.75)]
    at_three_quarters = story[-1][1].item
    assert (at_three_quarters.late, at_three_quarters.due_at) == (False, NOON + 90 * MINUTE)
    assert at_three_quarters.rank == item().rank


def test_it_is_breached_once_just_after_its_deadline() -> None:
    story = lived(item(), NOON + timedelta(days=3))

    breaches = [at for at, changed in story if "breached" in changed.happened]
    assert breaches == [NOON + 90 * MINUTE + timedelta(milliseconds=1)]


def test_a_late_post_gets_one_warning_for_all_that_are_past() -> None:
    late = item(at=NOON + 70 * MINUTE)

    story = lived(replace(late, next_at=NOON + 70 * MINUTE), NOON + 80 * MINUTE)

    assert [changed.warned for _, changed in story if changed.warned] == [0.75]


def test_a_step_that_ends_makes_another_line_and_forgets_who_declined() -> None:
    known = setup(policies=(policy(Rule(name="r", queue="fr", steps=(step("refunds=3", after=600),))),))
    waiting = item(known=known, routing=replace(item().routing, policy="main", rule="r", declined_by=("ana",)))

    at, changed = lived(waiting, NOON + 11 * MINUTE, known)[0]

    assert waiting.line == "fr main refunds=3"
    assert (at, changed.happened) == (NOON + 10 * MINUTE, ("step",))
    assert (changed.item.line, changed.item.version, changed.item.routing.declined_by) == ("fr main", 2, ())


def test_an_offer_nobody_took_goes_back_with_its_age_and_not_to_the_same() -> None:
    reserved = offered(item(), "ana", NOON + 30 * MINUTE)

    ticked = tick(reserved, SETUP, NOON + 30 * MINUTE)

    assert isinstance(ticked, Released)
    assert (ticked.reason, ticked.item.state, ticked.item.agent) == ("timed_out", "pending", "")
    assert (ticked.item.enqueued_at, ticked.item.routing.declined_by) == (NOON, ("ana",))


def test_an_item_without_a_first_reply_goes_back_but_never_while_its_draft_is_fresh() -> None:
    known = setup(Queue(slug="fr", languages=("fr",), first_reply_seconds=600))
    held = given(item(known=known), "ana", known, NOON)
    drafted = NOON + 8 * MINUTE

    kept = tick(held, known, NOON + 10 * MINUTE, draft_changed_at=drafted)
    gone = tick(held, known, NOON + 13 * MINUTE, draft_changed_at=drafted)

    assert held.next_at == NOON + 10 * MINUTE
    assert isinstance(kept, Changed)
    assert kept.item.next_at == drafted + 5 * MINUTE
    assert isinstance(gone, Released)
    assert gone.reason == "no_first_reply"


def test_a_wrap_up_ends() -> None:
    ticked = tick(item(state="wrapping", agent="ana", next_at=NOON), SETUP, NOON)

    assert isinstance(ticked, Completed)
    assert ticked.item.state == "completed"


def test_what_goes_back_keeps_its_age_and_its_deadline() -> None:
    held = given(item(), "ana", SETUP, NOON + MINUTE)

    waiting = back(held, SETUP, NOON + HOUR)

    assert (waiting.state, waiting.agent, waiting.enqueued_at, waiting.due_at) == (
        "pending", "", NOON, NOON + 90 * MINUTE,
    )  # fmt: skip


def test_what_is_moved_remembers_where_it_was() -> None:
    there = moved(item(), SETUP.queues["en"], SETUP, NOON)

    assert (there.queue, there.line, there.routing.sent_from) == ("en", "en main", "fr")


def test_arranging_twice_is_arranging_once() -> None:
    once = arrange(item(), plan_of(item(), SETUP), SETUP, NOON + HOUR)

    assert arrange(once, plan_of(once, SETUP), SETUP, NOON + HOUR) == once
