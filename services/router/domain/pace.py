"""How fast a queue is worked off, and what still comes: measured, and looked ahead hour by hour. Pure.

`mu` of the expected wait is first human replies a second while something waited, but kept *for each agent who is
there*: who is there changes at nine, at noon and at six, what one of them does hardly. So a rate measured over weeks
holds for the minute in which somebody sits down.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from services.router.domain.words import URGENCIES

CLASSES = len(URGENCIES)

MU_FADES = 3600.0
"""Seconds of opening time over which what was measured of `mu` fades (EWMA)."""
ARRIVALS_FADE = 900.0
"""Seconds over which what was measured of arrivals fades: a crisis must count while it is one."""
RETURNS = 5400.0
"""Seconds over which a day that is unlike others is expected to become like them again."""
GAP = 900.0
"""Seconds between two looks from which on nobody knows what happened in between: it is not counted."""
HISTORY_COUNTS = 30.0
"""The weeks before count for `mu` as much as so many replies of today."""
HISTORY = timedelta(weeks=4)
HORIZON = 43_200.0
"""Seconds of opening time that are looked ahead."""
FARTHEST = timedelta(days=15)

Floats = NDArray[np.float64]
Interval = tuple[datetime, datetime]
Counts = tuple[float, ...]
"""One number for each class of urgency, the most urgent first."""

NONE: Counts = (0.0,) * CLASSES


class Seen(Struct, frozen=True, gc=False):
    """What one look at a queue saw. Classes are effective ones; while closed, as they will be when it opens."""

    at: datetime
    open: bool
    agents: int  # there and eligible, with room or without
    room: int  # free units of theirs
    waiting: tuple[int, ...]  # only what somebody there could take
    late: tuple[int, ...] = (0,) * CLASSES  # of them, past their target
    arrived: tuple[int, ...] = (0,) * CLASSES  # since the look before; a follow-up as new of the class above
    replied: int = 0  # first human replies since the look before


class Pace(Struct, frozen=True, gc=False):
    """What is remembered between two looks, the old fading."""

    at: datetime | None = None
    replies: float = 0.0  # while something waited
    worked: float = 0.0  # agent-seconds in which something waited
    arrived: Counts = NONE
    watched: float = 0.0  # seconds in which arrivals were counted
    staff: float = 0.0  # agents while it is, or was last, open
    opened: float = 0.0  # seconds of opening time in which they were counted
    agents: int = 0  # at the last look
    waited: bool = False  # at the last look


class Hour(Struct, frozen=True, gc=False):
    """One hour of a queue, or what two looks within it add to that."""

    at: datetime  # when it began
    open_seconds: float = 0.0
    agent_seconds: float = 0.0  # within opening hours
    replies: float = 0.0  # while something waited
    worked: float = 0.0  # agent-seconds in which something waited
    watched: float = 0.0
    arrived: Counts = NONE


def look(pace: Pace, seen: Seen) -> tuple[Pace, Hour | None]:
    """What is remembered after a look, and what it adds to the hour; nothing after a gap."""
    waits = seen.open and seen.agents > 0 and sum(seen.waiting) > seen.room  # else nobody was kept waiting by us
    if pace.at is None or not 0 < (seen.at - pace.at).total_seconds() <= GAP:
        return replace(pace, at=seen.at, agents=seen.agents, waited=waits, staff=pace.staff or float(seen.agents)), None
    seconds = (seen.at - pace.at).total_seconds()
    opened = seconds if seen.open else 0.0
    there = (pace.agents + seen.agents) / 2
    busy = seconds * there if waits and pace.waited else 0.0
    replied = float(seen.replied) if busy else 0.0
    stays = math.exp(-opened / MU_FADES)
    still = math.exp(-seconds / ARRIVALS_FADE)
    arrived = tuple(map(float, seen.arrived))
    counted = pace.opened * stays + opened
    after = Pace(
        at=seen.at,
        replies=pace.replies * stays + replied,
        worked=pace.worked * stays + busy,
        arrived=tuple(old * still + new for old, new in zip(pace.arrived, arrived, strict=True)),
        watched=pace.watched * still + seconds,
        staff=pace.staff + (there - pace.staff) * opened / counted if opened else pace.staff,
        opened=counted,
        agents=seen.agents,
        waited=waits,
    )
    began = pace.at.replace(minute=0, second=0, microsecond=0)
    return after, Hour(began, opened, there * opened, replied, busy, seconds, arrived)


def added(hour: Hour | None, more: Hour | None) -> Hour | None:
    """The hour with what a look adds to it; a new one where an hour has begun."""
    if hour is None or more is None or hour.at != more.at:
        return more or hour
    return Hour(
        hour.at,
        hour.open_seconds + more.open_seconds,
        hour.agent_seconds + more.agent_seconds,
        hour.replies + more.replies,
        hour.worked + more.worked,
        hour.watched + more.watched,
        tuple(a + b for a, b in zip(hour.arrived, more.arrived, strict=True)),
    )


class Profile(Struct, frozen=True):
    """The same hour of the week over four weeks: who is there, and what comes (a second, by class)."""

    staff: dict[int, float] = {}
    arrivals: dict[int, Counts] = {}
    replies: float = 0.0  # of all hours
    worked: float = 0.0


def profile_of(hours: Iterable[Hour], zone: tzinfo) -> Profile:
    """What those hours have in common, by the clocks on the wall."""
    opened, there, watched = [0.0] * 168, [0.0] * 168, [0.0] * 168
    arrived = [[0.0] * CLASSES for _ in range(168)]
    replies = worked = 0.0
    for hour in hours:
        place = hour_of_week(hour.at, zone)
        opened[place] += hour.open_seconds
        there[place] += hour.agent_seconds
        watched[place] += hour.watched
        for number, n in enumerate(hour.arrived):
            arrived[place][number] += n
        replies += hour.replies
        worked += hour.worked
    return Profile(
        {place: there[place] / opened[place] for place in range(168) if opened[place] >= 300},
        {place: tuple(n / watched[place] for n in arrived[place]) for place in range(168) if watched[place] >= 1800},
        replies,
        worked,
    )


def hour_of_week(at: datetime, zone: tzinfo) -> int:
    """0 is Monday from midnight, by the clocks on the wall."""
    local = at.astimezone(zone)
    return local.weekday() * 24 + local.hour


class Speed(Struct, frozen=True):
    """First replies a second for each agent who is there, as surely as so many replies say it."""

    each: float
    replies: float


def speed(pace: Pace, profile: Profile, handled_seconds: float | None) -> Speed | None:
    """Today's hour blended with the weeks before; where nothing ever waited, one reply in the time it takes.

    None: nobody ever replied.
    """
    shape, seconds = pace.replies, pace.worked
    if profile.replies >= 1 and profile.worked > 0:
        counts = min(profile.replies, HISTORY_COUNTS)
        shape += counts
        seconds += counts * profile.worked / profile.replies
    elif handled_seconds:
        shape += 3.0
        seconds += 3.0 * handled_seconds
    return Speed(shape / seconds, shape) if shape > 0 and seconds > 0 else None


class Outlook(Struct, frozen=True):
    """What is expected from now on, piece by piece: piece `i` lasts from `opened[i]` to `opened[i + 1]`."""

    opened: Floats  # opening time passed, in seconds; n + 1 of them
    seconds: Floats  # length of each piece
    middle: Floats  # of each piece, in seconds on the wall from now
    matters: Floats  # when who writes then is sorted in: at once, or while closed at the opening; on the wall too
    staff: Floats  # agents in each, 0 while closed
    arrivals: Floats  # a second, by class and piece


def outlook(
    now: datetime, intervals: Sequence[Interval], pace: Pace, profile: Profile, zone: tzinfo, agents: int
) -> Outlook:
    """The next hours: as the weeks before, plus today's difference, which is forgotten by and by.

    Args:
        intervals: what is open from now on, in order, without an end before now.
        agents: who is there now.
    """
    here = hour_of_week(now, zone)
    open_now = bool(intervals) and intervals[0][0] <= now
    rate = tuple(n / pace.watched for n in pace.arrived) if pace.watched >= 60 else None
    opened, seconds, middles, matters, staff, arrivals = [0.0], [], [], [], [], []
    for start, end, opens in _pieces(now, intervals):
        length, is_open = (end - start).total_seconds(), opens is None
        middle = (start - now).total_seconds() + length / 2
        middles.append(middle)
        matters.append(middle if opens is None else (opens - now).total_seconds())
        place = hour_of_week(start, zone)
        still = math.exp(-middle / RETURNS)
        opened.append(opened[-1] + (length if is_open else 0.0))
        seconds.append(length)
        staff.append(_staff(pace, profile, place, here, still if open_now else 0.0, agents) if is_open else 0.0)
        arrivals.append(_arrivals(rate, profile, place, here, still))
        if opened[-1] >= HORIZON:
            break
    return Outlook(
        np.array(opened),
        np.array(seconds),
        np.array(middles),
        np.array(matters),
        np.array(staff),
        np.array(arrivals).reshape(-1, CLASSES).T,
    )


def _pieces(now: datetime, intervals: Sequence[Interval]) -> Iterable[tuple[datetime, datetime, datetime | None]]:
    """Stretches from now on, cut at full hours; of a closed one, when it opens."""
    at = now
    for start, end in intervals:
        for until, opens in ((start, start), (end, None)):
            while at < until:
                stop = min(until, at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
                yield at, stop, opens
                at = stop


def _staff(pace: Pace, profile: Profile, place: int, here: int, still: float, agents: int) -> float:
    usual = profile.staff.get(place)
    if usual is None:
        return float(agents) * still + pace.staff * (1 - still)
    return max(0.0, usual + (agents - profile.staff.get(here, usual)) * still)


def _arrivals(rate: Counts | None, profile: Profile, place: int, here: int, still: float) -> Counts:
    usual = profile.arrivals.get(place)
    if usual is None:
        return rate or NONE
    if rate is None:
        return usual
    before = profile.arrivals.get(here, usual)
    return tuple(max(0.0, u + (r - b) * still) for u, r, b in zip(usual, rate, before, strict=True))
