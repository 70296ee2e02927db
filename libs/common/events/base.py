"""What all events share: topics, labels, and the fields each carries."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

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
    stated_minutes_left: int | None = None  # until a departure, a closing, an exam
    confidence: dict[str, float] = {}
    decision: Literal["automatic", "to_confirm", "set_aside"] = "automatic"
    model: str = ""
    viral_risk: float = 0.0  # 0..1, and what it is made of
    viral_parts: dict[str, float] = {}
