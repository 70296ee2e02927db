"""When a replayed post is sent, and what time it then bears. No clock, no I/O."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

MAX_POSTS = 500  # in one request
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Faster:
    """So many times faster than the posts were written."""

    times: float


@dataclass(frozen=True, slots=True)
class Rate:
    """A fixed rate, whatever the posts' own times."""

    per_second: float


@dataclass(frozen=True, slots=True)
class Full:
    """As fast as ingest takes them."""


Speed = Faster | Rate | Full

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(/s|x)?")


def parse_speed(text: str) -> Speed:
    """`60` or `60x` is 60 times faster than written, `200/s` a fixed rate, `max` as fast as possible.

    Raises:
        ValueError: it is none of these.
    """
    if text == "max":
        return Full()
    match = _NUMBER.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is no speed: write 60 (times faster), 200/s (a fixed rate) or max")
    return Rate(float(match[1])) if match[2] == "/s" else Faster(float(match[1]))


def due_seconds(speed: Speed, index: int, posted_at: datetime, first_at: datetime) -> float:
    """Seconds after the start at which a post goes; never before the start, even where a file is out of order.

    Args:
        index: of the post since the start, from 0.
        first_at: when the first post of this start was written.
    """
    match speed:
        case Full():
            return 0.0
        case Rate(per_second):
            return index / per_second
        case Faster(times):
            return max(0.0, (posted_at - first_at).total_seconds() / times)
        case other:
            assert_never(other)


def seconds_left(speed: Speed, posts_left: int, rate: float, now_at: datetime, last_at: datetime) -> float | None:
    """How long the rest takes; None where nothing was sent yet that could tell."""
    match speed:
        case Full():
            return posts_left / rate if rate > 0 else None
        case Rate(per_second):
            return posts_left / per_second
        case Faster(times):
            return max(0.0, (last_at - now_at).total_seconds() / times)
        case other:
            assert_never(other)


@dataclass(frozen=True, slots=True)
class Shift:
    """How posts' times are moved so that what was written long ago looks written now.

    At full speed all move by the same span, so that the last one is `now`. With a pace each bears the moment at
    which it is due: an hour of the file takes a minute at speed 60, and so do the times.
    """

    by: timedelta  # at full speed
    started_at: datetime  # with a pace

    def moved(self, speed: Speed, posted_at: datetime, due: float) -> datetime:
        """The time a post bears."""
        if isinstance(speed, Full):
            return posted_at + self.by
        return self.started_at + timedelta(seconds=due)


def has_room(count: int, size_bytes: int, adds_bytes: int) -> bool:
    """Whether another post fits into the batch in hand. It never waits to fill: what is due goes."""
    return count == 0 or (count < MAX_POSTS and size_bytes + adds_bytes <= MAX_BYTES)
