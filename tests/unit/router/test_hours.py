"""Opening hours: the wall time of a zone, asked in UTC; the bugs of others by name."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from services.router.domain.hours import (
    ALWAYS,
    Dated,
    Hours,
    Slot,
    after_open,
    describe,
    hours_from,
    is_open,
    next_change,
    next_open,
    open_intervals,
    open_seconds,
)
from tests.unit.router.weeks import DAY, HOUR

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
WEEKDAYS = {"mon-fri": ["09:00-12:30", "13:30-18:00"]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def paris(week: dict[str, list[str]], exceptions: dict[str, list[str]] | None = None, holidays: str = "") -> Hours:
    return hours_from("paris", "Europe/Paris", week, exceptions=exceptions, holidays=holidays)


def opening(hours: Hours, first: str, last: str) -> list[tuple[str, str]]:
    """The opening times between two UTC times, as UTC texts."""
    found = open_intervals(hours, at(first), at(last))
    return [(start.strftime("%d %H:%M"), end.strftime("%d %H:%M")) for start, end in found]


# --- the bugs of others, by name


def test_a_lunch_break_is_no_opening_time() -> None:
    hours = paris(WEEKDAYS)

    assert after_open(hours, at("2026-03-03T11:00"), HOUR) == at("2026-03-03T13:00")  # half an hour on either side
    assert not is_open(hours, at("2026-03-03T12:00"))


def test_a_window_past_midnight_belongs_to_the_day_it_begins_on() -> None:
    hours = paris({"fri": ["22:00-06:00"]})

    assert opening(hours, "2026-03-06T00:00", "2026-03-08T00:00") == [("06 21:00", "07 05:00")]
    assert after_open(hours, at("2026-03-06T22:30"), 2 * HOUR) == at("2026-03-07T00:30")


def test_the_last_minute_before_midnight_is_not_lost() -> None:
    to_midnight = paris({"mon": ["09:00-24:00"], "tue": ["00:00-02:00"]})
    by_zeros = paris({"mon": ["09:00-00:00"], "tue": ["00:00-02:00"]})
    one_minute = paris({"mon": ["23:59-00:00"]})

    assert opening(to_midnight, "2026-03-02T00:00", "2026-03-03T12:00") == [("02 08:00", "03 01:00")]
    assert opening(by_zeros, "2026-03-02T00:00", "2026-03-03T12:00") == [("02 08:00", "03 01:00")]
    assert open_seconds(one_minute, at("2026-03-02T00:00"), at("2026-03-03T12:00")) == 60


def test_the_moment_of_closing_is_closed_and_that_of_opening_is_open() -> None:
    hours = paris({"mon-fri": ["09:00-18:00"]})

    assert [is_open(hours, at("2026-03-03T08:00") + more) for more in (-TICK, timedelta(0), TICK)] == [
        False,
        True,
        True,
    ]
    assert [is_open(hours, at("2026-03-03T17:00") + more) for more in (-TICK, timedelta(0))] == [True, False]


def test_a_target_that_is_used_up_at_closing_is_due_at_closing() -> None:
    hours = paris({"mon-fri": ["09:00-18:00"]})

    assert after_open(hours, at("2026-03-03T16:00"), HOUR) == at("2026-03-03T17:00")
    assert after_open(hours, at("2026-03-03T16:00"), HOUR + SECOND) == at("2026-03-04T08:00:01")


def test_a_friday_evening_is_answered_on_monday() -> None:
    assert after_open(paris(WEEKDAYS), at("2026-03-06T16:50"), HOUR) == at("2026-03-09T08:50")


@pytest.mark.parametrize(
    ("zone", "day", "opens", "length"),
    [
        ("Europe/Paris", "2026-03-29", "2026-03-28T23:00", 23 * HOUR),
        ("Europe/Paris", "2026-10-25", "2026-10-24T22:00", 25 * HOUR),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00", 23 * HOUR),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25 * HOUR),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", 23.5 * HOUR),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5 * HOUR),
        ("Asia/Kolkata", "2026-03-29", "2026-03-28T18:30", 24 * HOUR),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00", 23 * HOUR),  # there is no 00:00
    ],
)
def test_a_whole_day_is_as_long_as_the_clocks_make_it(zone: str, day: str, opens: str, length: timedelta) -> None:
    hours = Hours("day", zone, (), (Dated(date.fromisoformat(day), ((0, 1440),)),))

    assert open_intervals(hours, at(opens) - 3 * DAY, at(opens) + 3 * DAY) == [(at(opens), at(opens) + length)]


@pytest.mark.parametrize(
    ("written", "opens", "closes"),
    [
        ("01:00-04:00", "29 00:00", "29 02:00"),
        ("02:30-10:00", "29 01:00", "29 08:00"),  # opens when the clocks jump to 03:00
        ("01:00-02:15", "29 00:00", "29 01:00"),
        ("02:10-02:50", None, None),
    ],
)
def test_a_time_that_is_skipped_is_the_moment_the_clocks_jump(written: str, opens: str, closes: str) -> None:
    found = opening(paris({"sun": [written]}), "2026-03-28T23:00", "2026-03-30T00:00")

    assert found == ([(opens, closes)] if opens else [])


@pytest.mark.parametrize(
    ("written", "opens", "closes"),
    [
        ("01:00-04:00", "24 23:00", "25 03:00"),
        ("02:30-10:00", "25 00:30", "25 09:00"),
        ("01:00-02:30", "24 23:00", "25 00:30"),
        ("01:00-03:00", "24 23:00", "25 02:00"),
    ],
)
def test_a_time_that_occurs_twice_is_the_first_one(written: str, opens: str, closes: str) -> None:
    assert opening(paris({"sun": [written]}), "2026-10-24T20:00", "2026-10-26T00:00") == [(opens, closes)]


def test_a_night_in_which_the_clocks_change_is_as_long_as_it_was() -> None:
    hours = paris({"sat": ["22:00-06:00"]})

    assert open_seconds(hours, at("2026-03-28T00:00"), at("2026-03-30T00:00")) == 7 * 3600
    assert open_seconds(hours, at("2026-10-24T00:00"), at("2026-10-26T00:00")) == 9 * 3600


def test_an_exception_replaces_the_slots_of_its_date_and_the_night_before_still_ends() -> None:
    hours = paris({"daily": ["22:00-06:00"]}, {"2026-03-04": [], "2026-03-06": ["10:00-11:00"]})

    assert opening(hours, "2026-03-03T12:00", "2026-03-07T12:00") == [
        ("03 21:00", "04 05:00"),
        ("05 21:00", "06 05:00"),
        ("06 09:00", "06 10:00"),
    ]


def test_a_night_that_runs_into_an_exceptions_slots_counts_once() -> None:
    hours = paris({"tue": ["22:00-06:00"]}, {"2026-03-04": ["04:00-08:00"]})

    assert opening(hours, "2026-03-03T12:00", "2026-03-05T00:00") == [("03 21:00", "04 07:00")]
    assert open_seconds(hours, at("2026-03-03T12:00"), at("2026-03-05T00:00")) == 10 * 3600


def test_an_exception_within_a_night_does_not_end_it() -> None:
    hours = paris({"tue": ["22:00-06:00"]}, {"2026-03-04": ["03:00-04:00"]})

    assert opening(hours, "2026-03-03T12:00", "2026-03-05T00:00") == [("03 21:00", "04 05:00")]


def test_public_holidays_at_the_years_edge_are_closed_but_the_night_before_ends() -> None:
    hours = paris({"daily": ["08:00-12:00", "22:00-06:00"]}, holidays="FR")

    assert opening(hours, "2026-12-31T12:00", "2027-01-02T12:00") == [
        ("31 21:00", "01 05:00"),  # of New Year's Eve
        ("02 07:00", "02 11:00"),
    ]


def test_an_exception_opens_a_public_holiday() -> None:
    hours = paris({"daily": ["08:00-12:00"]}, {"2026-12-25": ["10:00-11:00"]}, "FR")

    assert opening(hours, "2026-12-24T23:00", "2026-12-26T23:00") == [
        ("25 09:00", "25 10:00"),
        ("26 07:00", "26 11:00"),
    ]


def test_a_region_has_holidays_of_its_own() -> None:
    saint_stephen = at("2026-12-26T10:00")
    week = {"daily": ["08:00-12:00"]}

    assert is_open(paris(week, holidays="FR"), saint_stephen)
    assert not is_open(paris(week, holidays="FR-57"), saint_stephen)
    assert not is_open(paris(week, holidays="fr-alsace"), saint_stephen)


def test_a_slot_runs_on_over_the_months_edge() -> None:
    hours = paris({"tue": ["22:00-06:00"]})

    assert opening(hours, "2026-03-31T00:00", "2026-04-02T00:00") == [("31 20:00", "01 04:00")]
    assert next_change(hours, at("2026-03-31T21:00")) == at("2026-04-01T04:00")
    assert after_open(hours, at("2026-03-31T23:00"), 3 * HOUR) == at("2026-04-01T02:00")


def test_a_night_that_ends_in_another_month_by_utc_is_not_lost() -> None:
    hours = hours_from("long", "America/New_York", {"mon": ["21:00-20:30"]})

    assert is_open(hours, at("2026-04-01T00:29"))
    assert next_change(hours, at("2026-04-01T00:29")) == at("2026-04-01T00:30")


def test_equal_hours_are_kept_once_and_a_new_version_is_asked_anew() -> None:
    start = at("2026-03-03T10:00")
    hours, same, changed = paris(WEEKDAYS), paris(WEEKDAYS), paris(WEEKDAYS, {"2026-03-03": []})

    assert (hours, hash(hours)) == (same, hash(same))
    assert [is_open(each, start) for each in (hours, same, changed)] == [True, True, False]


def test_what_never_closes_and_what_never_opens_never_change() -> None:
    never = Hours("never")
    around_the_clock = hours_from("all", "Europe/Paris", {"daily": ["00:00-24:00"]})
    start = at("2026-03-03T12:00")

    for hours in (ALWAYS, around_the_clock):
        assert is_open(hours, start)
        assert next_change(hours, start) is None
        assert after_open(hours, start, 60 * DAY) == start + 60 * DAY
    assert next_change(never, start) is None
    assert next_open(never, start) is None
    assert after_open(never, start, SECOND) is None
    assert after_open(never, start, timedelta(0)) == start


def test_no_deadline_is_more_than_five_years_ahead() -> None:
    once_in_a_while = hours_from("rare", "UTC", {}, exceptions={"2026-03-03": ["09:00-10:00"], "2033-03-03": ["09-10"]})

    assert after_open(once_in_a_while, at("2026-03-01T00:00"), HOUR) == at("2026-03-03T10:00")
    assert after_open(once_in_a_while, at("2026-03-01T00:00"), HOUR + SECOND) is None
    assert after_open(ALWAYS, at("2026-03-01T00:00"), 2000 * DAY) is None
    for last, given in (("2031-03-04", True), ("2031-03-06", False)):  # 1830 days end on the 5th
        hours = hours_from("rare", "UTC", {}, exceptions={last: ["09:00-10:00"]})
        assert (after_open(hours, at("2026-03-01T00:00"), HOUR) is not None) is given


def test_a_moment_may_come_in_any_zone_but_not_in_none() -> None:
    hours, tokyo = paris(WEEKDAYS), timezone(timedelta(hours=9))
    start = at("2026-03-03T09:00")

    assert after_open(hours, start.astimezone(tokyo), HOUR) == at("2026-03-03T10:00")
    assert is_open(hours, start.astimezone(tokyo))
    with pytest.raises(ValueError, match="has no zone"):
        is_open(hours, datetime(2026, 3, 3, 9))


@pytest.mark.parametrize(
    ("hours", "french", "english"),
    [
        (paris({"mon-fri": ["9-18"]}), "lundi-vendredi 9 h-18 h (Europe/Paris)", "Mon-Fri 09:00-18:00 (Europe/Paris)"),
        (
            paris({"mon-tue": ["9:30-12"], "thu": ["9:30-12"], "sat": ["22-6"]}, holidays="FR"),
            "lundi-mardi, jeudi 9 h 30-12 h; samedi 22 h-6 h (Europe/Paris), fermé les jours fériés (FR)",
            "Mon-Tue, Thu 09:30-12:00; Sat 22:00-06:00 (Europe/Paris), closed on public holidays (FR)",
        ),
        (paris({"daily": ["0-24"]}), "tous les jours 24 h/24 (Europe/Paris)", "daily all day (Europe/Paris)"),
        (
            Hours("by hand", "UTC", (Slot(0, 810, 1080), Slot(0, 540, 750))),
            "lundi 9 h-12 h 30, 13 h 30-18 h (UTC)",
            "Mon 09:00-12:30, 13:30-18:00 (UTC)",
        ),
        (Hours("never"), "fermé (UTC)", "closed (UTC)"),
        (ALWAYS, "24 h/24, 7 j/7", "24 hours a day, 7 days a week"),
    ],
)
def test_a_week_reads_like_what_hangs_on_a_door(hours: Hours, french: str, english: str) -> None:
    assert (describe(hours, "fr"), describe(hours, "en")) == (french, english)
