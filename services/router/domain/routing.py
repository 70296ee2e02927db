"""Decisions: which conversation a message joins, whether somebody must answer, in what order. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

Urgency = Literal["critical", "high", "normal", "low", "none"]
URGENCIES: tuple[Urgency, ...] = ("critical", "high", "normal", "low", "none")
RANK: dict[str, int] = {urgency: rank for rank, urgency in enumerate(URGENCIES)}

JOINS_WITHIN = timedelta(hours=72)
"""A message joins the last conversation of the same author and handle within this time."""

FIRST_RESPONSE: dict[str, timedelta | None] = {
    "critical": timedelta(minutes=15),
    "high": timedelta(hours=1),
    "normal": timedelta(minutes=90),
    "low": timedelta(hours=4),
    "none": None,
}
"""Time to the first human answer, elapsed, from the author's post. No target: it waits without a deadline."""

DEFAULT_QUEUE = "default"
"""Takes what no other queue names; always there, and never limited to languages."""

OPEN_STATES = ("pending", "reserved", "assigned", "wrapping")


class Item(msgspec.Struct, frozen=True, gc=False):
    """A work item as the decisions see it."""

    id: str
    conversation_id: str
    queue: str
    team: str
    urgency: Urgency
    state: str
    enqueued_at: datetime  # the post's time on its network: ingest lag does not make anybody younger
    due_at: datetime | None
    agent: str
    version: int
    opened_by: str  # post id


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """All messages with one author and one handle in one thread, or within 72 h of the last message."""

    id: str
    network: str
    author_id: str
    author_username: str
    handle: str
    team: str
    key: str
    thread_id: str
    language: str
    state: str
    opened_at: datetime
    last_message_at: datetime
    last_customer_at: datetime
    version: int
    item: Item | None = None


class Message(msgspec.Struct, frozen=True, gc=False):
    """A customer's message: already classified."""

    network: str
    post_id: str
    version: int
    handle: str
    author_id: str
    author_username: str
    thread_id: str
    language: str  # BCP 47, "und" where nobody could tell
    urgency: Urgency
    set_aside: bool
    posted_at: datetime
    key: str
    team: str = "main"  # its handle's


class OwnPost(msgspec.Struct, frozen=True, gc=False):
    """A post of one of our handles, whoever wrote it."""

    network: str
    post_id: str
    handle: str
    in_reply_to: str
    answered_person: str
    posted_at: datetime


class Queue(msgspec.Struct, frozen=True, gc=False):
    """A waiting line; it takes the languages it names, the default one all others."""

    slug: str
    languages: tuple[str, ...]
    team: str


class Opened(msgspec.Struct, frozen=True, gc=False):
    """Nobody has this conversation yet: a new work item waits."""

    conversation: Conversation
    item: Item


class Joined(msgspec.Struct, frozen=True, gc=False):
    """The conversation already waits or is in somebody's hands; it may have become more urgent."""

    conversation: Conversation
    item: Item


class SetAside(msgspec.Struct, frozen=True, gc=False):
    """No answer is needed: kept and browsable, in no queue."""

    conversation: Conversation


class Answered(msgspec.Struct, frozen=True, gc=False):
    """Our answer was seen before the message it answers."""

    conversation: Conversation


Routed = Opened | Joined | SetAside | Answered


def conversation_of(message: Message, known: Iterable[Conversation]) -> Conversation | None:
    """The conversation this message belongs to, among those of its author and handle; None: a new one.

    The same network thread first, then the latest within 72 h; ties go to the lower id.
    """
    near = [
        conversation
        for conversation in known
        if conversation.thread_id == message.thread_id
        or abs(message.posted_at - conversation.last_message_at) <= JOINS_WITHIN
    ]
    return min(
        near,
        key=lambda c: (c.thread_id != message.thread_id, abs(message.posted_at - c.last_message_at), c.id),
        default=None,
    )


def queue_for(language: str, team: str, queues: Sequence[Queue]) -> Queue:
    """The queue that names the language or its main part ("fr" for "fr-CA"): the team's own first, then by slug.

    Where none does: a queue of the team's own that takes all languages, else the default one.
    """
    main = language.partition("-")[0]
    named = [queue for queue in queues if language in queue.languages or main in queue.languages]
    own = [queue for queue in queues if queue.team == team and not queue.languages and queue.slug != DEFAULT_QUEUE]
    default = [queue for queue in queues if queue.slug == DEFAULT_QUEUE]
    return min(named or own or default, key=lambda queue: (queue.team != team, queue.slug))


def due_at(urgency: str, posted_at: datetime) -> datetime | None:
    """When the first answer is due, or None where nothing is promised."""
    target = FIRST_RESPONSE[urgency]
    return posted_at + target if target is not None else None


def route(
    message: Message,
    conversation: Conversation | None,
    queues: Sequence[Queue],
    *,
    answered_at: datetime | None,
    new_conversation_id: str,
    new_item_id: str,
) -> Routed:
    """Where this message goes.

    Args:
        conversation: the one it joins, or None.
        answered_at: the network's time of an answer of ours that came in before it, or None.
    """
    talk = conversation or _new_conversation(new_conversation_id, message)
    language = message.language if message.language != "und" else talk.language
    if talk.item is not None:
        item = more_urgent(talk.item, message.urgency, message.posted_at)
        return Joined(_heard(talk, message, language, "open", item=item), item)
    if answered_at is not None and answered_at >= message.posted_at:
        return Answered(_heard(talk, message, language, "waiting_customer", answered_at=answered_at))
    if message.set_aside:
        return SetAside(_heard(talk, message, language, talk.state if conversation else "set_aside"))
    queue = queue_for(language, talk.team, queues)
    item = Item(
        id=new_item_id,
        conversation_id=talk.id,
        queue=queue.slug,
        team=talk.team,
        urgency=message.urgency,
        state="pending",
        enqueued_at=message.posted_at,
        due_at=due_at(message.urgency, message.posted_at),
        agent="",
        version=1,
        opened_by=message.post_id,
    )
    return Opened(_heard(talk, message, language, "open", item=item), item)


def _new_conversation(id_: str, message: Message) -> Conversation:
    return Conversation(
        id=id_,
        network=message.network,
        author_id=message.author_id,
        author_username=message.author_username,
        handle=message.handle,
        team=message.team,
        key=message.key,
        thread_id=message.thread_id,
        language="und",
        state="open",
        opened_at=message.posted_at,
        last_message_at=message.posted_at,
        last_customer_at=message.posted_at,
        version=0,
    )


def _heard(
    talk: Conversation,
    message: Message,
    language: str,
    state: str,
    *,
    item: Item | None = None,
    answered_at: datetime | None = None,
) -> Conversation:
    """The conversation after this message."""
    return replace(
        talk,
        language=language,
        thread_id=message.thread_id or talk.thread_id,
        last_message_at=max(talk.last_message_at, answered_at or message.posted_at, message.posted_at),
        last_customer_at=max(talk.last_customer_at, message.posted_at),
        state=state,
        item=item,
        version=talk.version + 1,
    )


def more_urgent(item: Item, urgency: Urgency, posted_at: datetime) -> Item:
    """The item with the higher of both urgencies, and the earlier deadline. Only a fact raises urgency."""
    if RANK[urgency] >= RANK[item.urgency]:
        return item
    wanted = [at for at in (item.due_at, due_at(urgency, posted_at)) if at is not None]
    return replace(item, urgency=urgency, due_at=min(wanted, default=None), version=item.version + 1)


def answered_by(conversation: Conversation, post: OwnPost) -> tuple[Conversation, Item | None]:
    """The conversation after a post of ours, and the item that is thereby done (or None).

    A post older than the customer's latest message leaves the item open: that message is still unanswered.
    """
    item = conversation.item
    if post.posted_at < conversation.last_customer_at:
        return conversation, None
    after = replace(
        conversation,
        state="waiting_customer",
        last_message_at=max(conversation.last_message_at, post.posted_at),
        version=conversation.version + 1,
        item=None,
    )
    return after, item
