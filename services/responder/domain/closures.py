"""Public closure: what began in public and was settled in private gets a public word. Suggested, never forced."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from services.responder.domain.eligibility import Verdict
from services.responder.domain.replies import IN_FLIGHT, Reply, Target

State = Literal["suggested", "posted", "skipped"]
NotNow = Literal["skipped", "posted", "being_posted", "too_late", "deleted", "cannot_reply"]

LASTS = timedelta(hours=48)
"""After the customer's word; later a public answer only digs it up again."""

WROTE_AGAIN, DELETED, TOO_LATE = "wrote_again", "deleted", "too_late"

_OPEN_AGAIN = (WROTE_AGAIN, TOO_LATE)
"""What was skipped for these is suggested anew when the customer confirms once more."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Of one conversation."""

    conversation_id: str
    network: str
    handle: str
    team: str
    post_id: str  # the public post with which it began
    confirmed_by: str  # the customer's private message that says that it is settled
    confirmed_at: datetime
    state: State
    updated_at: datetime
    reason: str = ""  # why it was skipped
    reply_id: str = ""  # with which it is, or was to be, posted
    decided_by: str = ""
    version: int = 1

    @property
    def expires_at(self) -> datetime:
        """From then on it is not posted any more."""
        return self.confirmed_at + LASTS


def confirms(message: Target) -> bool:
    """Whether the customer says, in private, that it is settled."""
    return (
        message.private
        and message.outcome != "deleted"
        and message.intent == "praise_thanks"
        and message.sentiment != "negative"
    )


def suggest(
    message: Target, began: Target | None, said: Reply | None, verdict: Verdict, known: Closure | None, now: datetime
) -> Closure | None:
    """The suggestion that a customer's confirmation makes; None: none is needed.

    Args:
        began: the conversation's first message.
        said: the latest that a person of ours posted in private there, before the message.
        verdict: whether the first message can be answered.
        known: what is kept of this conversation.
    """
    if began is None or began.private or verdict.can_reply not in ("api", "uncertain"):
        return None
    if said is None or said.kind != "reply":  # "I come back to you" settles nothing
        return None
    if now - message.posted_at >= LASTS:
        return None
    if known is not None and not (known.state == "skipped" and known.reason in _OPEN_AGAIN):
        return None
    return Closure(
        conversation_id=message.conversation_id,
        network=began.network,
        handle=began.handle,
        team=began.team,
        post_id=began.post_id,
        confirmed_by=message.post_id,
        confirmed_at=message.posted_at,
        state="suggested",
        updated_at=now,
        version=known.version + 1 if known else 1,
    )


def after(closure: Closure, message: Target, now: datetime) -> Closure | None:
    """What a customer's message, or its deletion, makes of a suggestion; None: it stands."""
    if closure.state != "suggested":
        return None
    if message.outcome == "deleted":
        return skip(closure, DELETED, "", now) if message.post_id in (closure.post_id, closure.confirmed_by) else None
    if message.posted_at < closure.confirmed_at or confirms(message) or message.intent == "praise_thanks":
        return None
    return skip(closure, WROTE_AGAIN, "", now)


def skip(closure: Closure, reason: str, by: str, now: datetime) -> Closure:
    """Not to be posted."""
    return _to(closure, "skipped", now, reason=reason, decided_by=by)


def begin(closure: Closure, reply: Reply, by: str, now: datetime) -> Closure:
    """On its way; posted once the network holds it."""
    return _to(closure, "suggested", now, reply_id=reply.id, decided_by=by)


def seen(closure: Closure, now: datetime) -> Closure:
    """As it is at this moment: one whose time is over is skipped, whether or not somebody has written that down."""
    if closure.state == "suggested" and not closure.reply_id and now >= closure.expires_at:
        return replace(closure, state="skipped", reason=TOO_LATE)
    return closure


def why_not(
    closure: Closure, began: Target | None, verdict: Verdict | None, reply: Reply | None, now: datetime
) -> NotNow | None:
    """Which condition does not hold at this moment; None: it may be posted.

    Args:
        began: the public post; None: not known any more.
        reply: the one with which it was to be posted before.
    """
    if closure.state == "posted" or (reply is not None and reply.state == "posted"):
        return "posted"
    if reply is not None and reply.state in (*IN_FLIGHT, "manual_required", "needs_human"):
        return "being_posted"
    if began is None or began.outcome == "deleted":
        return "deleted"
    if closure.state == "skipped":
        return "too_late" if closure.reason == TOO_LATE else "skipped"
    if now >= closure.expires_at:
        return "too_late"
    if verdict is None or verdict.can_reply not in ("api", "uncertain"):
        return "cannot_reply"
    return None


def _to(closure: Closure, state: State, now: datetime, **changes: str) -> Closure:
    return replace(closure, state=state, updated_at=now, version=closure.version + 1, **changes)  # type: ignore[arg-type]
