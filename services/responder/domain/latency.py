"""How long people wait: the networks' own times, and one figure per answered mention."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

WITHIN_SECONDS = (3600, 5400, 86400)
"""The report says which share was answered within each of these."""

How = Literal["direct", "covered", "any", "machine"]
"""Which answers count: those that name the mention, those that come after it in its conversation, the first of both;
or what a machine wrote, which is in none of these."""

_ANSWERS: dict[How, str] = {
    "direct": "our earliest post that answers it directly",
    "covered": "our earliest post after it in its conversation that answers another message of it",
    "any": "our earliest post that answers it, directly or after it in its conversation",
    "machine": "the earliest post by which a machine of ours answers it",
}


def definition(how: How) -> str:
    """What the report's figures are, in words."""
    return (
        f"Seconds from a mention to {_ANSWERS[how]}, both by the network's own times. "
        "Counted: mentions posted from `from` (included) to `to` (not included) that have such an answer. "
        "Percentiles are nearest-rank: the smallest wait that at least that share did not exceed."
    )


class Latency(msgspec.Struct, frozen=True, gc=False):
    """How long one mention waited for an answer of ours, by the network's own times."""

    network: str
    post_id: str
    how: str  # direct, covered, machine
    own_post_id: str
    reply_id: str  # "" where it was not sent through us
    posted_at: datetime
    answered_at: datetime
    latency_seconds: float
    handle: str
    queue: str
    language: str
    intent: str
    team: str
    conversation_id: str
    business_seconds: float | None = None  # opening time of its queue; None: not told


@dataclass(frozen=True, slots=True)
class Spread:
    """How long the mentions of one group waited, in seconds; `within`: how many no longer than that many."""

    key: str | None  # None: all together
    answered: int
    min: float
    p50: float
    p90: float
    p99: float
    max: float
    mean: float
    within: dict[int, int]


def waited(answers: Iterable[Latency]) -> tuple[list[Latency], int]:
    """The earliest answer of each mention and kind, in the order of their keys; and how many answers are older
    than what they answer (clocks that disagree), which are left out.

    On the same moment the lower post id wins, so that the order of arrival decides nothing.
    """
    kept: dict[tuple[str, str, str], Latency] = {}
    left_out = 0
    for answer in answers:
        if answer.latency_seconds < 0:
            left_out += 1
            continue
        mention = (answer.network, answer.post_id, answer.how)
        known = kept.get(mention)
        if known is None or (answer.answered_at, answer.own_post_id) < (known.answered_at, known.own_post_id):
            kept[mention] = answer
    return [kept[mention] for mention in sorted(kept)], left_out


# --- times

_SNOWFLAKE_EPOCH = datetime.fromtimestamp(1288834974, UTC) + timedelta(milliseconds=657)
_PLAUSIBLE = timedelta(minutes=5)


def network_time(post_id: str, created_at: datetime | None, seen_at: datetime) -> datetime:
    """When the network took the post: its `created_at`, to the millisecond where the id agrees with it.

    Without one the id's own time if that is plausible, else when we heard of it.
    Source: X's snowflake ids, milliseconds = (id >> 22) + 1288834974657.
    """
    told = None
    if post_id.isascii() and post_id.isdecimal() and len(post_id) <= 19:
        told = _SNOWFLAKE_EPOCH + timedelta(milliseconds=int(post_id) >> 22)
    if created_at is not None:
        agrees = told is not None and told.replace(microsecond=0) == created_at.replace(microsecond=0)
        return told if told is not None and agrees else created_at
    return told if told is not None and abs(told - seen_at) <= _PLAUSIBLE else seen_at
