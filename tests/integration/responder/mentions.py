"""What a responder hears, with defaults for what a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.events import MentionAnswered, MentionRouted

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def routed(post_id: str = "1001", *, at: datetime = NOON, **more: Any) -> MentionRouted:
    """A mention that can be answered."""
    fields: dict[str, Any] = {
        "event_id": f"r-{post_id}",
        "occurred_at": at,
        "key": "key-jo",
        "network": "x",
        "post_id": post_id,
        "handle": "acme",
        "author_id": "222",
        "author_username": "jo",
        "thread_id": "thread-jo",
        "posted_at": at,
        "language": "fr",
        "intent": "complaint",
        "urgency": "high",
        "conversation_id": "cnv_1",
        "outcome": "opened",
        "item_id": "itm_1",
        "queue": "fr",
    }
    return MentionRouted(**fields | more)


def answered(
    post_id: str = "1001", *, by: str = "o-1", after: timedelta = 5 * MINUTE, at: datetime = NOON, **more: Any
) -> MentionAnswered:
    """A post of ours answers a mention of that time."""
    fields: dict[str, Any] = {
        "event_id": f"a-{post_id}-{by}",
        "occurred_at": at,
        "key": "key-jo",
        "network": "x",
        "post_id": post_id,
        "handle": "acme",
        "conversation_id": "cnv_1",
        "own_post_id": by,
        "posted_at": at,
        "answered_at": at + after,
        "language": "fr",
        "intent": "complaint",
        "queue": "fr",
    }
    return MentionAnswered(**fields | more)
