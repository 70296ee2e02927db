"""Weeks, zones and moments for properties, and a model of opening hours that only reads the clock on the wall."""

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from holidays import country_holidays
from hypothesis import settings
from hypothesis import strategies as st

from services.router.domain.hours import Dated, Hours, Slot

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CI = os.environ.get("CI") == "true"


def examples(ci: int, here: int) -> settings:
    """How often a property is tried: in CI all of them together over ten thousand times, and always the same ones."""
    return settings(max_examples=ci if CI else here, deadline=None, derandomize=CI)


DAYS_THAT_MATTER = (
    ("Europe/Paris", date(2026, 3, 29)),  # 02:00-03:00 is skipped
    ("Europe/Paris", date(2026, 10, 25)),  # and occurs twice
    ("Europe/Paris", date(2026, 12, 31)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Asia/Kolkata", date(2026, 5, 31)),
    ("Asia/Beirut", date(2026, 3, 29)),  # midnight itself is skipped
    ("Asia/Beirut", date(2026, 10, 25)),
    ("America/St_Johns", date(2010, 11, 7)),  # at one minute past midnight
    ("Pacific/Apia", date(2011, 12, 30)),  # the whole day is skipped
    ("UTC", date(2024, 2, 29)),
)


def _minutes(below: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, below - 1), st.integers(0, below // 30 - 1).map(lambda half: half * 30))


@st.composite
def slots(draw: st.DrawFn) -> tuple[Slot, ...]:
    """A week without overlaps: lunch breaks, nights, Sunday into Monday, slots that touch, nothing at all."""
    cuts = sorted(draw(st.sets(_minutes(7 * 1440), max_size=14)))
    shift = draw(_minutes(1440))
    made = []
    for begin, end in pairwise(cuts):
        weekday, start = divmod(begin + shift, 1440)
        if end - begin < 1440 and draw(st.booleans()):
            stop = start + end - begin
            made.append(Slot(weekday % 7, start, stop if stop <= 1440 else stop - 1440))
    return tuple(made)


@st.composite
def exceptions(draw: st.DrawFn, around: date) -> tuple[Dated, ...]:
    made = []
    for days in sorted(draw(st.sets(st.integers(-2, 2), max_size=2))):
        cuts = sorted(draw(st.sets(_minutes(1440), max_size=4)))
        spans = tuple(zip(cuts[::2], cuts[1::2], strict=False))
        if len(cuts) % 2 and cuts[-1]:
            spans = (*spans, (cuts[-1], draw(st.sampled_from([0, 1440, cuts[-1] // 2]))))  # until midnight, or later
        made.append(Dated(around + timedelta(days=days), spans))
    return tuple(made)


@st.composite
def moments(draw: st.DrawFn) -> tuple[Hours, datetime]:
    """Hours, and a minute within two days of one that matters in their zone."""
    zone, day = draw(st.sampled_from(DAYS_THAT_MATTER))
    hours = Hours(
        "some", zone, draw(slots()), draw(exceptions(day)), draw(st.sampled_from(["", "", "FR", "US-NY", "DE-BY"]))
    )
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + draw(st.integers(-2880, 2880)) * MINUTE
    return hours, at


spans = st.one_of(st.integers(0, 600), st.integers(0, 4000)).map(lambda minutes: minutes * MINUTE)


def model(hours: Hours, first: datetime, minutes: int) -> list[bool]:
    """Minute by minute: open once the clock on the wall has shown the start of a slot, until it has shown its end.

    The wall's furthest reading is what counts, so an hour that occurs twice has been shown the first time.
    """
    zone = ZoneInfo(hours.zone)
    reading = datetime.min
    opened = []
    spans_of: dict[date, list[tuple[datetime, datetime]]] = {}
    for number in range(-240, minutes):
        reading = max(reading, (first + number * MINUTE).astimezone(zone).replace(tzinfo=None))
        if number < 0:
            continue
        today = reading.date()
        if today not in spans_of:
            spans_of[today] = [
                (midnight + start * MINUTE, midnight + (end if end > start else end + 1440) * MINUTE)
                for midnight in (datetime(today.year, today.month, today.day) - back * DAY for back in (0, 1))
                for start, end in _starting_on(hours, midnight.date())
            ]
        opened.append(any(start <= reading < end for start, end in spans_of[today]))
    return opened


def _starting_on(hours: Hours, day: date) -> Iterable[tuple[int, int]]:
    for dated in hours.exceptions:
        if dated.on == day:
            return dated.spans
    if hours.holidays:
        country, _, region = hours.holidays.partition("-")
        if day in country_holidays(country, subdiv=region or None, years=day.year):
            return ()
    return [(slot.start, slot.end) for slot in hours.slots if slot.weekday == day.weekday()]
