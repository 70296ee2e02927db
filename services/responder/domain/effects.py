"""What went with what in our own replies: correlation, not cause."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

FEWEST = 50
"""Replies with and replies without a trait; below that nothing is said."""
AFTER = timedelta(hours=24)
"""So long after our reply the customer's messages count as its outcome."""
OUTCOMES = ("thanked", "further_contact")
DEFINITION = (
    "Of our replies posted in the time, the share after which the customer wrote within 24 hours: `thanked`, to thank "
    "or praise; `further_contact`, anything else, in the same conversation. A reply counts once its 24 hours are over. "
    "`difference` is the share with the trait less the share without, with its 95 % interval (Newcombe's method 10); "
    f"there is none below {FEWEST} replies on either side. Correlation, not cause: whoever writes otherwise answers "
    "other people, too."
)
_Z = 1.959964  # 95 %


@dataclass(frozen=True, slots=True)
class Sent:
    """A reply of ours, and what its customer wrote after it: when, and with which intent."""

    text: str
    language: str
    author_username: str
    posted_at: datetime
    later: Sequence[tuple[datetime, str]]


@dataclass(frozen=True, slots=True)
class Observation:
    """One reply: which traits it has, and what came of it."""

    traits: frozenset[str]
    outcomes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Share:
    """So many of n."""

    met: int
    n: int


@dataclass(frozen=True, slots=True)
class Effect:
    """An outcome among replies with a trait and without it; `low` to `high` is the interval of the difference."""

    trait: str
    outcome: str
    present: Share
    absent: Share
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def outcomes_of(sent: Sent) -> frozenset[str]:
    """What came of a reply within its time."""
    return frozenset(
        "thanked" if intent == "praise_thanks" else "further_contact"
        for moment, intent in sent.later
        if sent.posted_at < moment <= sent.posted_at + AFTER
    )


def effects(observations: Iterable[Observation], traits: Sequence[str]) -> list[Effect]:
    """The effect of each trait on each outcome, in that order."""
    n, total = 0, Counter[str]()
    having: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for seen in observations:
        n += 1
        total.update(seen.outcomes)
        having.update(seen.traits)
        both.update((trait, outcome) for trait in seen.traits for outcome in seen.outcomes)
    return [
        effect(
            trait,
            outcome,
            Share(both[trait, outcome], having[trait]),
            Share(total[outcome] - both[trait, outcome], n - having[trait]),
        )
        for trait in traits
        for outcome in OUTCOMES
    ]


def effect(trait: str, outcome: str, present: Share, absent: Share) -> Effect:
    """With a difference and its interval where there are enough replies on both sides."""
    if min(present.n, absent.n) < FEWEST:
        return Effect(trait, outcome, present, absent)
    low, high = newcombe(present, absent)
    return Effect(trait, outcome, present, absent, present.met / present.n - absent.met / absent.n, low, high)


def newcombe(one: Share, other: Share) -> tuple[float, float]:
    """The 95 % interval of the difference of two shares.

    Source: Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine
    17 (1998), method 10.
    """
    p, q = one.met / one.n, other.met / other.n
    (low_p, high_p), (low_q, high_q) = wilson(one), wilson(other)
    return p - q - sqrt((p - low_p) ** 2 + (high_q - q) ** 2), p - q + sqrt((high_p - p) ** 2 + (q - low_q) ** 2)


def wilson(share: Share) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson, JASA 22 (1927), without a correction for continuity."""
    p, n, z2 = share.met / share.n, share.n, _Z * _Z
    middle, half = p + z2 / (2 * n), _Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
