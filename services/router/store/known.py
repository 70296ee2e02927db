"""What a batch of messages finds kept already."""

from datetime import datetime
from typing import Any, NamedTuple


class KnownMention(NamedTuple):
    """A mention that is already kept."""

    network: str
    post_id: str
    version: int
    handle: str
    conversation_id: str
    queue: str
    team: str
    outcome: str
    posted_at: datetime
    answered_at: datetime | None
    labels: dict[str, Any]
    covered_at: datetime | None = None


class KnownAnswer(NamedTuple):
    """A post of ours that came in before the mention it answers, or before this batch."""

    network: str
    post_id: str
    in_reply_to: str
    posted_at: datetime
    reply_id: str
    event_id: str
