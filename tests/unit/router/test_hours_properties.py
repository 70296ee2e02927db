"""Opening hours beside a model of the clock on the wall, for any week, zone and moment."""

from datetime import datetime, timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.hours import (
    BadHours,
    Hours,
    Slot,
    after_open,
    is_open,
    next_change,
    next_open,
    open_intervals,
    open_seconds,
)
from tests.unit.router.weeks import DAY, MINUTE, examples, model, moments, slots, spans

TICK = timedelta(microseconds=1)


@given(moments())
@examples(900, 60)
def test_opening_times_are_those_of_the_clock_on_the_wall(moment: tuple[Hours, datetime]) -> None:
    hours, start = moment
    minutes = model(hours, start, 2880)
    runs, first = [], 0
    for opened, run in groupby(minutes):
        last = first + len(list(run))
        if opened:
            runs.append((start + first * MINUTE, start + last * MINUTE))
        first = last

    assert open_intervals(hours, start, start + 2 * DAY) == runs
    assert open_seconds(hours, start, start + 2 * DAY) == 60 * sum(minutes)
    assert [is_open(hours, start + n * MINUTE) for n in range(0, 2880, 13)] == minutes[::13]


@given(moments(), st.integers(1, 900))
@examples(700, 60)
def test_a_deadline_is_the_earliest_minute_that_has_seen_enough_opening_time(
    moment: tuple[Hours, datetime], wanted: int
) -> None:
    hours, start = moment
    opened = [index for index, is_one in enumerate(model(hours, start, 2880)) if is_one]

    due = after_open(hours, start, wanted * MINUTE)

    if len(opened) >= wanted:
        assert due == start + (opened[wanted - 1] + 1) * MINUTE
    else:
        assert due is None or due > start + 2 * DAY


@given(moments(), spans, st.timedeltas(timedelta(0), DAY))
@examples(900, 100)
def test_a_deadline_is_the_least_moment_to_the_microsecond(
    moment: tuple[Hours, datetime], span: timedelta, more: timedelta
) -> None:
    hours, start = moment
    span += more

    due = after_open(hours, start, span)

    if due is not None:
        assert open_seconds(hours, start, due) == span.total_seconds()
        assert due == start or open_seconds(hours, start, due - TICK) < span.total_seconds()
    else:
        assert open_seconds(hours, start, start + 1830 * DAY) < span.total_seconds()


@given(moments(), spans, spans)
@examples(800, 100)
def test_opening_time_adds_up_and_never_shrinks(
    moment: tuple[Hours, datetime], first: timedelta, second: timedelta
) -> None:
    hours, start = moment
    middle, end = start + first, start + first + second

    whole = open_seconds(hours, start, end)

    assert whole == open_seconds(hours, start, middle) + open_seconds(hours, middle, end)
    assert 0 <= open_seconds(hours, start, middle) <= whole <= (end - start).total_seconds()
    assert open_seconds(hours, end, start) == 0 or end == start


@given(moments())
@examples(600, 100)
def test_a_change_really_changes_and_nothing_does_before_it(moment: tuple[Hours, datetime]) -> None:
    hours, start = moment

    change = next_change(hours, start)

    until = change if change is not None else start + 40 * DAY
    assert all(is_open(hours, start + (until - start) * part / 7) == is_open(hours, start) for part in range(7))
    assert is_open(hours, until - TICK) == is_open(hours, start)
    if change is not None:
        assert change > start
        assert is_open(hours, change) != is_open(hours, start)
    opens = next_open(hours, start)
    assert opens == (start if is_open(hours, start) else change)


@given(moments(), spans)
@examples(600, 100)
def test_intervals_lie_apart_in_order_and_hold_what_is_open(moment: tuple[Hours, datetime], span: timedelta) -> None:
    hours, start = moment
    found = open_intervals(hours, start, start + span)
    edges = [edge for interval in found for edge in interval]

    assert edges == sorted(set(edges))
    assert all(start <= edge <= start + span for edge in edges)
    assert all(is_open(hours, opens) and is_open(hours, closes - TICK) for opens, closes in found)
    assert sum((closes - opens).total_seconds() for opens, closes in found) == open_seconds(hours, start, start + span)


@given(moments(), spans, spans)
@examples(600, 100)
def test_who_writes_later_is_never_due_earlier(
    moment: tuple[Hours, datetime], later: timedelta, span: timedelta
) -> None:
    hours, start = moment

    first, second = after_open(hours, start, span), after_open(hours, start + later, span)

    assert first is None or second is None or first <= second


@given(slots())
@examples(300, 100)
def test_a_week_without_overlaps_is_accepted_and_one_slot_more_within_it_is_not(week: tuple[Slot, ...]) -> None:
    Hours("some", "UTC", week)

    for slot in week:
        with pytest.raises(BadHours, match="overlaps"):
            Hours("some", "UTC", (*week, Slot(slot.weekday, slot.start, (slot.start + 1) % 1440)))
