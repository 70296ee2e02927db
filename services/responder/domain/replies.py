"""A reply: its states, how it begins, and what an outcome makes of it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

import msgspec

from services.responder.domain.latency import network_time
from services.responder.domain.posting import (
    ByHand,
    GaveUp,
    Missing,
    Outcome,
    Pace,
    Posted,
    Postponed,
    Refused,
    Unknown,
)

State = Literal[
    "draft",
    "approval_pending",
    "queued",
    "sending",
    "unknown",
    "posted",
    "refused",
    "manual_required",
    "needs_human",
    "canceled",
]
Kind = Literal["reply", "holding", "closure", "survey", "automatic"]
MACHINE: tuple[Kind, ...] = ("survey", "automatic")
"""Written by a machine: never an answer, and never in the way of one."""
LIVE: tuple[State, ...] = (
    "approval_pending",
    "queued",
    "sending",
    "unknown",
    "needs_human",
    "manual_required",
    "posted",
)
"""A mention has at most one reply in one of these, follow-ups apart."""
FINAL: tuple[State, ...] = ("posted", "refused", "manual_required", "needs_human", "canceled")
"""Nothing happens here by itself any more."""
IN_FLIGHT: tuple[State, ...] = ("approval_pending", "queued", "sending", "unknown")

_LEGAL: Mapping[State, frozenset[State]] = {
    "draft": frozenset({"approval_pending", "queued", "manual_required", "canceled"}),
    "approval_pending": frozenset({"queued", "canceled"}),
    "queued": frozenset({"sending", "canceled"}),
    "sending": frozenset({"posted", "queued", "refused", "manual_required", "unknown"}),
    "unknown": frozenset({"posted", "queued", "needs_human"}),
    "needs_human": frozenset({"posted", "unknown", "canceled"}),  # unknown: somebody asked to look once more
    "manual_required": frozenset({"posted", "canceled"}),
    "posted": frozenset(),
    "refused": frozenset(),
    "canceled": frozenset(),
}
_BY_PEOPLE: frozenset[tuple[State, State]] = frozenset({("draft", "manual_required"), ("needs_human", "unknown")})
"""No network's word leads there."""

TEXT_LIMIT = 25_000  # characters: the longest any network takes; its own is `length.too_long`
PROMISE_SECONDS = 7200  # a holding reply says "I come back" within this, unless it says otherwise
CLASSES: Mapping[str, int] = {"critical": 0, "reply": 1, "holding": 2, "closure": 3, "survey": 4, "automatic": 5}
"""In this order replies take what the network lets us post; the smaller goes first."""

_NEVER_IN_A_TEXT = re.compile("[\0\ufffe\ufeff\uffff\ud800-\udfff]")


class Target(msgspec.Struct, frozen=True, gc=False):
    """A mention that can be answered, as the router told it."""

    network: str
    post_id: str
    handle: str
    author_id: str
    author_username: str
    thread_id: str
    private: bool
    posted_at: datetime
    conversation_id: str
    item_id: str
    queue: str
    language: str
    intent: str
    urgency: str
    team: str
    key: str  # of the event, so that what concerns one person stays in order
    routed_at: datetime
    conversation_version: int = 0  # of the conversation, with this message in it; 0: told by an older router
    outcome: str = ""  # opened, joined, set_aside, answered, deleted; empty: heard of before this was kept
    incident: str = ""
    sentiment: str = ""  # empty: not told
    summoned: str = ""  # how it calls the handle: named, quoted, implied, not; empty: not told


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to one mention, from the first key press to its place on the network."""

    id: str
    network: str
    in_reply_to: str
    handle: str
    text: str
    state: State
    created_at: datetime
    updated_at: datetime
    not_before: datetime
    key: str
    team: str = "main"
    reason: str = ""
    version: int = 1
    fence: int = 0  # rises with each reservation: who holds an older one is too late
    agent: str = ""
    item_id: str = ""
    follow_up_of: str = ""
    author_id: str = ""
    thread_id: str = ""
    private: bool = False
    traceparent: str = ""
    created_by: str = ""  # the key it was asked with
    reserved_at: datetime | None = None
    unknown_since: datetime | None = None  # the first time; kept when it is queued again
    missed_at: datetime | None = None  # when our timeline did not hold it
    look_at: datetime | None = None
    own_post_id: str | None = None
    posted_at: datetime | None = None
    conversation_id: str = ""
    kind: Kind = "reply"
    promise_seconds: int = 0  # of a holding reply, from when it is out
    priority: int = CLASSES["reply"]
    template: str = ""  # slug@version, where it was written from one
    warnings: str = ""  # words, with a space between them
    approved_by: str = ""
    by_hand: bool = False  # a person posted it on the network's own site

    @property
    def promised_at(self) -> datetime | None:
        """When a holding reply that is out said we would be back."""
        if self.kind != "holding" or self.posted_at is None:
            return None
        return self.posted_at + timedelta(seconds=self.promise_seconds)


# --- asking for a reply


@dataclass(frozen=True, slots=True)
class Accepted:
    """It goes on from here."""

    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The mention already has this reply."""

    by: Reply


@dataclass(frozen=True, slots=True)
class NothingToFollow:
    """`follow_up_of` names no live reply to this mention."""


def accept(
    live: Sequence[Reply], follow_up_of: str, *, by_hand: str = "", approval: str = ""
) -> Accepted | Taken | NothingToFollow:
    """Whether a mention may get a (further) reply, and how it begins.

    A follow-up waits until what it follows is out or in a person's hands: with two replies to one mention on
    their way, nobody could tell from our timeline which of them it holds. What a machine wrote is in nobody's way.

    Args:
        live: the mention's replies in a live state, oldest first.
        by_hand: why a person has to post it; empty: we can.
        approval: why somebody else has to read it first; empty: nobody has to.
    """
    live = [reply for reply in live if reply.kind not in MACHINE]
    if live:
        if not follow_up_of:
            return Taken(live[-1])
        if all(reply.id != follow_up_of for reply in live):
            return NothingToFollow()
        for reply in live:
            if reply.state in IN_FLIGHT or reply.follow_up_of == follow_up_of:
                return Taken(reply)
    elif follow_up_of:
        return NothingToFollow()
    if by_hand:
        return Accepted("manual_required", by_hand)
    return Accepted("approval_pending", approval) if approval else Accepted("queued")


def begin(draft: Reply, how: Accepted, urgency: str, now: datetime, undo: timedelta) -> Reply:
    """The draft on its way; what is queued can be taken back until `undo` is over. Its version stays as it is."""
    urgent = urgency == "critical" and draft.kind == "reply"
    return replace(
        draft,
        state=how.state,
        reason=how.reason,
        updated_at=now,
        not_before=now + undo,
        priority=CLASSES["critical" if urgent else draft.kind],
    )


def wrong_with(text: str) -> str | None:
    """Why no network would take this text, or None."""
    if not text.strip():
        return "The text is empty."
    if len(text) > TEXT_LIMIT:
        return f"The text has {len(text)} characters, {len(text) - TEXT_LIMIT} more than the {TEXT_LIMIT} allowed."
    if found := _NEVER_IN_A_TEXT.search(text):
        return f"Character {found.start() + 1} (U+{ord(found[0]):04X}) cannot stand in a post."
    return None


def reply_id(created_at: datetime, chance: bytes) -> str:
    """A typed id whose order is that of time: 10 characters of milliseconds, then chance (16 for 10 bytes)."""
    milliseconds = int(created_at.timestamp() * 1000)
    return f"rep_{_base32(milliseconds, 10)}{_base32(int.from_bytes(chance), (len(chance) * 8 + 4) // 5)}"


def _base32(number: int, digits: int) -> str:
    """Base 32 with an alphabet that sorts like the numbers. Source: RFC 4648, section 7."""
    return "".join("0123456789abcdefghijklmnopqrstuv"[number >> 5 * i & 31] for i in reversed(range(digits)))


# --- the reply's next state


def may_become(state: State, new: State) -> bool:
    """Whether a reply may go from the one state to the other."""
    return new in _LEGAL[state]


def reserve(reply: Reply, now: datetime) -> Reply:
    """Ours to send, from this moment on."""
    return _to(reply, "sending", now, reason="", fence=reply.fence + 1, reserved_at=now)


def doubt(reply: Reply, now: datetime, pace: Pace) -> Reply:
    """Whoever was sending it never said how it went."""
    return _to_unknown(reply, now, pace, "whoever was sending it has stopped")


def borrow(reply: Reply, now: datetime, pace: Pace) -> Reply:
    """Ours to look for; should we stop on the way, it is looked for again by itself."""
    return replace(reply, look_at=now + pace.look_again, version=reply.version + 1)


def cancel(reply: Reply, now: datetime, reason: str) -> Reply | None:
    """Taken back before it was sent, or given up by a person; None where it is too late."""
    return _to(reply, "canceled", now, reason=reason, look_at=None) if may_become(reply.state, "canceled") else None


def approve(reply: Reply, by: str, now: datetime, undo: timedelta) -> Reply | None:
    """Read by somebody else and let through; None where nobody waits for that."""
    if reply.state != "approval_pending":
        return None
    return _to(reply, "queued", now, reason="", approved_by=by, not_before=now + undo)


def hold(reply: Reply, until: datetime, reason: str, now: datetime) -> Reply:
    """Still queued, but not before then."""
    return replace(reply, not_before=until, reason=reason, updated_at=now, version=reply.version + 1)


def look_now(reply: Reply, now: datetime, pace: Pace) -> Reply | None:
    """To be looked for on our timeline at once, or as soon as that says anything; None where nothing is in doubt.

    One that was given up is looked for once: then it is found, or a person's again.
    """
    earliest = max(now, (reply.reserved_at or now) + pace.recover_after)
    if reply.state == "unknown":
        return replace(reply, look_at=earliest, updated_at=now, version=reply.version + 1)
    if reply.state == "needs_human":
        return _to(reply, "unknown", now, reason="somebody asked to look again", missed_at=None, look_at=earliest)
    return None


def posted_by_hand(reply: Reply, post_id: str, posted_at: datetime, now: datetime) -> Reply | None:
    """Out, by a person's hand; None where its state allows no such thing."""
    if reply.state not in ("manual_required", "needs_human", "unknown"):
        return None
    return _to(reply, "posted", now, reason="", own_post_id=post_id, posted_at=posted_at, look_at=None, by_hand=True)


def seen_on_the_network(
    reply: Reply, post_id: str, answered_at: datetime, claimed: Collection[str], now: datetime
) -> Reply | None:
    """A post of ours was seen that answers the reply's mention: this reply, if a person was to send it by hand.

    A follow-up takes only what came after it was written: the mention had an answer before.
    """
    if reply.state not in ("manual_required", "needs_human") or post_id in claimed:
        return None
    if reply.follow_up_of and answered_at < reply.created_at:
        return None
    return posted_by_hand(reply, post_id, answered_at, now)


def settle(reply: Reply, outcome: Outcome, now: datetime, pace: Pace) -> Reply | None:
    """The reply after an outcome; None where its state allows no such thing any more."""
    match outcome:
        case Posted(post_id, created_at):
            posted_at = network_time(post_id, created_at, now)
            after = _to(reply, "posted", now, reason="", own_post_id=post_id, posted_at=posted_at, look_at=None)
        case Postponed(reason, not_before):
            after = _to(reply, "queued", now, reason=reason, not_before=not_before, missed_at=None, look_at=None)
        case Refused(reason):
            after = _to(reply, "refused", now, reason=reason)
        case ByHand(reason):
            after = _to(reply, "manual_required", now, reason=reason)
        case Unknown(reason):
            after = _to_unknown(reply, now, pace, reason)
        case Missing(look_at, missed_at, reason):
            return (
                replace(reply, look_at=look_at, missed_at=missed_at, reason=reason, updated_at=now,
                        version=reply.version + 1)
                if reply.state == "unknown"
                else None
            )  # fmt: skip
        case GaveUp(reason):
            after = _to(reply, "needs_human", now, reason=reason, look_at=None)
        case other:
            assert_never(other)
    step = (reply.state, after.state)
    return after if may_become(*step) and step not in _BY_PEOPLE else None


def _to(reply: Reply, state: State, now: datetime, **changes: Any) -> Reply:
    return replace(reply, state=state, updated_at=now, version=reply.version + 1, **changes)


def _to_unknown(reply: Reply, now: datetime, pace: Pace, reason: str) -> Reply:
    look_at = (reply.reserved_at or now) + pace.recover_after
    since = reply.unknown_since or now
    return _to(reply, "unknown", now, reason=reason, unknown_since=since, missed_at=None, look_at=look_at)
