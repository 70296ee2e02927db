"""In which order items are taken: urgency, then deadline, with room for those already late; nothing starves."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from services.router.domain.words import RANK, URGENCIES

LIFT_AFTER = timedelta(hours=6)
"""Waiting lifts an item by one class each time: none, low, normal, high. Never to critical."""

LATE_EVERY = 5
"""Every fifth pick of a class is its oldest late item: in due order alone a crisis would make everything late."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Stands in the order for a deadline where there is none."""


class Place(Struct, frozen=True):
    """Where an item stands: the stored part of the order."""

    rank: int  # 2 x class of effective urgency, + 1 unless it is a follow-up: follow-ups come first
    late: bool
    sort_at: datetime  # its deadline while that is ahead, then since when it waits


def effective_class(urgency: str, waited: timedelta) -> int:
    """The class that counts for the order: urgency, lifted by waiting and capped below critical. 0 is critical."""
    own = RANK[urgency]
    return own if own <= 1 or waited < LIFT_AFTER else max(1, own - waited // LIFT_AFTER)


def next_lift(urgency: str, enqueued_at: datetime, now: datetime) -> datetime | None:
    """When waiting lifts it next; None: it is as high as waiting brings it."""
    own = RANK[urgency]
    waited = now - enqueued_at
    lifts = 0 if waited < LIFT_AFTER else waited // LIFT_AFTER
    return None if own - lifts <= 1 else enqueued_at + (lifts + 1) * LIFT_AFTER


def place(urgency: str, enqueued_at: datetime, due_at: datetime | None, followup: bool, now: datetime) -> Place:
    """Where an item stands at this moment. Equality with its deadline is in time."""
    rank = 2 * effective_class(urgency, now - enqueued_at) + (0 if followup else 1)
    late = due_at is not None and due_at < now
    return Place(rank, late, enqueued_at if late else due_at or NEVER)


class Head(Struct, frozen=True):
    """The first of a lane of a queue, as the order compares it."""

    rank: int
    late: bool
    sort_at: datetime
    enqueued_at: datetime
    id: str

    @property
    def key(self) -> tuple[int, bool, datetime, datetime, str]:
        return (self.rank // 2, self.late, self.sort_at, self.enqueued_at, self.id)


def pick(in_time: Sequence[Head], late: Sequence[Head], picks: int) -> tuple[Head, str] | None:
    """The next item of one queue, and why it: `in_time`, `fifth_pick` or `only_late`.

    Args:
        in_time: heads of those within their target: of each line the first, in any order.
        late: heads of those past it, likewise.
        picks: how many the queue has given so far. Ties go to the older, then to the lower id.
    """
    first = min(in_time, key=_in_order, default=None)
    oldest = min(late, key=_in_order, default=None)
    if first is None or oldest is None:
        return (first, "in_time") if first else (oldest, "only_late") if oldest else None
    if oldest.rank // 2 != first.rank // 2:
        return (first, "in_time") if first.rank // 2 < oldest.rank // 2 else (oldest, "only_late")
    return (oldest, "fifth_pick") if picks % LATE_EVERY == LATE_EVERY - 1 else (first, "in_time")


def _in_order(head: Head) -> tuple[int, datetime, datetime, str]:
    return (head.rank, head.sort_at, head.enqueued_at, head.id)


def best(offers: Iterable[tuple[Head, str]]) -> tuple[Head, str] | None:
    """Of what several queues offer, the first by the order."""
    return min(offers, key=lambda offer: offer[0].key, default=None)


def class_name(rank: int) -> str:
    """The urgency a rank stands for."""
    return URGENCIES[rank // 2]
