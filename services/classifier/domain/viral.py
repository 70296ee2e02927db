"""How likely a post is to spread: from its author's reach, its speed and its tone."""

import math
from datetime import timedelta

from msgspec import Struct

from libs.common.events import Reach

FEW_FOLLOWERS, MANY_FOLLOWERS = 1_000, 100_000  # where the part begins to count, and where it is full
FAST = 20.0  # reposts, quotes and likes a minute: where that part is full
YOUNGEST_SECONDS = 60.0  # younger posts count as this old: two likes in a second are no storm
VERIFIED_WEIGHT = 0.1  # how far a verified author closes what is missing to a full reach
_FROM_FEW_TO_MANY, _FAST = math.log(MANY_FOLLOWERS / FEW_FOLLOWERS), math.log1p(FAST)
HIGH = 0.6  # from this score on, `viral_risk` is a reason


class Viral(Struct, frozen=True, gc=False):
    """The risk, and what made it; all from 0 to 1. What a network does not tell counts as 0."""

    score: float
    followers: float
    velocity: float
    negative: float
    verified: float


def viral_risk(reach: Reach, negative: float, age: timedelta) -> Viral:
    """Score the risk that a post spreads against us.

    `score = spread * (0.25 + 0.75 * negative)`, where `spread = wide + (1 - wide) * 0.1 * verified` and `wide` is the
    larger of `followers` (0 at 1,000 or fewer, 1 at 100,000, by their logarithm) and `velocity` (1 at 20 a minute,
    by the logarithm of one more). The larger and not the mean: a small account that spreads is not lowered by its size.
    Without followers and reactions the score is 0, whatever the tone.

    Args:
        negative: probability that the post is negative, 0..1; beyond, it is cut.
        age: how old the post was when its reach was read.
    """
    followers = _part(math.log(max(reach.followers or 0, 1) / FEW_FOLLOWERS) / _FROM_FEW_TO_MANY)
    reactions = max(reach.reposts or 0, 0) + max(reach.quotes or 0, 0) + max(reach.likes or 0, 0)
    minutes = max(age.total_seconds(), YOUNGEST_SECONDS) / 60
    velocity = _part(math.log1p(reactions / minutes) / _FAST)
    verified = 1.0 if reach.verified else 0.0
    wide = max(followers, velocity)
    if wide == 0.0 and not reactions and not reach.followers:
        return Viral(0.0, 0.0, 0.0, 0.0, 0.0)
    tone = _part(negative)
    spread = wide + (1 - wide) * VERIFIED_WEIGHT * verified
    return Viral(_part(spread * (0.25 + 0.75 * tone)), followers, velocity, tone, verified)


def _part(value: float) -> float:
    return min(1.0, max(0.0, value)) if value == value else 0.0
