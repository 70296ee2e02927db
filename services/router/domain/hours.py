"""When people are there: slots of a week, dated exceptions and public holidays in the wall time of a zone. Pure.

Instants are aware datetimes, answered in UTC; opening times are half-open, [start, end). A slot belongs to the local
date it starts on: an exception or a public holiday replaces the slots that start on its date, so the night before
still ends when it would have. What overlaps all the same (a night that runs into an exception) counts once.

On the days the clocks change, a local time that occurs twice is its first occurrence, and one that is skipped is the
moment the clocks jump: 02:30-10:00 opens at 03:00 where 02:00-03:00 does not exist. The arithmetic is on UTC
instants, kept by month, exact to the microsecond.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.router.domain.slots import (
    DAY,
    BadHours,
    Dated,
    Slot,
    check_date,
    check_week,
    length,
    parse_exceptions,
    parse_slots,
    region_of,
    told,
    zone_of,
)

__all__ = [
    "ALWAYS",
    "BadHours",
    "Dated",
    "Hours",
    "Slot",
    "after_open",
    "describe",
    "hours_from",
    "is_open",
    "next_change",
    "next_open",
    "open_intervals",
    "open_seconds",
    "parse_exceptions",
    "parse_slots",
]

CHANGES_WITHIN = timedelta(days=366)
"""`next_change` and `next_open` look no further ahead."""
GIVEN_WITHIN = timedelta(days=5 * 366)
"""`after_open` looks no further ahead."""

_NOTHING = timedelta(0)
_ALL_DAY = (0, DAY)
_WORDS: dict[str, tuple[tuple[str, ...], str, str, str, str, str]] = {
    # days; every day; all day; at any time; never; on public holidays
    "fr": (
        ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        "tous les jours", "24 h/24", "24 h/24, 7 j/7", "fermé", "fermé les jours fériés",
    ),
    "en": (
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        "daily", "all day", "24 hours a day, 7 days a week", "closed", "closed on public holidays",
    ),
}  # fmt: skip


class Hours(Struct, frozen=True, gc=False):
    """Opening hours under a name.

    Raises:
        BadHours: a zone, country or region nobody knows; slots that are empty, overlap or are no times of day.
    """

    slug: str
    zone: str = "UTC"  # IANA
    slots: tuple[Slot, ...] = ()
    exceptions: tuple[Dated, ...] = ()
    holidays: str = ""  # of a country or of one of its regions: FR, FR-57, CA-QC
    always_open: bool = False  # then there is nothing else to say

    def __post_init__(self) -> None:
        zone_of(self.zone)
        if self.always_open and (self.slots or self.exceptions or self.holidays):
            raise BadHours("$.always_open", "hours that never close have slots, exceptions or holidays", "drop either")
        check_week((slot, f"$.slots[{index}]") for index, slot in enumerate(self.slots))
        for dated in self.exceptions:
            check_date(dated.on, ((span, f"$.exceptions.{dated.on}[{i}]") for i, span in enumerate(dated.spans)))
        if len({dated.on for dated in self.exceptions}) < len(self.exceptions):
            raise BadHours("$.exceptions", "a date stands there twice", "write all its slots under one")
        if self.holidays:
            region_of(self.holidays)

    def __hash__(self) -> int:  # cheap, for every question asks the cache; equality tells two versions apart
        return hash((self.slug, self.zone, self.holidays))


ALWAYS = Hours("always", always_open=True)


# --- questions


def is_open(hours: Hours, at: datetime) -> bool:
    """Whether somebody is there at this moment; no longer at the very moment of closing."""
    if at.tzinfo is not UTC:
        at = _utc(at)
    starts, ends, _ = _month(hours, at.year, at.month)
    index = bisect_right(starts, at)
    return index > 0 and at < ends[index - 1]


def next_change(hours: Hours, at: datetime) -> datetime | None:
    """The first moment after `at` that is open where `at` is closed, or the reverse; None: none within a year."""
    at = _utc(at)
    for start, end in _intervals(hours, at, at + CHANGES_WITHIN):
        if start > at:
            return start
        return end if end < at + CHANGES_WITHIN else None
    return None


def next_open(hours: Hours, at: datetime) -> datetime | None:
    """`at` itself where open, else the first moment of opening after it; None: none within a year."""
    at = _utc(at)
    return next((start for start, _ in _intervals(hours, at, at + CHANGES_WITHIN)), None)


def open_seconds(hours: Hours, start: datetime, end: datetime) -> float:
    """Opening time from `start` to `end`; 0 where `end` is not later."""
    start, end = _utc(start), _utc(end)
    if end <= start:
        return 0.0
    spent = _opened(hours, end) - _opened(hours, start)
    year, month = start.year, start.month
    while (year, month) != (end.year, end.month):
        spent += _month(hours, year, month)[2][-1]
        year, month = _following(year, month)
    return spent.total_seconds()


def after_open(hours: Hours, start: datetime, span: timedelta) -> datetime | None:
    """The earliest moment, not before `start`, by which so much opening time has passed; it may be one of closing.

    None: not within five years. `start` itself where `span` is not positive.
    """
    if start.tzinfo is not UTC:
        start = _utc(start)
    if span <= _NOTHING:
        return start
    if hours.always_open:
        return start + span if span <= GIVEN_WITHIN else None
    year, month, left = start.year, start.month, span
    last = start + GIVEN_WITHIN
    starts, ends, before = _month(hours, year, month)
    index = bisect_right(ends, start)  # the first that ends later
    if index < len(ends) and starts[index] < start:
        left += start - starts[index]  # as if we had come when it opened
    while before[-1] - before[index] < left:
        left -= before[-1] - before[index]
        year, month = _following(year, month)
        if (year, month) > (last.year, last.month):
            return None
        starts, ends, before = _month(hours, year, month)
        index = 0
    wanted = before[index] + left
    index = bisect_left(before, wanted, index + 1) - 1  # the first by whose end it has passed
    reached = starts[index] + (wanted - before[index])
    return reached if reached <= last else None


def open_intervals(hours: Hours, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The opening times from `start` to `end`, in order, cut off at both; two of them never touch."""
    return list(_intervals(hours, _utc(start), _utc(end)))


def describe(hours: Hours, language: Literal["fr", "en"]) -> str:
    """The week for people, without its exceptions: "lundi-vendredi 9 h-18 h (Europe/Paris)"."""
    names, daily, all_day, always, never, holidays = _WORDS[language]
    if hours.always_open:
        return always
    week: list[tuple[tuple[int, int], ...]] = [
        tuple(sorted((slot.start, slot.end) for slot in hours.slots if slot.weekday == day)) for day in range(7)
    ]
    lines = []
    for spans in dict.fromkeys(spans for spans in week if spans):  # days with the same slots stand together
        days = [day for day in range(7) if week[day] == spans]
        firsts = [day for day in days if day - 1 not in days]
        lasts = [day for day in days if day + 1 not in days]
        runs = (
            names[first] if first == last else f"{names[first]}-{names[last]}"
            for first, last in zip(firsts, lasts, strict=True)
        )
        times = (all_day if span == _ALL_DAY else "-".join(told(minute, language) for minute in span) for span in spans)
        lines.append(f"{daily if len(days) == 7 else ', '.join(runs)} {', '.join(times)}")
    text = f"{'; '.join(lines) or never} ({hours.zone})"
    return f"{text}, {holidays} ({hours.holidays})" if hours.holidays else text


# --- what is written


def hours_from(
    slug: str,
    zone: str,
    week: Mapping[str, Sequence[str]],
    *,
    exceptions: Mapping[str, Sequence[str]] | None = None,
    holidays: str = "",
) -> Hours:
    """Hours as people write them: {"mon-fri": ["09:00-12:30", "13:30-18:00"]}, {"2026-12-24": ["09:00-12:00"]}.

    Raises:
        BadHours: what is wrong, where, and what to do.
    """
    if not week and not exceptions:
        raise BadHours(
            "$.week", "no opening time at all", 'write {"mon-fri": ["09:00-18:00"]}, or {"daily": ["00:00-24:00"]}'
        )
    return Hours(slug, zone, parse_slots(week), parse_exceptions(exceptions or {}), holidays)


# --- months


@lru_cache(maxsize=512)
def _public_holidays(code: str, year: int) -> frozenset[date]:
    from holidays import country_holidays

    country, region = region_of(code)
    return frozenset(country_holidays(country, subdiv=region, years=year))


@lru_cache(maxsize=8192)
def _month(
    hours: Hours, year: int, month: int
) -> tuple[tuple[datetime, ...], tuple[datetime, ...], tuple[timedelta, ...]]:
    """What is open in a month of UTC: starts, ends (apart, in order); the opening time before each, and of all."""
    first = datetime(year, month, 1, tzinfo=UTC)
    after = datetime(*_following(year, month), 1, tzinfo=UTC)
    if hours.always_open:
        return (first,), (after,), (_NOTHING, after - first)
    zone = zone_of(hours.zone)
    dated = {dated.on: dated.spans for dated in hours.exceptions}
    found = []
    for number in range(first.toordinal() - 2, after.toordinal() + 1):  # a night may begin two dates before, by UTC
        day = date.fromordinal(number)
        for start, end in _spans(hours, dated, day):
            opens, closes = _instant(zone, day, start), _instant(zone, day, start + length(start, end))
            if opens < closes and opens < after and closes > first:
                found.append((max(opens, first), min(closes, after)))
    starts: list[datetime] = []
    ends: list[datetime] = []
    for opens, closes in sorted(found):
        if ends and opens <= ends[-1]:
            ends[-1] = max(ends[-1], closes)
        else:
            starts.append(opens)
            ends.append(closes)
    lengths = (closes - opens for opens, closes in zip(starts, ends, strict=True))
    return tuple(starts), tuple(ends), tuple(accumulate(lengths, initial=_NOTHING))


def _spans(hours: Hours, dated: Mapping[date, tuple[tuple[int, int], ...]], day: date) -> Iterable[tuple[int, int]]:
    """The slots that start on this date."""
    if day in dated:
        return dated[day]
    if hours.holidays and day in _public_holidays(hours.holidays, day.year):
        return ()
    weekday = day.weekday()
    return [(slot.start, slot.end) for slot in hours.slots if slot.weekday == weekday]


def _instant(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """When the clocks show this minute of the date for the first time; where they skip it, when they do."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)  # in wall time
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    wall = local.replace(tzinfo=UTC)
    if after <= before:
        return wall - before
    skips, late = wall - after, wall - before  # the clocks jump after the one, and not after the other
    while late - skips > timedelta(seconds=1):
        middle = skips + (late - skips) // 2
        if middle.astimezone(zone).utcoffset() == after:
            late = middle
        else:
            skips = middle
    return late.replace(microsecond=0)


def _intervals(hours: Hours, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    opens: datetime | None = None
    closes = start
    year, month = start.year, start.month
    while (year, month) <= (end.year, end.month):
        starts, ends, _ = _month(hours, year, month)
        for index in range(bisect_right(ends, start), len(starts)):
            if starts[index] >= end:
                break
            if opens is None or starts[index] > closes:  # else it runs on from the month before
                if opens is not None:
                    yield opens, closes
                opens = max(starts[index], start)
            closes = min(ends[index], end)
        year, month = _following(year, month)
    if opens is not None and closes > opens:
        yield opens, closes


def _opened(hours: Hours, at: datetime) -> timedelta:
    """The opening time from the first of the month, by UTC, until this moment."""
    starts, ends, before = _month(hours, at.year, at.month)
    index = bisect_right(starts, at)
    return before[index] - max(ends[index - 1] - at, _NOTHING) if index else _NOTHING


def _following(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no zone: say which moment is meant, such as {at.isoformat()}Z")
    return at.astimezone(UTC)
