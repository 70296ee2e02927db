"""Every event on the wire: facts in the past tense, one class per version.

The value of a record is the JSON of one of these; its type travels in the `ce_type` header alone.
A field may be added, with a default. Anything else is a new class, `...V2`, told beside the old one.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec

Utc = Annotated[datetime, msgspec.Meta(tz=True)]

RAW = "mentions.raw"
CLASSIFIED = "mentions.classified"
WORK_ITEMS = "work.items"
REPLIES = "replies"
TOPICS = (RAW, CLASSIFIED, WORK_ITEMS, REPLIES)

Urgency = Literal["critical", "high", "normal", "low", "none"]
Intent = Literal[
    "complaint",
    "assistance_request",
    "information_request",
    "feedback",
    "praise_thanks",
    "chatter",
    "spam_abuse",
]
Sentiment = Literal["negative", "neutral", "positive"]
Channel = Literal["phone", "email", "chat", "store", "web_app", "social", "none"]


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What all events carry. `key` keeps the order of what concerns one person; it names nobody."""

    topics: ClassVar[tuple[str, ...]] = ()
    type: ClassVar[str] = ""

    event_id: str
    occurred_at: Utc
    key: str
    traceparent: str = ""


class Reach(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How far a post carried when we read it; what a network does not tell is None."""

    followers: int | None = None
    verified: bool | None = None
    reposts: int | None = None
    quotes: int | None = None
    likes: int | None = None
    replies: int | None = None


class Labels(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a mention is. Confidences are calibrated probabilities by head name, 0..1."""

    language: str  # BCP 47, "und" where nobody could tell
    intent: Intent
    secondary_intent: Intent | None = None
    needs_response: bool
    urgency: Urgency
    reasons: tuple[str, ...] = ()
    sentiment: Sentiment = "neutral"
    topics: tuple[str, ...] = ()
    contact_channel: Channel = "none"
    channel_sentiment: Sentiment = "neutral"
    blamed_channel: Channel = "none"
    flags: tuple[str, ...] = ()
    stated_wait_minutes: int | None = None
    confidence: dict[str, float] = {}
    decision: Literal["automatic", "to_confirm", "set_aside"] = "automatic"
    model: str = ""
    viral_risk: float = 0.0  # 0..1, and what it is made of
    viral_parts: dict[str, float] = {}


# --- mentions.raw: told by ingest; own posts and deletions go on to mentions.classified as they are


class _Mention(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a customer wrote, to which handle, and when: the same before and after it is understood."""

    network: str
    post_id: str  # the first id of its edit history
    version: int = 1  # rises with each edit
    handle: str
    also_named: tuple[str, ...] = ()
    author_id: str
    author_username: str = ""
    text: str
    posted_at: Utc  # the network's time
    received_at: Utc
    thread_id: str = ""
    in_reply_to: str = ""
    private: bool = False
    reach: Reach = Reach()
    source: str = "api"
    team: str = "main"  # whose handle it is


class MentionReceived(_Mention, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: a post or private message that concerns a handle of ours, or a new version of one."""

    topics: ClassVar[tuple[str, ...]] = (RAW,)
    type: ClassVar[str] = "mention.received.v1"

    language_hint: str = ""  # what the network says, BCP 47
    raw: msgspec.Raw = msgspec.Raw(b"null")


class OwnPostReceived(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: a post of one of our handles was seen on the network, whoever wrote it with what tool."""

    topics: ClassVar[tuple[str, ...]] = (RAW, CLASSIFIED)
    type: ClassVar[str] = "own_post.received.v1"

    network: str
    post_id: str
    handle: str
    answered_person: str = ""
    text: str
    posted_at: Utc
    thread_id: str = ""
    in_reply_to: str = ""
    private: bool = False


class MentionDeleted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: its author or the network took the post away; its text must go here too."""

    topics: ClassVar[tuple[str, ...]] = (RAW, CLASSIFIED)
    type: ClassVar[str] = "mention.deleted.v1"

    network: str
    post_id: str


# --- mentions.classified: told by the classifier


class MentionClassified(_Mention, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """classifier: what this mention is, with the confidences and the model that says so."""

    topics: ClassVar[tuple[str, ...]] = (CLASSIFIED,)
    type: ClassVar[str] = "mention.classified.v1"

    labels: Labels


# --- work.items: told by the router


class MentionRouted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: the mention is kept, and this is where it waits (or why it does not)."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "mention.routed.v1"

    network: str
    post_id: str
    handle: str
    author_id: str
    author_username: str = ""
    thread_id: str = ""
    private: bool = False
    posted_at: Utc
    language: str
    intent: Intent
    urgency: Urgency
    conversation_id: str
    outcome: Literal["opened", "joined", "set_aside", "answered"]
    item_id: str = ""
    queue: str = ""
    team: str = "main"


class MentionAnswered(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: a post of ours answers this mention; told again for a further answer. Times are the network's."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "mention.answered.v1"

    network: str
    post_id: str
    handle: str
    conversation_id: str
    how: Literal["direct", "covered"] = "direct"
    own_post_id: str
    reply_id: str = ""  # where it was sent through us
    posted_at: Utc
    answered_at: Utc
    language: str = "und"
    intent: Intent = "chatter"
    queue: str = ""
    team: str = "main"


class WorkItemAssigned(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: this agent has it now."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "work_item.assigned.v1"

    item_id: str
    conversation_id: str
    queue: str
    agent: str
    version: int
    waited_seconds: float  # since it was first enqueued
    team: str = "main"


class WorkItemReleased(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: back in its queue with its original age."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "work_item.released.v1"

    item_id: str
    conversation_id: str
    queue: str
    agent: str
    version: int
    reason: str
    team: str = "main"


class WorkItemCompleted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: done, by a human answer or by an agent's word."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "work_item.completed.v1"

    item_id: str
    conversation_id: str
    queue: str
    agent: str = ""
    version: int
    reason: str  # answered, answered_elsewhere, done
    team: str = "main"


class WorkItemCanceled(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: nobody needs to answer it any more."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "work_item.canceled.v1"

    item_id: str
    conversation_id: str
    queue: str
    version: int
    reason: str  # deleted
    team: str = "main"


class ClassificationCorrected(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: a person says what this mention is; each correction is a new version beside the model's word."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "classification.corrected.v1"

    correction_id: str
    network: str
    post_id: str
    mention_version: int = 1  # of the text that was corrected
    version: int  # 1 is the mention's first correction
    handle: str
    conversation_id: str
    changed: tuple[str, ...]  # names of labels
    said: Labels  # by the model
    labels: Labels  # all, after the correction
    actor: str
    team: str = "main"


# --- replies: told by the responder


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


CATALOGUE: tuple[type[Event], ...] = (
    MentionReceived,
    OwnPostReceived,
    MentionDeleted,
    MentionClassified,
    MentionRouted,
    MentionAnswered,
    WorkItemAssigned,
    WorkItemReleased,
    WorkItemCompleted,
    WorkItemCanceled,
    ClassificationCorrected,
    ReplyPosted,
    ReplyFailed,
)

_decoders = {event.type: msgspec.json.Decoder(event).decode for event in CATALOGUE}
_encode = msgspec.json.Encoder().encode
E = TypeVar("E", bound=Event)


def encode(event: Event) -> bytes:
    """The JSON value of a record."""
    return _encode(event)


def decode(type_: str, value: bytes) -> Event | None:
    """The event, or None for a type this version does not know (a newer teller's: to be passed over).

    Raises:
        msgspec.ValidationError: the value is not what its type says; the message names the path.
    """
    decoder = _decoders.get(type_)
    return decoder(value) if decoder else None


def of_type(kind: type[E], events: Sequence[Event]) -> list[E]:
    """Those of one class, in order."""
    return [event for event in events if isinstance(event, kind)]


def derived_id(cause: str, type_: str, subject: str) -> str:
    """The id of an event that follows from another, so that a repeat of the cause is a repeat of the effect."""
    return blake2b(f"{cause}\n{type_}\n{subject}".encode(), digest_size=15).hexdigest()
