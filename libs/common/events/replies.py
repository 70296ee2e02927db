"""What became of our answers: told by the responder on `replies`."""

from typing import ClassVar, Literal

from libs.common.events.base import REPLIES, Event, Utc

ReplyKind = Literal["reply", "holding", "closure", "survey", "automatic"]
"""An answer; "I come back by ..."; the public word that it was settled in private; the two that a machine writes."""

MACHINE: tuple[ReplyKind, ...] = ("survey", "automatic")
"""Nobody has answered with one of these."""


class ReplyPosted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """responder: the network holds our answer under this id since this time of its own."""

    topics: ClassVar[tuple[str, ...]] = (REPLIES,)
    type: ClassVar[str] = "reply.posted.v1"

    reply_id: str
    network: str
    post_id: str  # the id of our post
    in_reply_to: str  # the mention it answers
    handle: str
    author_id: str  # the person answered
    agent: str = ""
    text: str
    posted_at: Utc
    thread_id: str = ""
    private: bool = False
    team: str = "main"
    kind: ReplyKind = "reply"
    promised_at: Utc | None = None  # of a holding reply: back by then


class ReplyFailed(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """responder: the answer did not go out, or nobody knows whether it did; a person must look."""

    topics: ClassVar[tuple[str, ...]] = (REPLIES,)
    type: ClassVar[str] = "reply.failed.v1"

    reply_id: str
    network: str
    in_reply_to: str
    handle: str
    agent: str = ""
    state: Literal["refused", "manual_required", "needs_human"]
    reason: str
    team: str = "main"
