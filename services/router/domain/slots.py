"""Slots of a week and of a date as people write them, and what makes them, a zone or a region wrong. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

DAY = 24 * 60
WEEK = 7 * DAY
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME = re.compile(r"(\d{1,2})(?::(\d{2})|h(\d{2})?)?")


class BadHours(ValueError):
    """These hours cannot be kept: where in them (`$.week.mon[0]`), what is wrong, and what to do."""

    def __init__(self, path: str, detail: str, fix: str) -> None:
        super().__init__(f"{path}: {detail}; {fix}")
        self.path, self.detail, self.fix = path, detail, fix


class Slot(Struct, frozen=True, gc=False):
    """Open every week from `start` to `end`, in minutes since local midnight; `end` <= `start`: on the next day."""

    weekday: int  # 0..6, Monday first
    start: int  # 0..1439
    end: int  # 1440 is 24:00


class Dated(Struct, frozen=True, gc=False):
    """The slots of one date, instead of its weekday's and whether a public holiday or not; none: closed."""

    on: date
    spans: tuple[tuple[int, int], ...] = ()  # (start, end) as in `Slot`


def told(minute: int, language: str = "en") -> str:
    """A time of day: "09:30", in French "9 h 30"."""
    hour, rest = divmod(minute, 60)
    if language == "fr":
        return f"{hour} h {rest:02}" if rest else f"{hour} h"
    return f"{hour:02}:{rest:02}"


def parse_slots(week: Mapping[str, Sequence[str]], path: str = "$.week") -> tuple[Slot, ...]:
    """Slots by days: "mon", "mon-fri" (also "sat-mon"), "daily"; sorted. A day in two of them has the slots of both.

    Raises:
        BadHours: an unknown day, an unreadable time, an empty slot, slots that overlap (also across midnight and from
            Sunday into Monday).
    """
    found = [
        (Slot(day, *_span(text, f"{path}.{days}[{index}]")), f"{path}.{days}[{index}]")
        for days, texts in week.items()
        for day in _weekdays(days, path)
        for index, text in enumerate(_list(texts, f"{path}.{days}"))
    ]
    check_week(found)
    return tuple(sorted((slot for slot, _ in found), key=lambda slot: (slot.weekday, slot.start)))


def parse_exceptions(dates: Mapping[str, Sequence[str]], path: str = "$.exceptions") -> tuple[Dated, ...]:
    """Slots by date (YYYY-MM-DD), in order; an empty list: closed.

    Raises:
        BadHours: no date, an unreadable time, slots of one date that are empty or overlap.
    """
    found = []
    for written, texts in dates.items():
        try:
            on = date.fromisoformat(written)
        except ValueError:
            raise BadHours(f"{path}.{written}", "no date", 'write it as "2026-12-24"') from None
        where = f"{path}.{written}"
        spans = [(_span(text, f"{where}[{i}]"), f"{where}[{i}]") for i, text in enumerate(_list(texts, where))]
        check_date(on, spans)
        found.append(Dated(on, tuple(sorted(span for span, _ in spans))))
    return tuple(sorted(found, key=lambda dated: dated.on))


def _list(texts: Sequence[str], path: str) -> Sequence[str]:
    if isinstance(texts, str):  # a sequence of characters
        raise BadHours(path, "a text where a list is wanted", f'write ["{texts}"]')
    return texts


def _weekdays(written: str, path: str) -> list[int]:
    if written == "daily":
        return list(range(7))
    first, _, last = written.partition("-")
    for name in (first, last or first):
        if name not in DAYS:
            near = get_close_matches(name.casefold(), DAYS, 1, 0.5)
            fix = f'did you mean "{near[0]}"?' if near else f"write one of {', '.join(DAYS)}, mon-fri or daily"
            raise BadHours(f"{path}.{written}", f'no day is called "{name}"', fix)
    start = DAYS.index(first)
    return [(start + more) % 7 for more in range((DAYS.index(last or first) - start) % 7 + 1)]


def _span(written: str, path: str) -> tuple[int, int]:
    start, dash, end = written.replace("–", "-").partition("-")
    minutes = []
    for text in (start.strip(), end.strip()):
        match = _TIME.fullmatch(text)
        hour, minute = (int(match[1]), int(match[2] or match[3] or 0)) if match else (99, 0)
        if not dash or minute > 59 or hour * 60 + minute > DAY:
            raise BadHours(path, f'"{written}" is no opening time', 'write it as "09:00-12:30"')
        minutes.append(hour * 60 + minute)
    return minutes[0], minutes[1]


def check_week(slots: Iterable[tuple[Slot, str]]) -> None:
    """Refuse, as `BadHours`, what is no slot of a week, and slots that overlap; each comes with its path."""
    placed = []
    for slot, path in slots:
        if slot.weekday not in range(7):
            raise BadHours(path, f"no weekday is {slot.weekday}", "count from 0, Monday, to 6, Sunday")
        placed.append((slot.weekday * DAY + slot.start, (slot.start, slot.end), DAYS[slot.weekday], path))
    _check(placed, circular=True)


def check_date(on: date, spans: Iterable[tuple[tuple[int, int], str]]) -> None:
    """The same for the slots of one date; whether they run into the next date's is not asked: that may change."""
    _check([(span[0], span, str(on), path) for span, path in spans])


def _check(placed: list[tuple[int, tuple[int, int], str, str]], circular: bool = False) -> None:
    """Refuse what is no slot, and slots that overlap; a week is circular, after Sunday comes Monday.

    Args:
        placed: for each slot the minute it begins in the week or date, its times, its day and its path.
    """
    for _, (start, end), day, path in placed:
        times = f"{day} {told(start)}-{told(end)}"
        if not (0 <= start < DAY and 0 <= end <= DAY):
            raise BadHours(path, f"{times} is not within a day", "start at 00:00 to 23:59, end at 00:00 to 24:00")
        if start == end:
            fix = 'write "00:00-24:00" for a whole day, and no slot for none'
            raise BadHours(path, f"{times} is empty", fix)
    placed.sort()
    following = placed[1:]
    if circular and placed:
        following.append((placed[0][0] + WEEK, *placed[0][1:]))
    for (begin, span, day, _), (next_begin, next_span, next_day, path) in zip(placed, following, strict=False):
        if begin + length(*span) > next_begin:
            first, second = ("-".join(told(minute) for minute in both) for both in (span, next_span))
            detail = f"{next_day} {second} overlaps {day} {first}"
            raise BadHours(path, detail, "let one end where the other starts, or write both as one")


def length(start: int, end: int) -> int:
    """The minutes of a slot, over midnight too."""
    return end - start if end > start else end + DAY - start


@lru_cache
def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of this name; else `BadHours` names the nearest."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there; not a name; a folder of zones
        known = {zone.casefold(): zone for zone in available_timezones()}
        known |= {zone.rpartition("/")[2]: full for zone, full in sorted(known.items(), reverse=True)} | known
        raise _unknown("$.zone", "zone", name, known, 'an IANA name such as "Europe/Paris"') from None


@lru_cache
def region_of(code: str) -> tuple[str, str | None]:
    """The country and the region of these public holidays, as their library calls them."""
    from holidays import country_holidays, list_supported_countries  # slow to import, and not everybody needs it

    countries = {country.casefold(): country for country in list_supported_countries(include_aliases=False)}
    written, _, part = code.partition("-")
    country = countries.get(written.casefold())
    if country is None:
        raise _unknown("$.holidays", "country", code, countries, 'two letters, such as "FR" or "CA-QC"')
    if not part:
        return country, None
    listed = country_holidays(country)
    regions = {region.casefold(): region for region in listed.subdivisions}
    regions |= {alias.casefold(): region for alias, region in getattr(listed, "subdivisions_aliases", {}).items()}
    if part.casefold() not in regions:
        near = get_close_matches(part.casefold(), regions, 1, 0.6)
        has = f"or add a region: {', '.join(listed.subdivisions)}" if regions else "it has no regions here"
        fix = f'did you mean "{country}-{regions[near[0]]}"?' if near else f'write "{country}" for all of it; {has}'
        raise BadHours("$.holidays", f'no region is called "{code}"', fix)
    return country, regions[part.casefold()]


def _unknown(path: str, kind: str, written: str, known: Mapping[str, str], otherwise: str) -> BadHours:
    near = get_close_matches(written.casefold(), known, 1, 0.72)
    fix = f'did you mean "{known[near[0]]}"?' if near else f"write {otherwise}"
    return BadHours(path, f'no {kind} is called "{written}"', fix)
