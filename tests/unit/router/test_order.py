"""In which order items are taken."""

from datetime import datetime, timedelta

import pytest

from services.router.domain.order import Head, best, effective_class, next_lift, pick, place
from tests.unit.router.builders import HOUR, MINUTE, NOON


def head(id_: str, *, rank: int = 5, late: bool = False, sort_at: datetime = NOON, age: timedelta = HOUR) -> Head:
    return Head(rank, late, sort_at, NOON - age, id_)


@pytest.mark.parametrize(
    ("urgency", "hours", "counts_as"),
    [
        ("critical", 100, 0),
        ("high", 100, 1),
        ("normal", 5.9, 2),
        ("normal", 6, 1),
        ("normal", 100, 1),
        ("none", 0, 4),
        ("none", 6, 3),
        ("none", 18, 1),
        ("none", 1000, 1),
    ],
)
def test_waiting_lifts_slowly_and_never_to_critical(urgency: str, hours: float, counts_as: int) -> None:
    assert effective_class(urgency, timedelta(hours=hours)) == counts_as


def test_the_next_lift_is_when_the_class_changes() -> None:
    assert next_lift("normal", NOON, NOON) == NOON + 6 * HOUR
    assert next_lift("none", NOON, NOON + 7 * HOUR) == NOON + 12 * HOUR
    assert next_lift("normal", NOON, NOON + 6 * HOUR) is None
    assert next_lift("critical", NOON, NOON) is None


def test_a_deadline_itself_is_in_time() -> None:
    due = NOON + HOUR

    assert not place("normal", NOON, due, False, due).late
    assert place("normal", NOON, due, False, due + MINUTE).late


def test_follow_ups_come_before_new_items_of_the_same_class() -> None:
    new = place("normal", NOON, NOON + HOUR, False, NOON)
    followup = place("normal", NOON, NOON + 2 * HOUR, True, NOON)

    assert followup.rank < new.rank
    assert followup.rank > place("high", NOON, None, False, NOON).rank


def test_in_time_items_come_by_deadline_and_late_ones_every_fifth_time() -> None:
    in_time, late = [head("soon"), head("later", sort_at=NOON + HOUR)], [head("old", late=True, age=9 * HOUR)]

    got = [pick(in_time, late, picks) for picks in range(6)]

    assert [(found[0].id, found[1]) for found in got if found] == [
        ("soon", "in_time"),
        ("soon", "in_time"),
        ("soon", "in_time"),
        ("soon", "in_time"),
        ("old", "fifth_pick"),
        ("soon", "in_time"),
    ]


def test_a_late_item_of_a_higher_class_does_not_wait_for_its_turn() -> None:
    found = pick([head("normal")], [head("high", rank=3, late=True)], 0)

    assert found is not None
    assert (found[0].id, found[1]) == ("high", "only_late")


def test_the_fifth_pick_never_brings_a_lower_class_forward() -> None:
    found = pick([head("high", rank=3)], [head("normal", late=True)], 4)

    assert found is not None
    assert found[0].id == "high"


def test_equal_items_are_taken_by_age_and_then_by_id_so_that_a_replay_finds_the_same() -> None:
    twins = [head("b"), head("a"), head("older", age=2 * HOUR)]

    assert pick(twins, [], 0) == (head("older", age=2 * HOUR), "in_time")
    assert pick(twins[:2], [], 0) == (head("a"), "in_time")


def test_of_several_queues_the_most_urgent_offer_wins() -> None:
    offers = [(head("normal"), "in_time"), (head("critical", rank=1, late=True), "only_late")]

    assert best(offers) == (head("critical", rank=1, late=True), "only_late")
    assert best([]) is None
