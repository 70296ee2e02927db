"""What `mentions.classified` and `replies` bring: customers' messages and our own posts."""

from collections.abc import Sequence
from typing import Any, assert_never

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import (
    Event,
    MentionClassified,
    MentionDeleted,
    MentionRouted,
    OwnPostReceived,
    ReplyPosted,
    WorkItemCanceled,
    derived_id,
)
from libs.common.outbox import emit
from services.router.domain.routing import (
    Answered,
    Conversation,
    Joined,
    Message,
    Opened,
    Queue,
    SetAside,
    conversation_of,
    more_urgent,
    route,
)
from services.router.handlers.own_posts import answered_event, on_own_post
from services.router.ids import typed_id
from services.router.store import floor as floors
from services.router.store.floor import Floor, KnownAnswer, KnownMention
from services.router.store.queues import queues_for_routing

DELETED_VERSION = 2_147_483_647  # above every edit: a deleted post stays deleted


async def on_messages(events: Sequence[Event], session: AsyncSession) -> None:
    """Keep the messages, and route those that somebody must answer; one transaction, whatever the size."""
    queues = await queues_for_routing(session)
    now = await db.now(session)
    floor = await _load(session, now, events)
    told: list[Event] = []
    for event in events:
        match event:
            case MentionClassified():
                told += _on_mention(floor, event, queues)
            case OwnPostReceived() | ReplyPosted():
                told += on_own_post(floor, event)
            case MentionDeleted():
                told += _on_deleted(floor, event)
            case _:
                pass  # another service's concern
    await floors.save(session, floor)
    emit(session, told)


async def _load(session: AsyncSession, now: Any, events: Sequence[Event]) -> Floor:
    posts: list[floors.PostKey] = []
    own: list[floors.PostKey] = []
    answered: list[floors.PostKey] = []
    authors: list[floors.AuthorKey] = []
    times = []
    for event in events:
        if isinstance(event, MentionClassified):
            posts.append((event.network, event.post_id))
            authors.append((event.network, event.author_id, event.handle))
            times.append(event.posted_at)
        elif isinstance(event, OwnPostReceived | ReplyPosted):
            own.append((event.network, event.post_id))
            times.append(event.posted_at)
            person = event.author_id if isinstance(event, ReplyPosted) else event.answered_person
            if event.in_reply_to:
                answered.append((event.network, event.in_reply_to))
            if person:
                authors.append((event.network, person, event.handle))
        elif isinstance(event, MentionDeleted):
            posts.append((event.network, event.post_id))
    return await floors.load(
        session, now, posts=posts, authors=authors, own=own, answered=answered, earliest=min(times, default=None)
    )


# --- customers' messages


def _on_mention(floor: Floor, event: MentionClassified, queues: Sequence[Queue]) -> list[Event]:
    key = (event.network, event.post_id)
    known = floor.mentions.get(key)
    if known is not None:
        if known.version < event.version:
            _edit(floor, event, known)
        return []
    message = Message(
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        thread_id=event.thread_id or event.post_id,
        language=event.labels.language,
        urgency=event.labels.urgency,
        set_aside=event.labels.decision == "set_aside",
        posted_at=event.posted_at,
        key=event.key,
        team=event.team,
    )
    answers = floor.answers.get(key, [])
    first = min(answers, key=lambda answer: answer.posted_at, default=None)
    joined = conversation_of(message, floor.of_author(event.network, event.author_id, event.handle))
    routed = route(
        message,
        joined,
        queues,
        answered_at=first.posted_at if first else None,
        new_conversation_id=typed_id("cnv", event.posted_at, event.network, event.post_id, event.handle),
        new_item_id=typed_id("itm", event.posted_at, event.network, event.post_id),
    )
    match routed:
        case Opened(conversation, item):
            floor.open(item)
            outcome, item_id, queue = "opened", item.id, item.queue
        case Joined(conversation, item):
            if joined is not None and joined.item is not None:
                floor.change(joined.item, item)
            outcome, item_id, queue = "joined", item.id, item.queue
        case SetAside(conversation):
            outcome, item_id, queue = "set_aside", "", ""
        case Answered(conversation):
            outcome, item_id, queue = "answered", "", ""
        case other:
            assert_never(other)
    floor.keep(conversation)
    kept = _keep(floor, event, conversation, outcome=outcome, item_id=item_id, queue=queue, first=first)
    told: list[Event] = [
        MentionRouted(
            event_id=derived_id(event.event_id, MentionRouted.type, event.post_id),
            occurred_at=floor.now,
            key=event.key,
            traceparent=event.traceparent,
            network=event.network,
            post_id=event.post_id,
            handle=event.handle,
            author_id=event.author_id,
            author_username=event.author_username,
            thread_id=message.thread_id,
            private=event.private,
            posted_at=event.posted_at,
            language=conversation.language,
            intent=event.labels.intent,
            urgency=event.labels.urgency,
            conversation_id=conversation.id,
            outcome=outcome,  # type: ignore[arg-type]
            item_id=item_id,
            queue=queue,
            team=conversation.team,
        )
    ]
    return told + [answered_event(kept, event, answer, floor) for answer in answers]


def _keep(
    floor: Floor,
    event: MentionClassified,
    conversation: Conversation,
    *,
    outcome: str,
    item_id: str,
    queue: str,
    first: KnownAnswer | None,
) -> KnownMention:
    """The mention as a row, and as the next decisions of this batch see it."""
    floor.mention_rows[event.network, event.post_id] = {
        "network": event.network,
        "post_id": event.post_id,
        "version": event.version,
        "handle": event.handle,
        "also_named": event.also_named,
        "conversation_id": conversation.id,
        "item_id": item_id,
        "queue": queue,
        "team": conversation.team,
        "outcome": outcome,
        "author_id": event.author_id,
        "author_username": event.author_username,
        "text": event.text,
        "thread_id": event.thread_id,
        "in_reply_to": event.in_reply_to,
        "private": event.private,
        "source": event.source,
        "reach": event.reach,
        "labels": event.labels,
        "posted_at": event.posted_at,
        "received_at": event.received_at,
        "answered_at": first.posted_at if first else None,
        "answered_by": first.post_id if first else None,
        "traceparent": event.traceparent,
        "updated_at": floor.now,
    }
    known = KnownMention(
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        conversation_id=conversation.id,
        queue=queue,
        team=conversation.team,
        outcome=outcome,
        posted_at=event.posted_at,
        answered_at=first.posted_at if first else None,
        labels={"language": event.labels.language, "intent": event.labels.intent},
    )
    floor.mentions[event.network, event.post_id] = known
    return known


def _edit(floor: Floor, event: MentionClassified, known: KnownMention) -> None:
    """A newer version of a message we hold: its text and labels follow; its place in the queue only rises."""
    conversation = floor.conversations.get(known.conversation_id)
    if conversation is not None and conversation.item is not None:
        item = more_urgent(conversation.item, event.labels.urgency, event.posted_at)
        floor.change(conversation.item, item)
        floor.keep(replace(conversation, item=item, version=conversation.version + 1))
    floor.edited_rows.append(
        {
            "network": event.network,
            "post_id": event.post_id,
            "version": event.version,
            "text": event.text,
            "labels": event.labels,
            "correction": None,  # it was of another text
            "updated_at": floor.now,
        }
    )
    floor.mentions[event.network, event.post_id] = known._replace(version=event.version)


def _on_deleted(floor: Floor, event: MentionDeleted) -> list[Event]:
    """Its text goes; a tombstone is kept for the message that may still come. Nobody needs to answer it."""
    key = (event.network, event.post_id)
    known = floor.mentions.get(key)
    floor.mention_rows.pop(key, None)
    row = _tombstone(floor, event, known)
    floor.deleted_rows.append(row)
    floor.mentions[key] = KnownMention(**{name: row[name] for name in KnownMention._fields})
    if known is None:
        return []
    conversation = floor.conversations.get(known.conversation_id)
    if conversation is None or conversation.item is None or conversation.item.opened_by != event.post_id:
        return []
    item = floor.close(conversation.item, "canceled", "deleted")
    floor.keep(replace(conversation, item=None, state="dismissed", version=conversation.version + 1))
    return [
        WorkItemCanceled(
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
    ]


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
        "traceparent": event.traceparent,
        "updated_at": floor.now,
    }
