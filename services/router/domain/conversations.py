"""What people and time do to a conversation: on hold, snoozed, resolved, closed, stale, dismissed, merged. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from services.router.domain.order import NEVER, place
from services.router.domain.routing import STALE_AFTER, Conversation, Message, open_item, stale_at
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item, arrange, back, held_until, is_aside, plan_of, put_aside, taken_up
from services.router.domain.words import HELD_STATES, RANK, Urgency

CLOSES_AFTER = timedelta(days=7)
"""A resolved conversation closes after this time, if nobody writes."""

Action = Literal["resolve", "reopen", "snooze", "hold", "resume", "dismiss"]
Dismissal = Literal["spam", "duplicate", "deleted"]

GOES_FROM: Mapping[Action, tuple[str, ...]] = {
    "resolve": ("open", "waiting_customer", "on_hold", "snoozed", "stale"),
    "reopen": ("waiting_customer", "resolved", "closed", "set_aside", "stale", "dismissed"),
    "snooze": ("open", "stale"),
    "hold": ("open", "stale"),
    "resume": ("on_hold", "snoozed"),
    "dismiss": ("open", "waiting_customer", "on_hold", "snoozed", "set_aside", "stale"),
}
"""In which states each action is possible; what time and messages do stands beside it in `woken` and `routing`."""


class After(Struct, frozen=True):
    """A conversation after a step, and the item it had as that is now (None: it had none)."""

    talk: Conversation
    item: Item | None = None


class NotFrom(Struct, frozen=True):
    """This cannot be done to it in the state it is in."""

    action: Action
    state: str
    possible_in: tuple[str, ...]


class Nobody(Struct, frozen=True):
    """Nobody has it: what is put aside must be somebody's, or no one would come back to it."""

    state: str  # of its item; "" where it has none


def refused(talk: Conversation, action: Action) -> NotFrom | None:
    """Why this action is not possible now, or None. What was merged into another conversation is done with."""
    if talk.merged_into:
        return NotFrom(action, "merged", GOES_FROM[action])
    return None if talk.state in GOES_FROM[action] else NotFrom(action, talk.state, GOES_FROM[action])


def resolve(talk: Conversation, now: datetime, closes_after: timedelta) -> After | NotFrom:
    """Done, by an agent's word; whatever waits is completed. It closes after a while."""
    if problem := refused(talk, "resolve"):
        return problem
    return After(_now(talk, "resolved", wake_at=now + closes_after), _ended(talk.item, "completed"))


def dismiss(talk: Conversation, reason: Dismissal) -> After | NotFrom:
    """No answer is due; whatever waits is canceled."""
    if problem := refused(talk, "dismiss"):
        return problem
    ended = "completed" if talk.item is not None and talk.item.state == "wrapping" else "canceled"
    return After(_now(talk, "dismissed", reason=reason), _ended(talk.item, ended))


def hold(talk: Conversation, reason: str, setup: Setup, now: datetime) -> After | NotFrom | Nobody:
    """It waits for a third party: its item stays its agent's and uses no capacity."""
    return refused(talk, "hold") or _aside(talk, "on_hold", setup, now, reason=reason)


def snooze(talk: Conversation, until: datetime, setup: Setup, now: datetime) -> After | NotFrom | Nobody:
    """Nothing can be done before then: its item stays its agent's and uses no capacity."""
    return refused(talk, "snooze") or _aside(talk, "snoozed", setup, now, wake_at=until)


def _aside(
    talk: Conversation, state: str, setup: Setup, now: datetime, *, wake_at: datetime | None = None, reason: str = ""
) -> After | Nobody:
    item = talk.item
    if item is None or item.state != "assigned":
        return Nobody(item.state if item is not None else "")
    aside = item if is_aside(item) else put_aside(item, setup, now)
    return After(_now(talk, state, item=aside, wake_at=wake_at, reason=reason), aside if aside is not item else None)


def resume(talk: Conversation, setup: Setup, now: datetime, *, has_room: bool) -> After | NotFrom:
    """It goes on: its item is its agent's again if they are there and have room, else it waits with its age."""
    return refused(talk, "resume") or _woken_up(talk, setup, now, has_room=has_room)


def _woken_up(talk: Conversation, setup: Setup, now: datetime, *, has_room: bool) -> After:
    item = talk.item
    if item is not None and is_aside(item):
        item = taken_up(item, setup, now) if has_room else back(item, setup, now)
    after = _now(talk, "open", item=item, wake_at=stale_at(talk.private, now) if item is not None else None)
    return After(after, item if item is not talk.item else None)


def reopen(
    talk: Conversation, message: Message, setup: Setup, now: datetime, *, since: datetime, new_item_id: str
) -> After | NotFrom:
    """A person says that it needs an answer: a new item waits, of a new cycle where the last one was over.

    Args:
        message: the customer's latest.
        since: since when it waits: that message's time where nobody answered it, else now.
    """
    if problem := refused(talk, "reopen"):
        return problem
    if talk.item is not None and talk.item.state != "wrapping":  # stale: it waits all along
        return After(_now(talk, "open", item=talk.item, wake_at=stale_at(talk.private, now)))
    followup = talk.replied_at is not None
    if talk.state in ("resolved", "closed"):
        talk = replace(talk, cycle=talk.cycle + 1, replied_at=None)
    urgency: Urgency = min(
        message.urgency, talk.urgency if talk.urgency != "none" else "low", key=lambda urgency: RANK[urgency]
    )
    asked = replace(message, posted_at=since)
    item = open_item(asked, talk, talk.language, urgency, followup, setup, now, new_item_id)
    after = _now(talk, "open", item=item, wake_at=stale_at(talk.private, now))
    return After(replace(after, urgency=urgency), _ended(talk.item, "completed"))


class Woken(Struct, frozen=True):
    """What a moment did to a conversation; `happened`: snooze_over, wanted, stale, closed, nothing."""

    after: After
    happened: str


def woken(talk: Conversation, setup: Setup, now: datetime, *, has_room: bool) -> Woken:
    """The conversation when its time has come: a snooze is over, it waits too long in public, it closes."""
    item = talk.item
    if talk.state == "snoozed":
        return Woken(_woken_up(talk, setup, now, has_room=has_room), "snooze_over")
    if talk.state == "open" and item is not None and is_aside(item):
        return Woken(_woken_up(talk, setup, now, has_room=has_room), "wanted")
    silent = now - talk.last_customer_at >= STALE_AFTER
    if talk.state == "open" and item is not None and item.state == "pending" and silent and not talk.private:
        return Woken(After(_now(talk, "stale", item=item)), "stale")
    if talk.state == "resolved":
        return Woken(After(_now(talk, "closed", item=item)), "closed")
    later = stale_at(talk.private, now) if talk.state == "open" and item is not None else None  # it may wait again
    return Woken(After(replace(talk, wake_at=later)), "nothing")


def has_room(presence: str, used: int, capacity: int, item: Item | None) -> bool:
    """Whether an agent can go on with what they put aside; one who takes nothing new may."""
    return item is not None and presence in ("available", "finishing") and used + (item.routing.parked or 0) <= capacity


class Merged(Struct, frozen=True):
    """Two conversations that are one.

    `stays`: the open item that is left, if there is one; `was`: as it was before; `gone`: the other one.
    """

    source: Conversation
    target: Conversation
    stays: Item | None = None
    was: Item | None = None
    gone: Item | None = None


def merge(source: Conversation, target: Conversation, setup: Setup, now: datetime) -> Merged:
    """The source's messages go on in the target, which has at most one open item.

    That one is as urgent as the more urgent and due when the earlier is; it is the one that somebody has, else the
    more urgent, else the earlier due. The other is canceled (what is in its wrap-up is completed).
    """
    stays, gone = _kept_of(source.item, target.item)
    after = stays
    if stays is not None:
        after = _joined(stays, gone, setup, now) if gone is not None and gone.state != "wrapping" else stays
        if after.conversation_id != target.id or after.team != target.team:
            after = replace(after, conversation_id=target.id, team=target.team)
            after = arrange(after, plan_of(after, setup), setup, now) if after.state == "pending" else after
        if after is not stays and after.version == stays.version:
            after = replace(after, version=stays.version + 1)
    changed = after is not None and after.state != "wrapping" and after is not target.item
    into = _now(target, "open", item=after) if changed else replace(target, item=after, version=target.version + 1)
    if changed and after is not None:
        into = replace(into, urgency=after.urgency, wake_at=now if is_aside(after) else stale_at(False, now))
    away = replace(_now(source, "dismissed", reason="duplicate"), merged_into=target.id)
    ended = None
    if gone is not None:
        ended = _ended(gone, "completed" if gone.state == "wrapping" else "canceled")
    return Merged(away, _history_of_both(source, into), after, stays, ended)


def _history_of_both(source: Conversation, target: Conversation) -> Conversation:
    answered = [at for at in (source.replied_at, target.replied_at) if at is not None]
    last = max(source, target, key=lambda talk: (talk.agent_at or talk.opened_at, talk.id))
    latest = max(source, target, key=lambda talk: (talk.last_customer_at, talk.id))
    return replace(
        target,
        private=latest.private,
        opened_at=min(source.opened_at, target.opened_at),
        last_message_at=max(source.last_message_at, target.last_message_at),
        last_customer_at=max(source.last_customer_at, target.last_customer_at),
        replied_at=min(answered, default=None),
        agent=last.agent or target.agent or source.agent,
        agent_at=last.agent_at or target.agent_at or source.agent_at,
    )


def _kept_of(one: Item | None, other: Item | None) -> tuple[Item | None, Item | None]:
    if one is None or other is None:
        return one or other, None
    stays = min(
        (other, one),
        key=lambda item: (
            item.state == "wrapping",
            item.state not in HELD_STATES,
            RANK[item.urgency],
            item.due_at or NEVER,
            item.id,
        ),
    )
    return stays, one if stays is other else other


def _joined(stays: Item, gone: Item, setup: Setup, now: datetime) -> Item:
    """The one with what the other has over it: urgency, reasons, deadline."""
    first = min(stays, gone, key=lambda item: (RANK[item.urgency], item.due_at or NEVER, item.id))
    due = min((item.due_at for item in (stays, gone) if item.due_at is not None), default=None)
    reasons = tuple(dict.fromkeys((*stays.routing.reasons, *gone.routing.reasons)))
    routing = replace(stays.routing, reasons=reasons, target_seconds=first.routing.target_seconds)
    after = replace(stays, urgency=first.urgency, due_at=due, routing=routing, version=stays.version + 1)
    if after.state == "pending":
        return arrange(after, plan_of(after, setup), setup, now)
    where = place(after.urgency, after.enqueued_at, due, routing.followup, now)
    after = replace(after, rank=where.rank, sort_at=where.sort_at)
    return replace(after, next_at=held_until(after, setup, now)) if after.state == "assigned" else after


def _now(
    talk: Conversation, state: str, *, item: Item | None = None, wake_at: datetime | None = None, reason: str = ""
) -> Conversation:
    return replace(talk, state=state, item=item, wake_at=wake_at, reason=reason, version=talk.version + 1)


def _ended(item: Item | None, state: str) -> Item | None:
    if item is None:
        return None
    return replace(item, state=state, version=item.version + 1, next_at=None)


def covers(
    answered_at: datetime, *, posted_at: datetime, direct_at: datetime | None, covered_at: datetime | None
) -> bool:
    """Whether a human reply of that time answers this message of its conversation too, and is the first that does.

    Args:
        direct_at: when a reply that names this very message answered it; covered_at: when another one did.
    """
    return (
        posted_at <= answered_at
        and (direct_at is None or direct_at > answered_at)
        and (covered_at is None or covered_at > answered_at)
    )
