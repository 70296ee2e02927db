"""Loading and saving what a batch of messages touches: a few statements, whatever the batch's size."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec.structs import asdict, replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_append, bulk_insert, bulk_update, matching, v
from libs.common.errors import Raced
from services.router.domain.routing import JOINS_WITHIN, OPEN_STATES, RANK, Conversation, Item
from services.router.store.tables import AGENTS, CONVERSATIONS, ITEM_CHANGES, MENTIONS, OWN_POSTS, WORK_ITEMS

PostKey = tuple[str, str]  # network, post id
AuthorKey = tuple[str, str, str]  # network, author, handle


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


class KnownAnswer(NamedTuple):
    """A post of ours that came in before the mention it answers, or before this batch."""

    network: str
    post_id: str
    in_reply_to: str
    posted_at: datetime
    reply_id: str
    event_id: str


@dataclass
class Floor:
    """What the decisions of one batch see, and what they changed."""

    now: datetime
    mentions: dict[PostKey, KnownMention] = field(default_factory=dict)
    own_posts: set[PostKey] = field(default_factory=set)
    answers: dict[PostKey, list[KnownAnswer]] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    by_author: dict[AuthorKey, list[str]] = field(default_factory=dict)

    touched: dict[str, Conversation] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)  # those of the touched that are new
    new_items: dict[str, Item] = field(default_factory=dict)
    changed_items: dict[str, tuple[int, Item]] = field(default_factory=dict)  # the version it had, and the item now
    closed_items: list[tuple[Item, str]] = field(default_factory=list)  # as it is now, and as it was closed from
    reasons: dict[str, str] = field(default_factory=dict)
    mention_rows: dict[PostKey, dict[str, Any]] = field(default_factory=dict)
    edited_rows: list[dict[str, Any]] = field(default_factory=list)
    answered_rows: dict[PostKey, dict[str, Any]] = field(default_factory=dict)
    deleted_rows: list[dict[str, Any]] = field(default_factory=list)
    own_rows: list[dict[str, Any]] = field(default_factory=list)

    def of_author(self, network: str, author_id: str, handle: str) -> list[Conversation]:
        """This author's conversations with this handle that a message may join."""
        return [self.conversations[id_] for id_ in self.by_author.get((network, author_id, handle), ())]

    def keep(self, conversation: Conversation) -> None:
        """The next decision sees this conversation as it is now."""
        if conversation.id not in self.conversations:
            author = (conversation.network, conversation.author_id, conversation.handle)
            self.by_author.setdefault(author, []).append(conversation.id)
            self.begun.add(conversation.id)
        self.conversations[conversation.id] = conversation
        self.touched[conversation.id] = conversation

    def open(self, item: Item) -> None:
        """A new work item waits."""
        self.new_items[item.id] = item

    def change(self, before: Item, after: Item) -> None:
        """An open item changed (its urgency or its deadline)."""
        if after.id in self.new_items:
            self.new_items[after.id] = after
        elif after != before:
            version, _ = self.changed_items.get(after.id, (before.version, before))
            self.changed_items[after.id] = (version, after)

    def close(self, item: Item, state: str, reason: str) -> Item:
        """An item is done or needs nobody any more; returns it as it is then."""
        closed = replace(item, state=state, version=item.version + 1)
        self.closed_items.append((closed, reason))
        if item.id in self.new_items:
            self.new_items[item.id] = closed
            self.reasons[item.id] = reason
        return closed


async def load(
    session: AsyncSession,
    now: datetime,
    *,
    posts: Sequence[PostKey],
    authors: Iterable[AuthorKey],
    own: Sequence[PostKey],
    answered: Sequence[PostKey],
    earliest: datetime | None,
) -> Floor:
    """What a batch needs to know.

    Args:
        posts: the customers' posts of the batch.
        authors: who wrote, or was answered, with which handle.
        own: our posts of the batch; `answered`: the posts they say they answer.
        earliest: the batch's oldest message; conversations that ended long before it are not loaded.
    """
    floor = Floor(now)
    if wanted := sorted({*posts, *answered}):
        statement, params = matching(session, MENTIONS, _KNOWN, _keys(wanted))
        for row in await session.execute(statement, params):
            floor.mentions[row.network, row.post_id] = KnownMention(*row)
    if posts:
        keys = [{"network": network, "in_reply_to": post_id} for network, post_id in sorted(set(posts))]
        statement, params = matching(session, OWN_POSTS, _ANSWERS, keys)
        for row in await session.execute(statement, params):
            floor.answers.setdefault((row.network, row.in_reply_to), []).append(KnownAnswer(*row))
    if own:
        statement, params = matching(session, OWN_POSTS, _OWN, _keys(sorted(set(own))))
        floor.own_posts = {(row.network, row.post_id) for row in await session.execute(statement, params)}
    await _load_conversations(session, floor, sorted(set(authors)), earliest)
    return floor


_KNOWN = sa.select(*[MENTIONS.c[name] for name in KnownMention._fields])
_ANSWERS = sa.select(*[OWN_POSTS.c[name] for name in KnownAnswer._fields])
_OWN = sa.select(OWN_POSTS.c.network, OWN_POSTS.c.post_id)
_ITEM_COLUMNS = Item.__struct_fields__
_CONVERSATION_COLUMNS = tuple(name for name in Conversation.__struct_fields__ if name != "item")
_TALKS = (
    sa.select(
        *[CONVERSATIONS.c[name] for name in _CONVERSATION_COLUMNS],
        *[WORK_ITEMS.c[name].label(f"item_{name}") for name in _ITEM_COLUMNS],
    )
    .outerjoin_from(
        CONVERSATIONS,
        WORK_ITEMS,
        sa.and_(WORK_ITEMS.c.conversation_id == CONVERSATIONS.c.id, WORK_ITEMS.c.state.in_(OPEN_STATES)),
    )
    .order_by(CONVERSATIONS.c.id)
    .with_for_update(of=CONVERSATIONS)  # writers of one conversation lock its row first
)

_RECENT_TALKS = _TALKS.where(CONVERSATIONS.c.last_message_at >= sa.bindparam("recent", type_=UtcDateTime()))


async def _load_conversations(
    session: AsyncSession, floor: Floor, authors: Sequence[AuthorKey], earliest: datetime | None
) -> None:
    if authors and earliest is not None:
        keys = [{"network": network, "author_id": author, "handle": handle} for network, author, handle in authors]
        statement, params = matching(session, CONVERSATIONS, _RECENT_TALKS, keys)
        _take(floor, await session.execute(statement, params | {"recent": earliest - JOINS_WITHIN}))
    ids = {mention.conversation_id for mention in floor.mentions.values()} - floor.conversations.keys() - {""}
    if ids:
        statement, params = matching(session, CONVERSATIONS, _TALKS, [{"id": id_} for id_ in sorted(ids)])
        _take(floor, await session.execute(statement, params))


def _take(floor: Floor, rows: Iterable[Any]) -> None:
    talk_fields = len(_CONVERSATION_COLUMNS)
    for row in rows:
        values = tuple(row)
        item = Item(*values[talk_fields:]) if row.item_id is not None else None
        conversation = Conversation(*values[:talk_fields], item)  # type: ignore[call-arg]
        floor.conversations[conversation.id] = conversation
        author = (conversation.network, conversation.author_id, conversation.handle)
        floor.by_author.setdefault(author, []).append(conversation.id)


def _keys(posts: Iterable[PostKey]) -> list[dict[str, str]]:
    return [{"network": network, "post_id": post_id} for network, post_id in posts]


async def save(session: AsyncSession, floor: Floor) -> None:
    """Write what the batch changed.

    Raises:
        Raced: a message or an item was changed by somebody else since we looked; decide again.
    """
    talks = [_conversation_row(floor.touched[id_], floor.now) for id_ in sorted(floor.touched)]
    known = [talk for talk in talks if talk["id"] not in floor.begun]
    await bulk_insert(session, CONVERSATIONS, known, on_conflict=["id"], update=_CHANGING)
    changes = await _save_items(session, floor)
    await bulk_append(  # after those items that are done: a conversation has at most one open one at any moment
        session,
        (CONVERSATIONS, [talk for talk in talks if talk["id"] in floor.begun]),
        (MENTIONS, sorted(floor.mention_rows.values(), key=_POST)),
        (OWN_POSTS, sorted(floor.own_rows, key=_POST)),
        (WORK_ITEMS, [_item_row(floor, item) for item in sorted(floor.new_items.values(), key=_ID)]),
        (ITEM_CHANGES, changes),
    )
    if floor.edited_rows:
        await bulk_update(session, MENTIONS, floor.edited_rows, key=("network", "post_id"), where=_NEWER)
    if floor.answered_rows:
        rows = [floor.answered_rows[key] for key in sorted(floor.answered_rows)]
        await bulk_update(session, MENTIONS, rows, key=("network", "post_id"))
    if floor.deleted_rows:
        await bulk_insert(session, MENTIONS, floor.deleted_rows, on_conflict=["network", "post_id"], update=_BLANKED)


_POST = itemgetter("network", "post_id")
_ID = attrgetter("id")
_CHANGING = (
    "author_username", "team", "thread_id", "language", "state", "last_message_at", "last_customer_at", "version",
    "updated_at",
)  # fmt: skip
_NEWER = MENTIONS.c.version < v("version")
_FREED = {"used": AGENTS.c.used - v("less")}
_AS_IT_WAS = WORK_ITEMS.c.version == v("was")
_ONE_BEFORE = WORK_ITEMS.c.version == v("version") - 1
_BLANKED = ("text", "outcome", "author_username", "version", "updated_at")


async def _save_items(session: AsyncSession, floor: Floor) -> list[dict[str, Any]]:
    """Write what became of items that were there; gives the lines for their history."""
    held = Counter(item.agent for item, _ in floor.closed_items if item.agent)
    agents = [{"slug": slug, "less": n} for slug, n in sorted(held.items())]  # agents before items: no deadlock
    await bulk_update(session, AGENTS, agents, key=["slug"], values=_FREED)
    changed = [
        {"id": id_, "urgency": item.urgency, "rank": RANK[item.urgency], "due_at": item.due_at,
         "was": was, "version": item.version, "updated_at": floor.now}
        for id_, (was, item) in sorted(floor.changed_items.items())
    ]  # fmt: skip
    await _update_items(session, changed, _AS_IT_WAS)
    closed = [
        {"id": item.id, "state": item.state, "reason": reason, "version": item.version, "updated_at": floor.now}
        for item, reason in sorted(floor.closed_items, key=lambda closed: closed[0].id)
        if item.id not in floor.new_items
    ]
    await _update_items(session, closed, _ONE_BEFORE)
    raised = [(item, "more_urgent") for _, (_, item) in sorted(floor.changed_items.items())]
    return [
        {"item_id": item.id, "version": item.version, "state": item.state, "reason": reason, "actor": "router",
         "agent": item.agent, "at": floor.now}
        for item, reason in raised + floor.closed_items
    ]  # fmt: skip


async def _update_items(session: AsyncSession, rows: list[dict[str, Any]], same: sa.ColumnElement[bool]) -> None:
    if await bulk_update(session, WORK_ITEMS, rows, key=["id"], where=same) != len(rows):
        raise Raced("an item changed since we looked")


def _conversation_row(conversation: Conversation, now: datetime) -> dict[str, Any]:
    row = asdict(conversation)
    del row["item"]
    row["updated_at"] = now
    return row


def _item_row(floor: Floor, item: Item) -> dict[str, Any]:
    row = asdict(item)
    row["rank"] = RANK[item.urgency]
    row["assigned_at"] = None
    row["reason"] = floor.reasons.get(item.id, "")
    row["updated_at"] = floor.now
    return row
