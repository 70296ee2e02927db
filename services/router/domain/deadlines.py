"""How soon an answer is due: targets by urgency, in opening or in elapsed time. Pure."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, field

from services.router.domain.hours import CHANGES_WITHIN, Hours, after_open, open_intervals
from services.router.domain.words import RANK

Kind = Literal["first", "next", "resolution", "promise"]
Basis = Literal["business", "elapsed"]

FIRST_RESPONSE: dict[str, timedelta | None] = {
    "critical": timedelta(minutes=15),
    "high": timedelta(hours=1),
    "normal": timedelta(minutes=90),
    "information": timedelta(minutes=90),
    "feedback": timedelta(hours=4),
    "none": None,
}
"""Time to the first human answer by urgency; low in two, `information` and all else, `feedback`. None: no target."""

EVENT_WITHIN = timedelta(hours=2)
"""A departure, or a delivery, so near moves the deadline before it."""
EVENT_AT_LEAST, EVENT_AT_MOST = timedelta(minutes=10), timedelta(minutes=60)


class SlaPolicy(Struct, frozen=True, gc=False):
    """Targets under a name. A key that `targets` leaves out has the default one."""

    slug: str
    version: int = 1
    targets: dict[str, timedelta | None] = field(default_factory=FIRST_RESPONSE.copy)  # keys as in FIRST_RESPONSE
    basis: Basis = "business"  # what is critical is elapsed all the same
    low_cap: timedelta = timedelta(hours=24)  # elapsed: low never waits longer
    next_response: dict[str, timedelta | None] | None = None  # None: as the first response
    resolution: timedelta | None = None  # None: no clock
    promise: timedelta = timedelta(hours=2)  # elapsed, where the agent names no time
    warn_at: tuple[float, ...] = (0.5, 0.75, 1.0)  # fractions of the target, rising


DEFAULT_SLA = SlaPolicy("default", basis="elapsed")


class Impossible(Struct, frozen=True, gc=False):
    """A message posted at `posted_at` would be due at `due_at`, before anybody is there; None: it is never due."""

    urgency: str
    intent: str
    posted_at: datetime
    due_at: datetime | None


def target_of(policy: SlaPolicy, urgency: str, intent: str, kind: Kind = "first") -> timedelta | None:
    """How soon; None: no target. A low urgency is `information` for an information request, else `feedback`."""
    if kind == "resolution":
        return policy.resolution
    if kind == "promise":
        return policy.promise
    key = urgency
    if urgency == "low":
        key = "information" if intent == "information_request" else "feedback"
    targets = policy.targets if kind == "first" or policy.next_response is None else policy.next_response
    return targets[key] if key in targets else FIRST_RESPONSE[key]


def basis_of(policy: SlaPolicy, urgency: str, kind: Kind = "first") -> Basis:
    """Opening or elapsed time: `critical` and what an agent promised are always elapsed."""
    return "elapsed" if urgency == "critical" or kind == "promise" else policy.basis


def deadline(
    policy: SlaPolicy, hours: Hours, urgency: str, intent: str, start: datetime, event_at: datetime | None = None
) -> datetime | None:
    """When the first answer to what was posted at `start` is due.

    None: there is no target, or the hours do not open for so long within five years.

    Args:
        event_at: of a departure or delivery; within two hours after `start` it may make the deadline earlier.
    """
    target = target_of(policy, urgency, intent)
    return None if target is None else due_at(policy, hours, "first", urgency, start, target, event_at)


def deadline_before_event(start: datetime, event_at: datetime) -> datetime:
    """Half of the time that is left, but at least 10 and at most 60 minutes, elapsed; also where it is over."""
    return start + min(max((event_at - start) / 2, EVENT_AT_LEAST), EVENT_AT_MOST)


def due_at(
    policy: SlaPolicy,
    hours: Hours,
    kind: Kind,
    urgency: str,
    start: datetime,
    target: timedelta,
    event_at: datetime | None = None,
) -> datetime | None:
    """When a target that counts from `start` is reached, in the basis of its policy, kind and urgency.

    `deadline` for any kind of clock. None: the hours do not open for so long within five years.
    """
    if basis_of(policy, urgency, kind) == "elapsed":
        due: datetime | None = start + target
    else:
        due = after_open(hours, start, target)
    if kind in ("first", "next"):
        if urgency == "low":
            due = earlier(due, start + policy.low_cap)
        if event_at is not None and is_near(event_at, start):
            due = earlier(due, deadline_before_event(start, event_at))
    return due


def is_near(event_at: datetime, at: datetime) -> bool:
    """Whether a departure or delivery is ahead, and so near that it moves the deadline."""
    return timedelta(0) < event_at - at <= EVENT_WITHIN


def earlier(one: datetime | None, other: datetime) -> datetime:
    """None is never."""
    return other if one is None else min(one, other)


def impossible(policy: SlaPolicy, hours: Hours, at: datetime) -> Impossible | None:
    """The first deadline within a year that passes without a moment of opening, for whoever sets up hours and targets.

    What is critical is left out: outside hours it goes to those on call.
    """
    last = at + CHANGES_WITHIN
    opened = open_intervals(hours, at, last)
    closes = [at, *(end for _, end in opened)]
    opens = [*(start for start, _ in opened), last]
    asked = (("high", ""), ("normal", ""), ("low", "information_request"), ("low", "feedback"))
    targeted = [(urgency, intent) for urgency, intent in asked if target_of(policy, urgency, intent) is not None]
    for closed_at, open_at in zip(closes, opens, strict=True):
        if closed_at == open_at:
            continue
        dues = [
            Impossible(urgency, intent, closed_at, deadline(policy, hours, urgency, intent, closed_at))
            for urgency, intent in targeted
        ]
        missed = [each for each in dues if each.due_at is None or each.due_at <= open_at]
        if missed:
            return min(missed, key=lambda each: (each.due_at or last, RANK[each.urgency]))
    return None
