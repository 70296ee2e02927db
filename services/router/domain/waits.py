"""The expected wait: opening time until a first human reply, for an item that joins a queue now. Pure.

Of the items ahead, as many as there are must be started before this one; then somebody writes the reply. So a wait is
the time of `ahead + 1` starts at the rate `mu - lambda_up`, and after it the time that a reply takes. Where capacity is
free and nobody is ahead, only the second part is left, and it is what such items were seen to wait.
"""

from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist
from typing import Literal

import numpy as np
from msgspec import Struct

from services.router.domain.order import LIFT_AFTER
from services.router.domain.pace import CLASSES, Floats, Outlook, Seen, Speed

FEWEST = 20
"""Below so many observed replies nothing is said."""
LONGEST = 28_800.0
"""Seconds of opening time; what lasts longer is "more than N h"."""
LATE_SHARE = 0.2
"""Of a class's picks, for those past their target while others are not: every fifth (see `order.LATE_EVERY`)."""
SAMPLES = 256
WINDOW_SECONDS = 900.0
"""Over which networks count what a handle posts."""
_DISPERSION = 8.0  # at most: an unstable queue's waits have no variance at all

Quantiles = tuple[float, float, float]
"""p50, p80, p90 in seconds of opening time."""
SHARES = (0.5, 0.8, 0.9)

Regime = Literal["idle", "line", "closed"]
"""Where a promise comes from: somebody was free, there was a line, or nobody was there yet."""


class Served(Struct, frozen=True, gc=False):
    """What was observed of items that got their first human reply: seconds of opening time, in any order."""

    idle: tuple[float, ...] = ()  # from joining to the reply, where capacity was free and nobody ahead
    handled: tuple[float, ...] = ()  # from an agent's taking it to the reply


class Known(Struct, frozen=True, gc=False):
    """By when half, four fifths and nine tenths of such items are answered."""

    quantiles: Quantiles
    raw: Quantiles  # before the ledger's correction
    regime: Regime


class MoreThan(Struct, frozen=True, gc=False):
    """It would be longer than anybody plans for."""

    hours: int


class Unknown(Struct, frozen=True, gc=False):
    """Nothing can be said: `few_samples`, `nobody_available`, `never_open`, `unsteady`."""

    reason: str


Expected = Known | MoreThan | Unknown


class Line(Struct, frozen=True, gc=False):
    """What stands before an item that joins now."""

    regime: Regime
    starts: float  # how many items must be started before an agent is free for this one, itself included
    overtaken: float  # those of its own class that are late: they come first once it is late too
    seconds: float | None  # of opening time until it would be late


def line_of(number: int, seen: Seen, ahead: Outlook, target_seconds: float | None) -> Line:
    """What an item of this class (0 is critical) finds; while closed, when it opens."""
    opening = int(np.argmax(ahead.staff > 0))
    if not seen.open:
        number = int(_lifted(number, ahead.middle[opening : opening + 1] - ahead.seconds[opening] / 2)[0])
    before = sum(seen.waiting[:number])
    own, late = seen.waiting[number], seen.late[number]
    in_time = own - late
    first = min(late, in_time / (1 / LATE_SHARE - 1)) if target_seconds is not None else late
    first_ones = before + in_time + first
    if not seen.open:
        free = max(1.0, float(ahead.staff[opening]))
        return Line("closed", max(0.0, first_ones + 1 - free), late - first, target_seconds)
    if seen.room > 0 and first_ones == 0:
        return Line("idle", 0.0, 0.0, target_seconds)
    return Line("line", max(0.0, first_ones + 1 - seen.room), late - first, target_seconds)


def expected(
    number: int,
    seen: Seen,
    served: Served,
    ahead: Outlook,
    mu: Speed | None,
    *,
    target_seconds: float | None = None,
    most_a_second: float | None = None,
    correct: Callable[[Regime], Quantiles] = lambda _: (1.0, 1.0, 1.0),
) -> Expected:
    """The wait of an item of this class (0 is critical) that joins now.

    Args:
        ahead: what is expected from now on.
        target_seconds: opening time after which the item is late, and then stands among the late ones.
        most_a_second: replies the network's posting budget allows; None: as many as we write.
        correct: what the ledger says the quantiles must be multiplied with.
    """
    if len(served.idle) < FEWEST and len(served.handled) < FEWEST:
        return Unknown("few_samples")
    if not len(ahead.seconds) or ahead.opened[-1] == 0:
        return Unknown("never_open")
    if (seen.open and seen.agents == 0) or not (ahead.staff > 0).any():
        return Unknown("nobody_available")
    line = line_of(number, seen, ahead, target_seconds)
    waits = _replies(served, line.regime)
    if line.starts > 0:
        if mu is None:
            return Unknown("few_samples")
        waits = waits + _until_started(number, line, ahead, mu, most_a_second)
    waits.sort()
    if np.isinf(waits[int(0.8 * SAMPLES)]):
        return _longer(waits)
    raw = [min(float(waits[int(share * SAMPLES)]), float(ahead.opened[-1])) for share in SHARES]
    p50, p80, p90 = (quantile * factor for quantile, factor in zip(raw, correct(line.regime), strict=True))
    p80 = max(p50, p80)
    if p80 > LONGEST:
        return _longer(waits)
    return Known((p50, p80, max(p80, p90)), (raw[0], raw[1], raw[2]), line.regime)


def _longer(waits: Floats) -> MoreThan | Unknown:
    """Hours that nine tenths of such items wait at least, as far as anybody looks; below one nothing is sure."""
    least = int(min(float(waits[int(0.1 * SAMPLES)]), LONGEST) // 3600)
    return MoreThan(least) if least else Unknown("unsteady")


def _until_started(number: int, line: Line, ahead: Outlook, mu: Speed, most: float | None) -> Floats:
    """Opening time until an agent takes it, one for each sample; infinite beyond the horizon."""
    higher, own = _overtaking(number, ahead)
    starts = np.where(ahead.staff > 0, _capped(mu.each * ahead.staff, most), 0.0)
    first = 0 if ahead.staff[0] > 0 else int(np.argmax(ahead.staff > 0))
    spread = _dispersion(float(starts[first]), float(higher[first]))
    needed = _gamma(line.starts / spread) * spread / _certainty(mu.replies)
    begins = _reached(needed, ahead, starts - higher)
    if line.seconds is None or line.overtaken + line.starts <= 0:
        return begins
    slow = np.where(starts > 0, np.maximum(LATE_SHARE * starts, starts - higher - own), -higher)
    spans = np.diff(ahead.opened)
    share = np.clip((ahead.opened[1:] - line.seconds) / np.where(spans > 0, spans, 1.0), 0.0, 1.0)
    share = np.where(spans > 0, share, ahead.opened[1:] > line.seconds)  # of each piece, in which it is late
    rates = (starts - higher) * (1 - share) + slow * share
    after = _reached(needed * (line.starts + line.overtaken) / line.starts, ahead, rates)
    return np.where(begins > line.seconds, np.maximum(begins, after), begins)


def _overtaking(number: int, ahead: Outlook) -> tuple[Floats, Floats]:
    """What comes later a second, piece by piece, and is more urgent when it matters, or as urgent.

    Waiting lifts all of them: what was written on Saturday is first on Monday, whatever else comes on Sunday.
    """
    own = _lifted(number, ahead.matters)
    higher = same = np.zeros(len(ahead.seconds))
    for other in range(CLASSES):
        theirs = _lifted(other, ahead.matters - ahead.middle)
        higher = higher + np.where(theirs < own, ahead.arrivals[other], 0.0)
        same = same + np.where((theirs == own) & (ahead.staff > 0), ahead.arrivals[other], 0.0)
    return higher, same


def _lifted(number: int, waited: Floats) -> Floats:
    """The effective class after so many seconds, as `order.effective_class`."""
    return np.maximum(1, number - waited // LIFT_AFTER.total_seconds()) if number > 1 else np.full(len(waited), number)


def posted_a_second(senders: Iterable[tuple[str, str]], budgets: Mapping[str, int]) -> float | None:
    """Replies a second that the networks let these handles post; None: one of them has no limit that we know of.

    Args:
        senders: (network, handle), each once.
        budgets: by network, how many each handle may post in 15 minutes.
    """
    limits = [budgets.get(network) for network, _ in senders]
    known = [limit for limit in limits if limit is not None]
    return sum(known) / WINDOW_SECONDS if known and len(known) == len(limits) else None


def _capped(rates: Floats, most: float | None) -> Floats:
    return rates if most is None else np.minimum(rates, most)


def _dispersion(mu: float, higher: float) -> float:
    """Variance of the net work by its mean: both what is done and what comes before are counts of chance."""
    return min(_DISPERSION, (mu + higher) / (mu - higher)) if mu > higher else _DISPERSION


def _reached(needed: Floats, ahead: Outlook, rates: Floats) -> Floats:
    """The opening time at which the sum of these rates first reaches what is needed."""
    total = np.concatenate(([0.0], np.cumsum(rates * ahead.seconds)))
    highest = np.maximum.accumulate(total)
    piece = np.searchsorted(highest, needed, side="left") - 1
    inside = (piece >= 0) & (piece < len(rates))
    at = np.clip(piece, 0, len(rates) - 1)
    rate = np.where(rates[at] > 0, rates[at], 1.0)
    reached = ahead.opened[at] + (needed - total[at]) / rate
    return np.where(piece < 0, 0.0, np.where(inside, reached, np.inf))


def _replies(served: Served, regime: Regime) -> Floats:
    """How long the reply itself takes, one for each sample."""
    if regime == "line":
        known = served.handled if len(served.handled) >= FEWEST else served.idle
    else:
        known = served.idle if len(served.idle) >= FEWEST else served.handled
    values = np.sort(np.array(known))
    at = np.minimum((_POINTS[2] * (len(values) + 1)).astype(int), len(values) - 1)  # (n + 1): for the next one
    found: Floats = values[at].astype(np.float64)
    return found


# --- chance, always the same: points that fill a cube evenly (Halton's)


def _halton(base: int) -> Floats:
    points = []
    for number in range(1, SAMPLES + 1):
        share, point = 1.0, 0.0
        while number:
            share /= base
            point += share * (number % base)
            number //= base
        points.append(point)
    return np.array(points)


_POINTS = tuple(_halton(base) for base in (2, 3, 5, 7))
_NORMAL = tuple(np.array([NormalDist().inv_cdf(float(point)) for point in _POINTS[n]]) for n in (0, 1))


def _gamma(shape: float) -> Floats:
    """Gamma-distributed numbers, by Wilson and Hilferty's cube; a small shape by the next larger one."""
    return _cube(shape, 0) if shape >= 1 else _cube(shape + 1, 0) * _POINTS[3] ** (1 / max(shape, 1e-3))


def _certainty(replies: float) -> Floats:
    """By what the true rate may differ from the one measured over so many replies; around 1."""
    shape = max(2.0, replies)
    return np.maximum(_cube(shape, 1) / shape, 0.05)


def _cube(shape: float, dimension: int) -> Floats:
    cubed: Floats = np.maximum(1 - 1 / (9 * shape) + _NORMAL[dimension] / (3 * shape**0.5), 0.0) ** 3
    return shape * cubed
