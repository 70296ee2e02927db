"""How soon an answer is due, and which deadlines the hours make impossible."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.clocks import (
    DEFAULT_SLA,
    Impossible,
    SlaPolicy,
    deadline,
    deadline_before_event,
    impossible,
    target_of,
)
from services.router.domain.hours import ALWAYS, Hours, hours_from
from tests.unit.router.clocks import BUSINESS, OFFICE, TUESDAY
from tests.unit.router.weeks import DAY, HOUR, MINUTE, examples


@pytest.mark.parametrize(
    ("urgency", "intent", "target"),
    [
        ("critical", "complaint", 15 * MINUTE),
        ("high", "complaint", HOUR),
        ("normal", "assistance_request", 90 * MINUTE),
        ("low", "information_request", 90 * MINUTE),
        ("low", "feedback", 4 * HOUR),
        ("low", "", 4 * HOUR),
        ("none", "praise_thanks", None),
    ],
)
def test_the_default_targets(urgency: str, intent: str, target: timedelta | None) -> None:
    assert target_of(DEFAULT_SLA, urgency, intent) == target
    assert target_of(DEFAULT_SLA, urgency, intent, "next") == target
    expected = TUESDAY + target if target is not None else None
    assert deadline(DEFAULT_SLA, ALWAYS, urgency, intent, TUESDAY) == expected


def test_a_policy_changes_the_targets_it_names_and_may_name_others_for_the_next_response() -> None:
    policy = SlaPolicy("own", targets={"high": None, "normal": HOUR}, next_response={"normal": 2 * HOUR})

    assert [target_of(policy, urgency, "") for urgency in ("high", "normal", "critical")] == [None, HOUR, 15 * MINUTE]
    assert target_of(policy, "normal", "", "next") == 2 * HOUR
    assert target_of(policy, "high", "", "next") == HOUR


def test_what_is_critical_is_elapsed_while_the_rest_waits_for_opening() -> None:
    saturday = datetime(2026, 3, 7, 9, tzinfo=UTC)
    monday = datetime(2026, 3, 9, 8, tzinfo=UTC)

    assert deadline(BUSINESS, OFFICE, "critical", "", saturday) == saturday + 15 * MINUTE
    assert deadline(BUSINESS, OFFICE, "high", "", saturday) == monday + HOUR
    assert deadline(DEFAULT_SLA, OFFICE, "high", "", saturday) == saturday + HOUR


def test_what_is_low_never_waits_longer_than_a_day() -> None:
    saturday = datetime(2026, 3, 7, 9, tzinfo=UTC)

    assert deadline(BUSINESS, OFFICE, "low", "feedback", saturday) == saturday + DAY
    assert deadline(BUSINESS, OFFICE, "low", "feedback", TUESDAY) == TUESDAY + 4 * HOUR
    assert deadline(BUSINESS, Hours("never"), "low", "feedback", TUESDAY) == TUESDAY + DAY


def test_hours_that_never_open_promise_nothing() -> None:
    assert deadline(BUSINESS, Hours("never"), "high", "", TUESDAY) is None


@pytest.mark.parametrize(
    ("left", "given"), [(-60, 10), (5, 10), (20, 10), (30, 15), (90, 45), (120, 60), (600, 60)]
)  # minutes
def test_half_of_the_time_before_a_departure_is_ours(left: int, given: int) -> None:
    assert deadline_before_event(TUESDAY, TUESDAY + left * MINUTE) == TUESDAY + given * MINUTE


@pytest.mark.parametrize(("left", "due"), [(30, 15), (120, 60), (121, 60), (0, 60), (-5, 60)])
def test_a_departure_within_two_hours_comes_before_the_target(left: int, due: int) -> None:
    assert deadline(DEFAULT_SLA, ALWAYS, "high", "", TUESDAY, TUESDAY + left * MINUTE) == TUESDAY + due * MINUTE


def test_a_departure_does_not_wait_for_opening() -> None:
    night = TUESDAY + 12 * HOUR

    assert deadline(BUSINESS, OFFICE, "high", "", night, night + 30 * MINUTE) == night + 15 * MINUTE


def test_a_departure_more_than_two_hours_ahead_moves_nothing() -> None:
    policy = SlaPolicy("slow", basis="elapsed", targets={"high": 3 * HOUR})

    assert deadline(policy, ALWAYS, "high", "", TUESDAY, TUESDAY + 121 * MINUTE) == TUESDAY + 3 * HOUR
    assert deadline(policy, ALWAYS, "high", "", TUESDAY, TUESDAY + 120 * MINUTE) == TUESDAY + HOUR


def test_hours_make_a_target_impossible() -> None:
    friday_evening = datetime(2026, 3, 6, 17, tzinfo=UTC)

    assert impossible(BUSINESS, OFFICE, TUESDAY) == Impossible(
        "low", "information_request", friday_evening, friday_evening + DAY
    )
    assert impossible(DEFAULT_SLA, OFFICE, TUESDAY) == Impossible("high", "", TUESDAY + 8 * HOUR, TUESDAY + 9 * HOUR)
    assert impossible(BUSINESS, Hours("never"), TUESDAY) == Impossible(
        "low", "information_request", TUESDAY, TUESDAY + DAY
    )
    no_low = SlaPolicy("no-low", targets={"information": None, "feedback": None})
    assert impossible(no_low, Hours("never"), TUESDAY) == Impossible("high", "", TUESDAY, None)


def test_nothing_is_impossible_where_somebody_comes_in_time() -> None:
    daily = hours_from("daily", "Europe/Paris", {"daily": ["09:00-18:00"]})

    assert impossible(BUSINESS, daily, TUESDAY) is None
    assert impossible(DEFAULT_SLA, ALWAYS, TUESDAY) is None
    assert impossible(SlaPolicy("none", targets=dict.fromkeys(DEFAULT_SLA.targets)), OFFICE, TUESDAY) is None


def test_a_deadline_at_the_moment_of_opening_is_impossible() -> None:
    closed_a_day = hours_from("some", "UTC", {"daily": ["00:00-24:00"]}, exceptions={"2026-03-10": []})
    midnight = datetime(2026, 3, 10, tzinfo=UTC)

    assert impossible(BUSINESS, closed_a_day, TUESDAY) == Impossible(
        "low", "information_request", midnight, midnight + DAY
    )


def test_what_is_written_while_somebody_is_there_is_not_impossible() -> None:
    once = hours_from("once", "UTC", {}, exceptions={"2026-03-03": ["08:00-10:00"]})

    found = impossible(BUSINESS, once, TUESDAY)

    assert found is not None
    assert found.posted_at == TUESDAY + HOUR


def test_three_closed_days_in_the_year_are_found() -> None:
    feast = hours_from(
        "feast", "Europe/Paris", {"daily": ["09:00-18:00"]},
        exceptions={f"2026-05-{day:02}": [] for day in (8, 9, 10)},
    )  # fmt: skip

    found = impossible(BUSINESS, feast, TUESDAY)

    assert found is not None
    assert (found.urgency, found.posted_at.date()) == ("low", date(2026, 5, 7))


@given(st.timedeltas(-DAY, DAY))
@examples(300, 100)
def test_a_departure_leaves_ten_minutes_to_an_hour(left: timedelta) -> None:
    due = deadline_before_event(TUESDAY, TUESDAY + left)

    assert 10 * MINUTE <= due - TUESDAY <= HOUR
    assert due == TUESDAY + left / 2 or left / 2 < 10 * MINUTE or left / 2 > HOUR
