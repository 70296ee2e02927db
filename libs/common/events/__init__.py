"""Every event on the wire: facts in the past tense, one class per version.

The value of a record is the JSON of one of these; its type travels in the `ce_type` header alone.
A field may be added, with a default. Anything else is a new class, `...V2`, told beside the old one.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import msgspec

from libs.common.events.base import (
    CLASSIFIED,
    RAW,
    REPLIES,
    TOPICS,
    WORK_ITEMS,
    Channel,
    Event,
    Intent,
    Labels,
    Reach,
    Sentiment,
    Urgency,
    Utc,
)
from libs.common.events.incidents import (
    ConsultationAnswered,
    ConsultationAsked,
    IncidentClosed,
    IncidentOpened,
    IncidentProposed,
)
from libs.common.events.mentions import (
    MentionClassified,
    MentionDeleted,
    MentionReceived,
    OwnPostReceived,
    Summoned,
)
from libs.common.events.replies import (
    MACHINE,
    ReplyFailed,
    ReplyKind,
    ReplyPosted,
)
from libs.common.events.work_items import (
    ClassificationCorrected,
    ConversationResolved,
    MentionAnswered,
    MentionRouted,
    ResponseBreached,
    ResponseWarned,
    StoppedClock,
    WorkItemAssigned,
    WorkItemCanceled,
    WorkItemCompleted,
    WorkItemOffered,
    WorkItemReleased,
)

__all__ = [
    "CATALOGUE",
    "CLASSIFIED",
    "MACHINE",
    "RAW",
    "REPLIES",
    "TOPICS",
    "WORK_ITEMS",
    "Channel",
    "ClassificationCorrected",
    "ConsultationAnswered",
    "ConsultationAsked",
    "ConversationResolved",
    "Event",
    "IncidentClosed",
    "IncidentOpened",
    "IncidentProposed",
    "Intent",
    "Labels",
    "MentionAnswered",
    "MentionClassified",
    "MentionDeleted",
    "MentionReceived",
    "MentionRouted",
    "OwnPostReceived",
    "Reach",
    "ReplyFailed",
    "ReplyKind",
    "ReplyPosted",
    "ResponseBreached",
    "ResponseWarned",
    "Sentiment",
    "StoppedClock",
    "Summoned",
    "Urgency",
    "Utc",
    "WorkItemAssigned",
    "WorkItemCanceled",
    "WorkItemCompleted",
    "WorkItemOffered",
    "WorkItemReleased",
    "decode",
    "derived_id",
    "encode",
    "of_type",
]

CATALOGUE: tuple[type[Event], ...] = (
    MentionReceived,
    OwnPostReceived,
    MentionDeleted,
    MentionClassified,
    MentionRouted,
    MentionAnswered,
    WorkItemAssigned,
    WorkItemOffered,
    WorkItemReleased,
    WorkItemCompleted,
    WorkItemCanceled,
    ResponseWarned,
    ResponseBreached,
    ClassificationCorrected,
    ConversationResolved,
    IncidentProposed,
    IncidentOpened,
    IncidentClosed,
    ConsultationAsked,
    ConsultationAnswered,
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
