"""What a router hears, with defaults for what a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.events import Labels, MentionClassified, MentionDeleted, OwnPostReceived, ReplyPosted

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def mention(
    post_id: str, *, author: str = "jo", at: datetime = NOON, language: str = "fr", urgency: str = "normal", **more: Any
) -> MentionClassified:
    """A customer's message, classified."""
    decision = more.pop("decision", "automatic")
    labels = Labels(
        language=language,
        intent="assistance_request",
        needs_response=decision != "set_aside",
        urgency=urgency,  # type: ignore[arg-type]
        decision=decision,
    )
    fields = {
        "event_id": f"e-{post_id}-{more.get('version', 1)}",
        "occurred_at": at,
        "key": f"key-{author}",
        "network": "x",
        "post_id": post_id,
        "handle": "acme",
        "author_id": author,
        "author_username": author,
        "text": f'« {post_id} », l\'été "vite" 🚆',
        "posted_at": at,
        "received_at": at,
        "thread_id": f"thread-{author}",
        "labels": labels,
    }
    return MentionClassified(**fields | more)  # type: ignore[arg-type]


def own_post(post_id: str, *, to: str = "", person: str = "jo", at: datetime = NOON, **more: Any) -> OwnPostReceived:
    """A post of our handle, seen on the network."""
    fields = {
        "event_id": f"o-{post_id}",
        "occurred_at": at,
        "key": f"key-{person}",
        "network": "x",
        "post_id": post_id,
        "handle": "acme",
        "answered_person": person,
        "text": "On regarde ^Ana",
        "posted_at": at,
        "thread_id": f"thread-{person}",
        "in_reply_to": to,
    }
    return OwnPostReceived(**fields | more)  # type: ignore[arg-type]


def reply(
    post_id: str, *, to: str, person: str = "jo", at: datetime = NOON, agent: str = "ana", **more: Any
) -> ReplyPosted:
    """A reply of ours that went out."""
    return ReplyPosted(
        event_id=f"r-{post_id}",
        occurred_at=at,
        key=f"key-{person}",
        reply_id=f"rep_{post_id}",
        network="x",
        post_id=post_id,
        in_reply_to=to,
        handle="acme",
        author_id=person,
        agent=agent,
        text="Voilà ^Ana",
        posted_at=at,
        **more,
    )


def deleted(post_id: str, *, author: str = "jo", at: datetime = NOON) -> MentionDeleted:
    """The author took the post away."""
    return MentionDeleted(event_id=f"d-{post_id}", occurred_at=at, key=f"key-{author}", network="x", post_id=post_id)
