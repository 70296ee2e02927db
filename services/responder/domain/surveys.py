"""A survey: asked once after a private conversation, answered with 1..5, and never pressed on anybody. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from services.responder.domain.replies import Reply

State = Literal["scheduled", "sent", "answered", "expired", "suppressed"]

AFTER = timedelta(hours=1)
OPEN_FOR = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=10)
"""Between two looks at what became of its message."""
TOO_LATE = timedelta(days=1)
"""After it was due: a survey that an outage or a replay held up for so long is not sent."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Of one conversation."""

    conversation_id: str
    network: str
    handle: str
    author_id: str
    team: str
    queue: str
    language: str
    intent: str
    agent: str  # who answered last
    key: str
    state: State
    reason: str  # why it was suppressed
    resolved_at: datetime
    due_at: datetime  # to be sent, or looked after, or to expire
    updated_at: datetime
    reply_id: str = ""  # its message, once that is on its way
    sent_at: datetime | None = None
    rating: int | None = None
    comment: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation when somebody says that it is done."""

    began_private: bool  # with a message of the customer
    private: bool  # the customer's latest message
    incident: bool = False
    stopped: bool = False  # the customer wants no message of a machine
    cooling: bool = False  # this customer was asked by this handle not long ago
    way: bool = True  # a private message can be sent from here


def why_not_asked(talk: Talk) -> str:
    """Why this customer is not asked, in one word; empty: they are."""
    reasons = {
        "not_private": not (talk.began_private and talk.private),
        "incident": talk.incident,
        "no_way": not talk.way,
        "stop": talk.stopped,
        "cooldown": talk.cooling,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def cooling(asked_at: datetime | None, cooldown_days: int, now: datetime) -> bool:
    """Whether a survey went to this customer (`asked_at`) so recently that the next one has to wait."""
    return asked_at is not None and now - asked_at < timedelta(days=cooldown_days)


def resolved(known: Survey | None, new: Survey) -> Survey | None:
    """The survey after (another) end of its conversation; None: nothing changes.

    Where the customer wrote again before they were asked, the later end counts. Nobody is asked twice.
    """
    if known is None:
        return new
    waits = known.state == "scheduled" and not known.reply_id
    open_ = waits or (known.state, known.reason) == ("suppressed", "wrote_again")
    return new if open_ and new.resolved_at > known.resolved_at else None


def suppressed(survey: Survey, reason: str, now: datetime) -> Survey:
    """Not to be sent."""
    return replace(survey, state="suppressed", reason=reason, updated_at=now)


def why_not_sent(survey: Survey, *, wrote_again: bool, stopped: bool, cooling: bool, now: datetime) -> str:
    """Why one that is due is not sent after all, in one word; empty: it is."""
    reasons = {
        "stop": stopped,
        "wrote_again": wrote_again,
        "cooldown": cooling,
        "too_late": now - survey.due_at > TOO_LATE,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def queued(survey: Survey, reply_id: str, now: datetime) -> Survey:
    """Its message is on its way."""
    return replace(survey, reply_id=reply_id, due_at=now + LOOK_AGAIN, updated_at=now)


def followed(survey: Survey, reply: Reply | None, open_for: timedelta, now: datetime) -> Survey:
    """A scheduled one after a look at what became of its message."""
    if reply is not None and reply.state == "posted" and reply.posted_at is not None:
        return replace(survey, state="sent", sent_at=reply.posted_at, due_at=reply.posted_at + open_for, updated_at=now)
    if reply is None or reply.state in ("refused", "canceled"):
        return suppressed(survey, _why_gone(reply), now)
    return replace(survey, due_at=now + LOOK_AGAIN)


def _why_gone(reply: Reply | None) -> str:
    if reply is None or reply.state == "refused":
        return "refused"
    return reply.reason if reply.reason in ("stop", "wrote_again") else "canceled"


def expired(survey: Survey, now: datetime) -> Survey:
    """Nobody answered it in time."""
    return replace(survey, state="expired", updated_at=now)


def rated(survey: Survey, rating: int, comment: str, answered_at: datetime, now: datetime) -> Survey | None:
    """The survey with its answer; the first counts. None: it waits for none, or not any more."""
    if survey.state != "sent" or not 1 <= rating <= 5 or answered_at > survey.due_at:
        return None
    return replace(survey, state="answered", rating=rating, comment=comment, answered_at=answered_at, updated_at=now)
