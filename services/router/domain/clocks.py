"""SLA clocks: when an answer is due, in opening or in elapsed time, and what becomes of the promise. Pure.

A clock starts at the author's post time on the network and stops at the network's time of the first human reply.
It is counted once, when met or at its deadline; equality is met.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from services.router.domain.deadlines import (
    DEFAULT_SLA,
    Basis,
    Impossible,
    Kind,
    SlaPolicy,
    basis_of,
    deadline,
    deadline_before_event,
    due_at,
    earlier,
    impossible,
    is_near,
    target_of,
)
from services.router.domain.hours import ALWAYS, Hours, after_open, open_seconds
from services.router.domain.words import RANK

__all__ = [
    "DEFAULT_SLA",
    "Basis",
    "Clock",
    "ClockState",
    "Impossible",
    "Kind",
    "Recomputed",
    "SlaPolicy",
    "Warned",
    "basis_of",
    "breach",
    "cancel",
    "counted",
    "deadline",
    "deadline_before_event",
    "impossible",
    "moment_between",
    "moment_of",
    "pause",
    "recompute",
    "resume",
    "retarget",
    "share",
    "start_clock",
    "starts_next_response",
    "stop_clock",
    "target_of",
    "warnings",
    "warnings_due",
]

ClockState = Literal["running", "paused", "met", "breached", "met_late", "canceled"]

NOTICE = timedelta(minutes=10)
"""What changes a running clock leaves at least this much time, unless the old deadline was nearer."""
_NOTHING = timedelta(0)


class Recomputed(Struct, frozen=True, gc=False):
    """A deadline a clock had before, and the version of the policy that had set it."""

    at: datetime
    old_due_at: datetime | None
    cause: str
    policy_version: int


class Clock(Struct, frozen=True, gc=False):
    """One promise of time in one conversation."""

    id: str
    conversation_id: str
    item_id: str
    kind: Kind
    policy: str
    policy_version: int
    basis: Basis
    urgency: str
    target_seconds: float
    started_at: datetime
    due_at: datetime | None  # None: the hours never open; it cannot be missed, see `impossible`
    state: ClockState = "running"
    stopped_at: datetime | None = None
    paused_at: datetime | None = None
    paused_seconds: float = 0.0  # before the present pause, in its basis
    reason: str = ""  # of its cancelation
    history: tuple[Recomputed, ...] = ()
    intent: str = ""
    event_at: datetime | None = None  # a departure, a delivery


class Warned(Struct, frozen=True, gc=False):
    """The moment when this fraction of the time was, or will be, used."""

    fraction: float
    at: datetime


# --- a clock's life


def starts_next_response(intent: str, confidence: float, sentiment: str) -> bool:
    """Whether a customer's message wants a next response; thanks, surely so and kindly meant, do not.

    "Merci la SNCF, encore 2 h" is not kindly meant.

    Args:
        confidence: the probability of the intent, calibrated.
    """
    return not (intent == "praise_thanks" and confidence >= 0.9 and sentiment != "negative")


def start_clock(
    policy: SlaPolicy,
    hours: Hours,
    kind: Kind,
    urgency: str,
    intent: str,
    start: datetime,
    *,
    clock_id: str,
    conversation_id: str,
    item_id: str = "",
    event_at: datetime | None = None,
    promised: timedelta | None = None,
) -> Clock | None:
    """A running clock; None: nothing is promised.

    Args:
        start: the network's time of the oldest unanswered message; for `resolution` when the conversation began.
        promised: by an agent, for a `promise`; None: the policy's.
    """
    target = promised if promised is not None and kind == "promise" else target_of(policy, urgency, intent, kind)
    if target is None:
        return None
    return Clock(
        id=clock_id,
        conversation_id=conversation_id,
        item_id=item_id,
        kind=kind,
        policy=policy.slug,
        policy_version=policy.version,
        basis=basis_of(policy, urgency, kind),
        urgency=urgency,
        target_seconds=target.total_seconds(),
        started_at=start,
        due_at=due_at(policy, hours, kind, urgency, start, target, event_at),
        intent=intent,
        event_at=event_at,
    )


def stop_clock(clock: Clock, at: datetime) -> Clock:
    """The clock after a human reply at this moment, by the network's time; equality is met.

    The earliest reply counts, in whatever order they come in: news of one in time makes even a breached clock met.
    A reply older than the clock, and any to a canceled one, changes nothing.
    """
    if clock.state == "canceled" or at < clock.started_at or (clock.stopped_at is not None and at >= clock.stopped_at):
        return clock
    used_until = at if clock.paused_at is None else min(at, clock.paused_at)
    late = clock.due_at is not None and used_until > clock.due_at
    return replace(clock, state="met_late" if late else "met", stopped_at=at, paused_at=None)


def breach(clock: Clock, now: datetime) -> Clock:
    """Breached once the deadline is over; at the deadline itself it may still be met."""
    if clock.state == "running" and clock.due_at is not None and now > clock.due_at:
        return replace(clock, state="breached")
    return clock


def counted(clock: Clock, now: datetime) -> Literal["met", "breached"] | None:
    """What this clock counts as; None: not yet, or never (canceled)."""
    match breach(clock, now).state:
        case "met":
            return "met"
        case "breached" | "met_late":
            return "breached"
        case _:
            return None


def share(met: int, breached: int) -> float | None:
    """Of the clocks that are counted, those met, 0 to 1; None: there are none."""
    return met / (met + breached) if met + breached else None


def cancel(clock: Clock, reason: str, now: datetime) -> Clock:
    """Counted no more; but what is breached stays so."""
    clock = breach(clock, now)
    if clock.state not in ("running", "paused"):
        return clock
    return replace(clock, state="canceled", reason=reason, stopped_at=now, paused_at=None)


def pause(clock: Clock, at: datetime) -> Clock:
    """A running clock stands still from now on; a breach before that stays one."""
    clock = breach(clock, at)
    return replace(clock, state="paused", paused_at=at) if clock.state == "running" else clock


def resume(clock: Clock, hours: Hours, at: datetime) -> Clock:
    """A paused clock runs again; its deadline moves by the time it stood still, in its own basis."""
    if clock.paused_at is None:
        return clock
    still = _still(clock, hours, at)
    due = clock.due_at
    if due is not None:
        due = due + still if clock.basis == "elapsed" else after_open(hours, due, still)
    paused_seconds = clock.paused_seconds + still.total_seconds()
    return replace(clock, state="running", due_at=due, paused_at=None, paused_seconds=paused_seconds)


def _still(clock: Clock, hours: Hours, at: datetime) -> timedelta:
    """How long the present pause has lasted, in the clock's basis."""
    if clock.paused_at is None or at <= clock.paused_at:
        return timedelta(0)
    if clock.basis == "elapsed":
        return at - clock.paused_at
    return timedelta(seconds=open_seconds(hours, clock.paused_at, at))


# --- when facts, policies or hours change


def retarget(
    clock: Clock,
    policy: SlaPolicy,
    hours: Hours,
    urgency: str,
    now: datetime,
    cause: str,
    *,
    intent: str | None = None,
    event_at: datetime | None = None,
) -> Clock:
    """The clock after a change of urgency, or after a new fact at the same one.

    Upwards: `min(old due, max(start + new target, now + 10 min))`. Downwards, by a person: start + new target, but not
    before now + 10 min; where nothing is promised any more it is canceled. An event within two hours comes first
    either way. For a clock that stands still "now" is when it was paused. What is over, or promised by an agent, stays.
    """
    clock = breach(clock, now)
    if clock.state not in ("running", "paused") or clock.kind == "promise":
        return clock
    lower = RANK[urgency] > RANK[clock.urgency]
    new = _on_policy(clock, policy, hours, urgency, intent or clock.intent)
    if new is None:
        return cancel(clock, cause, now)
    reached, due = clock.paused_at or now, new.due_at
    if due is not None:
        due = max(due, reached + NOTICE)
    if event_at is not None and is_near(event_at, reached):
        due = earlier(due, deadline_before_event(reached, event_at))
    if clock.due_at is not None and not lower:
        due = earlier(due, clock.due_at)
    known = None if lower else clock.event_at
    return _remembering(clock, replace(new, due_at=due, event_at=event_at or known), now, cause)


def recompute(clock: Clock, policy: SlaPolicy, hours: Hours, now: datetime, cause: str) -> Clock:
    """The clock after a change of policy or hours, if it runs: what is over, or stands still, stays as it is.

    No change makes it late at once: 10 minutes are left, or what was left before. What an agent promised stays.
    """
    clock = breach(clock, now)
    if clock.state != "running" or clock.kind == "promise":
        return clock
    new = _on_policy(clock, policy, hours, clock.urgency, clock.intent)
    if new is None:
        return cancel(clock, cause, now)
    due = new.due_at
    if due is not None:
        due = max(due, earlier(clock.due_at, now + NOTICE))
    if clock.event_at is not None and clock.due_at is not None:
        due = earlier(due, clock.due_at)  # a departure waits for nobody's hours
    return _remembering(clock, replace(new, due_at=due), now, cause)


def _on_policy(clock: Clock, policy: SlaPolicy, hours: Hours, urgency: str, intent: str) -> Clock | None:
    """The clock as this policy would have started it, its pauses included and without an event;
    None: it would not have."""
    target = target_of(policy, urgency, intent, clock.kind)
    if target is None:
        return None
    span = target + timedelta(seconds=clock.paused_seconds)
    return replace(
        clock,
        policy=policy.slug,
        policy_version=policy.version,
        basis=basis_of(policy, urgency, clock.kind),
        urgency=urgency,
        target_seconds=target.total_seconds(),
        due_at=due_at(policy, hours, clock.kind, urgency, clock.started_at, span),
        intent=intent,
    )


def _remembering(clock: Clock, new: Clock, now: datetime, cause: str) -> Clock:
    if new == clock:
        return clock
    return replace(new, history=(*clock.history, Recomputed(now, clock.due_at, cause, clock.policy_version)))


# --- warnings


def warnings(
    clock: Clock, hours: Hours, fractions: Sequence[float], now: datetime, already: float = 0.0
) -> tuple[Warned, ...]:
    """Those still to come, in order: the moments after `now` when these fractions of the time are used.

    The time is what there is from the start to the deadline, in the clock's basis; 1.0 is the deadline itself. None
    while the clock stands still.

    Args:
        already: the highest fraction that was warned of.
    """
    ahead = (each for each in _warned(clock, hours, fractions, already) if each.at > now)
    return tuple(sorted(ahead, key=lambda each: each.fraction))


def warnings_due(
    clock: Clock, hours: Hours, fractions: Sequence[float], already: float, now: datetime
) -> Warned | None:
    """The highest of those reached and not yet warned of: a late post brings one warning, not all it has missed."""
    reached = (each for each in _warned(clock, hours, fractions, already) if each.at <= now)
    return max(reached, key=lambda each: each.fraction, default=None)


def _warned(clock: Clock, hours: Hours, fractions: Sequence[float], already: float) -> list[Warned]:
    if clock.state not in ("running", "breached"):
        return []
    wanted = [fraction for fraction in fractions if fraction > already]
    return [Warned(fraction, at) for fraction in wanted if (at := moment_of(clock, hours, fraction)) is not None]


def moment_of(clock: Clock, hours: Hours, fraction: float) -> datetime | None:
    """When this fraction of the time from start to deadline is used, on the clock's calendar; 1.0 is the deadline."""
    if clock.due_at is None:
        return None
    still = timedelta(seconds=clock.paused_seconds)
    return moment_between(clock.started_at, clock.due_at, clock.basis, hours, fraction, still)


def moment_between(
    start: datetime, due: datetime, basis: Basis, hours: Hours, fraction: float, still: timedelta = _NOTHING
) -> datetime | None:
    """`moment_of` a clock of this basis that stood still for so long."""
    opened = timedelta(seconds=open_seconds(hours, start, due)) if basis == "business" else still
    calendar = hours if opened > still else ALWAYS  # a deadline before anybody is there has only elapsed time
    whole = opened if opened > still else due - start
    at = after_open(calendar, start, still + (whole - still) * fraction)
    return at if at is None else min(at, due) if fraction < 1 else max(at, due)
