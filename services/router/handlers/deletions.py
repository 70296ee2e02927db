"""A customer's message is gone: so is its text, and nobody needs to answer it."""

from typing import Any

from msgspec.structs import replace

from libs.common.events import Event, MentionDeleted, MentionRouted, WorkItemCanceled, derived_id
from services.router.domain.waiting import Item
from services.router.store.floor import Floor
from services.router.store.known import KnownMention

DELETED_VERSION = 2_147_483_647  # above every edit: a deleted post stays deleted


def on_deleted(floor: Floor, event: MentionDeleted) -> list[Event]:
    """Its text goes; a tombstone is kept for the message that may still come. Nobody needs to answer it."""
    key = (event.network, event.post_id)
    known = floor.mentions.get(key)
    floor.mention_rows.pop(key, None)
    row = _tombstone(floor, event, known)
    floor.deleted_rows.append(row)
    floor.mentions[key] = KnownMention(**{name: row[name] for name in KnownMention._fields})
    if known is None or known.outcome == "deleted":
        return []
    told: list[Event] = [_gone(floor, event, known)]
    conversation = floor.heir(floor.conversations.get(known.conversation_id))
    if conversation is None or conversation.item is None or _still_unanswered(floor, conversation.id):
        return told
    item = _canceled(conversation.item)
    floor.close(conversation.item, item, "deleted")
    gone = replace(conversation, item=None, state="dismissed", reason="deleted", wake_at=None)
    floor.keep(replace(gone, version=conversation.version + 1))
    canceled = WorkItemCanceled(
        event_id=derived_id(event.event_id, WorkItemCanceled.type, item.id),
        occurred_at=floor.now,
        key=event.key,
        traceparent=event.traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        version=item.version,
        reason="deleted",
        team=item.team,
    )
    return [*told, canceled]


def _still_unanswered(floor: Floor, conversation_id: str) -> bool:
    """Whether another message of it waits for an answer."""
    rest = [floor.mentions[key] for key in floor.uncovered.get(conversation_id, ())]
    return any(
        mention.outcome in ("opened", "joined") and mention.answered_at is None and mention.covered_at is None
        for mention in rest
    )


def _gone(floor: Floor, event: MentionDeleted, known: KnownMention) -> MentionRouted:
    """Who answers must know; nothing of the person is told."""
    return MentionRouted(
        event_id=derived_id(event.event_id, MentionRouted.type, event.post_id),
        occurred_at=floor.now,
        key=event.key,
        traceparent=event.traceparent,
        network=event.network,
        post_id=event.post_id,
        handle=known.handle,
        author_id="",
        posted_at=known.posted_at,
        language="und",
        intent="chatter",
        urgency="none",
        conversation_id=known.conversation_id,
        outcome="deleted",
        team=known.team,
    )


def _canceled(item: Item) -> Item:
    return replace(item, state="canceled", version=item.version + 1, next_at=None)


def _tombstone(floor: Floor, event: MentionDeleted, known: KnownMention | None) -> dict[str, Any]:
    return {
        "network": event.network,
        "post_id": event.post_id,
        "version": DELETED_VERSION,
        "handle": known.handle if known else "",
        "also_named": [],
        "conversation_id": known.conversation_id if known else "",
        "item_id": "",
        "queue": known.queue if known else "",
        "team": known.team if known else "main",
        "outcome": "deleted",
        "author_id": "",
        "author_username": "",
        "text": "",
        "thread_id": "",
        "in_reply_to": "",
        "private": False,
        "source": "",
        "reach": {},
        "labels": {},
        "posted_at": known.posted_at if known else event.occurred_at,
        "received_at": event.occurred_at,
        "answered_at": None,
        "answered_by": None,
        "covered_at": None,
        "covered_by": None,
        "traceparent": event.traceparent,
        "updated_at": floor.now,
    }
