"""What is published of the expected wait, and whether it is kept: rounding, patience, correction. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from services.router.domain.hours import Hours, after_open, open_intervals
from services.router.domain.pace import FARTHEST, Hour, Pace, Profile, Seen, added, look, outlook, speed
from services.router.domain.waits import SHARES, Expected, Known, MoreThan, Quantiles, Regime, Served, Unknown, expected

CLASSES = 4
"""Those that somebody is promised an answer to: not thanks."""
PLAIN = 3
"""The class of a plain question: what is said of a queue where no class is named. Who has a complaint waits less."""

FIVE, QUARTER, HOUR = 300, 900, 3600
CHANGES_BY = 0.2
LOOKS = 2
REMEMBERED = 200
FEWEST_SCORED = 20
LEAST, MOST = 0.4, 4.0
"""Between these the ledger may correct: what is farther off is no matter of calibration."""
SCORED_FOR = timedelta(days=14)
KEPT_SHARE = 0.8
REGIMES: tuple[Regime, ...] = ("idle", "line", "closed")
UNCORRECTED: Quantiles = (1.0, 1.0, 1.0)


def round_up(seconds: float) -> int:
    """To 5 minutes under an hour, to 15 above; never 0."""
    if seconds <= HOUR:
        return max(FIVE, math.ceil(seconds / FIVE) * FIVE)
    return math.ceil(seconds / QUARTER) * QUARTER


class Shown(Struct, frozen=True, gc=False):
    """What is published for one class of a queue, and since when. Times are opening time, not yet rounded up."""

    state: str = "unknown"  # known, more_than, unknown
    p50: float = 0.0
    p80: float = 0.0
    p90: float = 0.0
    raw: Quantiles = (0.0, 0.0, 0.0)  # before the ledger's correction
    regime: Regime = "line"
    hours: int = 0  # more than so many
    reason: str = "few_samples"
    since: datetime | None = None
    differs: int = 0  # looks in a row that would say something else


def shown_of(wait: Expected) -> Shown:
    """A wait as it would be published."""
    match wait:
        case Known((p50, p80, p90), raw, regime):
            return Shown("known", p50, p80, p90, raw, regime, reason="")
        case MoreThan(hours):
            return Shown("more_than", hours=hours, reason="")
        case Unknown(reason):
            return Shown(reason=reason)


def publish(shown: Shown, wait: Shown, now: datetime) -> Shown:
    """What is published from now on: the same, until another wait differs by more than a fifth for two looks."""
    if shown.since is None:
        return replace(wait, since=now)
    if not _differs(shown, wait):
        return replace(shown, differs=0)
    if shown.differs + 1 < LOOKS:
        return replace(shown, differs=shown.differs + 1)
    return replace(wait, since=now)


def _differs(shown: Shown, wait: Shown) -> bool:
    if shown.state != wait.state:
        return True
    if wait.state == "known":
        before = round_up(shown.p80)
        return abs(round_up(wait.p80) - before) > CHANGES_BY * before
    return (shown.hours, shown.reason) != (wait.hours, wait.reason)


def wall_seconds(hours: Hours, opening_seconds: float, now: datetime) -> int | None:
    """From now until so much opening time has passed, rolling over closing, rounded up; None: it never will."""
    reached = after_open(hours, now, timedelta(seconds=opening_seconds))
    return round_up((reached - now).total_seconds()) if reached is not None else None


def due_at(shown: Shown, hours: Hours, joined_at: datetime) -> datetime | None:
    """By when an item that joins then has its reply, as its author read it; None: nothing was promised."""
    wall = wall_seconds(hours, shown.p80, joined_at) if shown.state == "known" else None
    return joined_at + timedelta(seconds=wall) if wall is not None else None


# --- the ledger corrects


class Outcome(Struct, frozen=True, gc=False):
    """How a promise ended: opening time waited, beside what was predicted. Of one still waiting: so far."""

    regime: Regime
    raw: Quantiles
    waited: float


def factors(outcomes: Iterable[Outcome], regime: Regime) -> Quantiles:
    """What to multiply predicted quantiles with, so that they would have held in the ledger's latest promises.

    Split conformal prediction: the quantile of (waited / predicted) that covers the next one with the wanted chance.
    Those of the same regime where there are enough, else all; in the order in which they ended.
    Source: Lei et al. 2018, Distribution-Free Predictive Inference For Regression, https://arxiv.org/abs/1604.04173
    """
    known = [outcome for outcome in outcomes if outcome.raw[1] > 0]
    same = [outcome for outcome in known if outcome.regime == regime]
    chosen = (same if len(same) >= FEWEST_SCORED else known)[-REMEMBERED:]
    if len(chosen) < FEWEST_SCORED:
        return UNCORRECTED
    waited = np.array([outcome.waited for outcome in chosen])[:, None]
    ratios = np.sort(waited / np.maximum(np.array([outcome.raw for outcome in chosen]), 1.0), axis=0)
    places = [min(len(chosen), math.ceil((len(chosen) + 1) * share)) - 1 for share in SHARES]
    p50, p80, p90 = (min(MOST, max(LEAST, float(ratios[at, n]))) for n, at in enumerate(places))
    return p50, p80, p90


def may_publish(setting: str, first_scored: datetime | None, kept: int, scored: int, now: datetime) -> bool:
    """Whether the public may read it: a supervisor said so, or it was scored for 14 days and kept often enough.

    Args:
        setting: `on`, `off` or `auto`.
        kept: of the `scored` promises of the last 14 days.
    """
    if setting != "auto":
        return setting == "on"
    long_enough = first_scored is not None and now - first_scored >= SCORED_FOR
    return long_enough and scored > 0 and kept >= KEPT_SHARE * scored


# --- one look, from what was seen to what is published


class Memory(Struct, frozen=True, gc=False):
    """All that is kept of a queue between two looks."""

    pace: Pace = Pace()
    hour: Hour | None = None  # the present one, so far
    shown: tuple[Shown, ...] = (Shown(),) * CLASSES
    before: tuple[Shown, ...] = (Shown(),) * CLASSES  # what was published until `shown.since`
    idle: tuple[bool, ...] = (False,) * CLASSES  # whether an item that joined after the last look was served at once
    each: float = 0.0  # first replies an hour for each agent who is there
    ahead: tuple[int, ...] = (0,) * CLASSES
    agents: int = 0
    open: bool = False


def turn(
    memory: Memory,
    seen: Seen,
    hours: Hours,
    zone: tzinfo,
    *,
    served: Served,
    profile: Profile,
    corrections: Mapping[Regime, Quantiles],
    targets: Sequence[float | None],
    most_a_second: float | None = None,
) -> Memory:
    """What is published after this look.

    Args:
        corrections: by regime, from `factors`.
        targets: opening time, by class, after which an item that joins now would be late.
        most_a_second: replies the network's posting budget allows.
    """
    pace, more = look(memory.pace, seen)
    handled = sum(served.handled) / len(served.handled) if served.handled else None
    mu = speed(pace, profile, handled)
    intervals = open_intervals(hours, seen.at, seen.at + FARTHEST)
    ahead = outlook(seen.at, intervals, pace, profile, zone, seen.agents)
    shown = []
    for number in range(CLASSES):
        wait = expected(
            number, seen, served, ahead, mu,
            target_seconds=targets[number], most_a_second=most_a_second, correct=corrections.__getitem__,
        )  # fmt: skip
        shown.append(publish(memory.shown[number], shown_of(wait), seen.at))
    pairs = list(zip(memory.shown, memory.before, shown, strict=True))
    return Memory(
        pace=pace,
        hour=added(memory.hour, more),
        shown=tuple(shown),
        before=tuple(old if old.since != new.since else older for old, older, new in pairs),
        idle=tuple(seen.open and seen.room > 0 and not sum(seen.waiting[: n + 1]) for n in range(CLASSES)),
        each=mu.each * 3600 if mu else 0.0,
        ahead=tuple(sum(seen.waiting[: n + 1]) for n in range(CLASSES)),
        agents=seen.agents,
        open=seen.open,
    )


def in_force(memory: Memory, number: int, joined_at: datetime) -> Shown:
    """What was published when this item joined, not long ago."""
    shown = memory.shown[number]
    return memory.before[number] if shown.since is not None and joined_at < shown.since else shown
