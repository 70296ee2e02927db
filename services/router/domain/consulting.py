"""What a question to somebody who helps does to its conversation. Pure."""

from datetime import datetime

from msgspec.structs import replace

from services.router.domain.conversations import After, hold, resume
from services.router.domain.routing import Conversation
from services.router.domain.setup import Setup

REASON = "consultation"
"""Why such a conversation is on hold: one that was put on hold for something else does not go on with an answer."""

OVER = ("resolved", "closed", "dismissed")
"""States in which nothing is asked any more."""


def asked(talk: Conversation, setup: Setup, now: datetime) -> After | None:
    """An open conversation is on hold; None where it waits for somebody or for a time already.

    Its item stays its agent's and uses no capacity. One that nobody has stays in its queue: whoever takes it finds
    the question. Either way its deadline stays, and the time to the first response goes on.
    """
    if talk.merged_into or talk.state not in ("open", "stale"):
        return None
    held = hold(talk, REASON, setup, now)
    if isinstance(held, After):
        return held
    return After(replace(talk, state="on_hold", reason=REASON, wake_at=None, version=talk.version + 1))


def over(talk: Conversation, still_open: int, setup: Setup, now: datetime, *, has_room: bool) -> After | None:
    """With the last question the conversation goes on, if it was on hold for that; None: it stays as it is.

    Args:
        still_open: further questions about it that nobody has answered.
        has_room: whether the agent who has its item is there and has room; else that waits again, with its age.
    """
    if still_open or talk.state != "on_hold" or talk.reason != REASON:
        return None
    after = resume(talk, setup, now, has_room=has_room)
    return after if isinstance(after, After) else None
