"""Values for the responder's decisions: each builder defaults what its test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.responder.domain.latency import Latency
from services.responder.domain.posting import Pace
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import Reply, Target

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
PACE = Pace()


def target(**more: Any) -> Target:
    fields: dict[str, Any] = {
        "network": "x",
        "post_id": "1001",
        "handle": "acme",
        "author_id": "222",
        "author_username": "jo",
        "thread_id": "t-1",
        "private": False,
        "posted_at": NOON,
        "conversation_id": "cnv_1",
        "item_id": "itm_1",
        "queue": "fr",
        "language": "fr",
        "intent": "complaint",
        "urgency": "high",
        "team": "main",
        "key": "key-jo",
        "routed_at": NOON,
    }
    return Target(**fields | more)


def reply(state: Any = "queued", **more: Any) -> Reply:
    fields: dict[str, Any] = {
        "id": "rep_1",
        "network": "x",
        "in_reply_to": "1001",
        "handle": "acme",
        "text": "On regarde ^Ana",
        "state": state,
        "created_at": NOON,
        "updated_at": NOON,
        "not_before": NOON,
        "key": "key-jo",
    }
    return Reply(**fields | more)


def own_post(post_id: str = "2001", **more: Any) -> OwnPost:
    fields: dict[str, Any] = {"in_reply_to": "1001", "text": "@jo On regarde ^Ana", "created_at": NOON}
    return OwnPost(post_id, **fields | more)


def latency(post_id: str = "1001", seconds: float = 60, own_post_id: str = "2001") -> Latency:
    return Latency(
        network="x",
        post_id=post_id,
        how="direct",
        own_post_id=own_post_id,
        reply_id="",
        posted_at=NOON,
        answered_at=NOON + seconds * SECOND,
        latency_seconds=seconds,
        handle="acme",
        queue="fr",
        language="fr",
        intent="complaint",
        team="main",
        conversation_id="cnv_1",
    )
