"""Our own posts: what they answer, whose conversation they belong to, which item is thereby done."""

from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from libs.common.events import (
    MACHINE,
    Event,
    MentionAnswered,
    OwnPostReceived,
    ReplyPosted,
    derived_id,
)
from services.router.domain.conversations import covers
from services.router.domain.hours import open_seconds
from services.router.domain.routing import Conversation, OwnPost, answered_by
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item
from services.router.handlers.events_of import completed_event, stopped_clock
from services.router.store.floor import Floor
from services.router.store.known import KnownAnswer, KnownMention


def on_own_post(floor: Floor, event: OwnPostReceived | ReplyPosted, setup: Setup) -> list[Event]:
    """Keep the post once, however often and on whichever way it comes; complete what it answers."""
    key = (event.network, event.post_id)
    if key in floor.own_posts:
        return []
    floor.own_posts.add(key)
    ours = isinstance(event, ReplyPosted)
    person = event.author_id if isinstance(event, ReplyPosted) else event.answered_person
    agent = event.agent if isinstance(event, ReplyPosted) else ""
    post = OwnPost(
        event.network,
        event.post_id,
        event.handle,
        event.in_reply_to,
        person,
        event.posted_at,
        agent,
        _promised_at(event),
    )
    answered = floor.mentions.get((event.network, event.in_reply_to)) if event.in_reply_to else None
    conversation = _conversation_of_post(floor, post, answered)
    answer = KnownAnswer(
        event.network,
        event.post_id,
        event.in_reply_to,
        event.posted_at,
        event.reply_id if isinstance(event, ReplyPosted) else "",
        event.event_id,
    )
    floor.own_rows.append(
        {
            "network": event.network,
            "post_id": event.post_id,
            "handle": event.handle,
            "conversation_id": conversation.id if conversation else None,
            "answered_person": person,
            "in_reply_to": event.in_reply_to,
            "text": event.text,
            "posted_at": event.posted_at,
            "reply_id": answer.reply_id,
            "agent": agent,
            "event_id": event.event_id,
            "kind": event.kind if isinstance(event, ReplyPosted) else "",
            "updated_at": floor.now,
        }
    )
    if isinstance(event, ReplyPosted) and event.kind in MACHINE:
        return _machine_wrote(floor, event, conversation, answered, answer)
    if event.in_reply_to:
        floor.answers.setdefault((event.network, event.in_reply_to), []).append(answer)
    told: list[Event] = []
    item = None
    if conversation is not None:
        after, done = answered_by(conversation, post, setup, floor.now)
        floor.keep(after)  # first, for what is told has its version
        item = conversation.item if done is not None else None
    if answered is not None:
        _note_answer(floor, answered, answer)
        told.append(answered_event(answered, event, answer, floor, setup=setup, item=item))
    if conversation is not None:
        told += _cover(floor, conversation.id, event, answer, setup, item)
        if done is not None and done.state == "assigned" and conversation.item is not None:
            floor.promise(conversation.item, done, event.posted_at)
        elif done is not None:
            reason = "answered" if ours else "answered_elsewhere"
            assert conversation.item is not None
            floor.close(conversation.item, done, reason, answered_at=event.posted_at)
            if done.state == "completed":
                told.append(completed_event(done, event, reason, floor.now))
    return told


def _machine_wrote(
    floor: Floor,
    event: ReplyPosted,
    conversation: Conversation | None,
    answered: KnownMention | None,
    answer: KnownAnswer,
) -> list[Event]:
    """Nobody has answered: no clock stops, no item is done. What the customer says next may be said to it."""
    if conversation is not None:
        floor.keep(replace(conversation, machine=event.kind, version=conversation.version + 1))
    return [] if answered is None else [answered_event(answered, event, answer, floor, automatic=True)]


def _promised_at(event: OwnPostReceived | ReplyPosted) -> datetime | None:
    return event.promised_at if isinstance(event, ReplyPosted) and event.kind == "holding" else None


def _conversation_of_post(floor: Floor, post: OwnPost, answered: KnownMention | None) -> Conversation | None:
    """Where a post of ours belongs: with the message it answers, else the person's latest conversation."""
    if answered is not None:
        return floor.heir(floor.conversations.get(answered.conversation_id))
    theirs = floor.of_author(post.network, post.answered_person, post.handle)
    return floor.heir(max(theirs, key=lambda c: (c.last_message_at, c.id), default=None))


def _cover(
    floor: Floor, conversation_id: str, cause: Event, answer: KnownAnswer, setup: Setup, item: Item | None
) -> list[Event]:
    """It answers every earlier message of its conversation that nothing answered before it."""
    told: list[Event] = []
    for key in sorted(floor.uncovered.get(conversation_id, ())):
        mention = floor.mentions[key]
        if mention.outcome == "deleted" or not covers(
            answer.posted_at,
            posted_at=mention.posted_at,
            direct_at=mention.answered_at,
            covered_at=mention.covered_at,
        ):
            continue
        floor.mentions[key] = mention._replace(covered_at=answer.posted_at)
        covered = {"covered_at": answer.posted_at, "covered_by": answer.post_id}
        if row := floor.mention_rows.get(key):
            row |= covered
        else:
            known = {"network": mention.network, "post_id": mention.post_id, "updated_at": floor.now}
            floor.covered_rows[key] = known | covered
        told.append(answered_event(mention, cause, answer, floor, "covered", setup=setup, item=item))
    return told


def _note_answer(floor: Floor, mention: KnownMention, answer: KnownAnswer) -> None:
    """The earliest answer counts, whatever the order they come in."""
    if mention.answered_at is not None and mention.answered_at <= answer.posted_at:
        return
    key = (mention.network, mention.post_id)
    floor.mentions[key] = mention._replace(answered_at=answer.posted_at)
    if row := floor.mention_rows.get(key):
        row["answered_at"], row["answered_by"] = answer.posted_at, answer.post_id
        return
    floor.answered_rows[key] = {
        "network": mention.network,
        "post_id": mention.post_id,
        "answered_at": answer.posted_at,
        "answered_by": answer.post_id,
        "updated_at": floor.now,
    }


def answered_event(
    mention: KnownMention,
    cause: Event,
    answer: KnownAnswer,
    floor: Floor,
    how: Literal["direct", "covered"] = "direct",
    *,
    setup: Setup | None = None,
    item: Item | None = None,
    automatic: bool = False,
) -> MentionAnswered:
    """This post of ours answers that mention: it names it, or comes after it in its conversation.

    Args:
        setup: for the hours of the mention's queue.
        item: that our post completes or keeps, as it was before.
        automatic: a machine wrote it: it answers nothing.
    """
    conversation = floor.heir(floor.conversations.get(mention.conversation_id))
    return MentionAnswered(
        event_id=derived_id(answer.event_id, MentionAnswered.type, mention.post_id),
        occurred_at=floor.now,
        key=cause.key,
        traceparent=cause.traceparent,
        network=mention.network,
        post_id=mention.post_id,
        handle=mention.handle,
        conversation_id=mention.conversation_id,
        how=how,
        own_post_id=answer.post_id,
        reply_id=answer.reply_id,
        posted_at=mention.posted_at,
        answered_at=answer.posted_at,
        language=mention.labels.get("language", "und"),
        intent=mention.labels.get("intent", "chatter"),
        queue=mention.queue,
        team=mention.team,
        conversation_version=conversation.version if conversation else 0,
        business_seconds=business_seconds(mention.queue, mention.posted_at, answer.posted_at, setup),
        automatic=automatic,
        clock=stopped_clock(item, answer.posted_at, floor.now) if item is not None else None,
    )


def business_seconds(queue_slug: str, posted_at: datetime, answered_at: datetime, setup: Setup | None) -> float | None:
    """Opening time of the queue it waited in; None where it waited in none that we know."""
    queue = setup.queues.get(queue_slug) if setup is not None else None
    if setup is None or queue is None:
        return None
    return open_seconds(setup.hours_of(queue), posted_at, answered_at)
