"""Who is expected to be there, where no weeks before say it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.router.domain.hours import ALWAYS, open_intervals
from services.router.domain.pace import Outlook, Pace, Profile, Seen, look, outlook

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOBODY, SIX = 0, 6


def seen(minute: float, agents: int, *, opened: bool = True) -> Seen:
    return Seen(MONDAY + timedelta(minutes=minute), opened, agents, 0, (0,) * 5)


def after(*looks: Seen) -> tuple[Pace, Outlook]:
    """What is remembered after these looks, and the hours that are expected then, until late in the day."""
    pace = Pace()
    for one in looks:
        pace, _ = look(pace, one)
    at = looks[-1].at
    intervals = open_intervals(ALWAYS, at, at + timedelta(days=1))
    return pace, outlook(at, intervals, pace, Profile(), UTC, looks[-1].agents)


def test_who_signs_in_after_the_first_look_is_expected_to_stay() -> None:
    """A house starts before its people do; the nobody of its first minute says nothing of the hours to come."""
    _, ahead = after(seen(0, NOBODY), *(seen(minute, SIX) for minute in range(1, 11)))
    assert ahead.staff.min() > 5.5


def test_who_was_there_lately_counts_more_than_who_was_there_before() -> None:
    pace, _ = after(*(seen(minute, 2) for minute in range(240)), *(seen(minute, SIX) for minute in range(240, 300)))
    assert pace.staff == pytest.approx(2 + 4 * (1 - 2.718281828**-1), abs=0.1)


def test_a_closed_night_changes_nothing() -> None:
    evening, _ = after(*(seen(minute, SIX) for minute in range(60)))
    morning, _ = after(
        *(seen(minute, SIX) for minute in range(60)), *(seen(minute, NOBODY, opened=False) for minute in range(60, 600))
    )
    assert morning.staff == evening.staff == SIX


def test_a_memory_from_before_weighs_were_kept_is_taken_for_what_it_says_until_somebody_looks() -> None:
    before = Pace(at=MONDAY, staff=3.0, agents=SIX)
    assert look(before, seen(1, SIX, opened=False))[0].staff == 3.0
    assert look(before, seen(1, SIX))[0].staff == SIX
