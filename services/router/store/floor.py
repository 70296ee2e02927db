"""Loading and saving what a batch of messages touches: a few statements, whatever the batch's size."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_append, bulk_insert, bulk_update, matching, v
from libs.common.errors import Raced
from services.router.domain.clocks import counted
from services.router.domain.routing import JOINS_WITHIN, Conversation
from services.router.domain.waiting import Item, Routing, ended
from services.router.domain.words import OPEN_STATES
from services.router.store import reservations
from services.router.store.clocks import clock_kind, clock_row
from services.router.store.incidents import noticed
from services.router.store.known import KnownAnswer, KnownMention
from services.router.store.tables import (
    AGENTS,
    CLOCKS,
    CONVERSATIONS,
    ITEM_CHANGES,
    LINES,
    MENTIONS,
    OWN_POSTS,
    WORK_ITEMS,
    by_people,
    in_states,
)

PostKey = tuple[str, str]  # network, post id
AuthorKey = tuple[str, str, str]  # network, author, handle


@dataclass
class Floor:
    """What the decisions of one batch see, and what they changed."""

    now: datetime
    mentions: dict[PostKey, KnownMention] = field(default_factory=dict)
    own_posts: set[PostKey] = field(default_factory=set)
    answers: dict[PostKey, list[KnownAnswer]] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    by_author: dict[AuthorKey, list[str]] = field(default_factory=dict)
    covers: bool = False  # the batch has posts of ours
    uncovered: dict[str, set[PostKey]] = field(default_factory=dict)  # by conversation: what such a post may answer too

    touched: dict[str, Conversation] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)  # those of the touched that are new
    new_items: dict[str, Item] = field(default_factory=dict)
    changed_items: dict[str, tuple[int, Item]] = field(default_factory=dict)  # the version it had, and the item now
    raised: list[tuple[Item, str]] = field(default_factory=list)  # versions by which nothing was done, and why they are
    grouped: list[Item] = field(default_factory=list)  # those of an incident since this batch
    closed_items: list[tuple[Item, str]] = field(default_factory=list)  # done, canceled or in their wrap-up, and why
    answered_offers: list[str] = field(default_factory=list)  # items that are over while somebody was asked
    reasons: dict[str, str] = field(default_factory=dict)
    new_clocks: dict[str, dict[str, Any]] = field(default_factory=dict)  # by item
    stopped_clocks: list[dict[str, Any]] = field(default_factory=list)
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # of clocks: kind, policy, outcome
    returning: dict[str, tuple[str, Any]] = field(default_factory=dict)  # new items, the agent they know, the event
    taken: dict[str, str] = field(default_factory=dict)  # new items that are somebody's at once, and whose
    why_taken: dict[str, Any] = field(default_factory=dict)  # likewise, and what was weighed
    mention_rows: dict[PostKey, dict[str, Any]] = field(default_factory=dict)
    edited_rows: list[dict[str, Any]] = field(default_factory=list)
    answered_rows: dict[PostKey, dict[str, Any]] = field(default_factory=dict)
    covered_rows: dict[PostKey, dict[str, Any]] = field(default_factory=dict)
    deleted_rows: list[dict[str, Any]] = field(default_factory=list)
    own_rows: list[dict[str, Any]] = field(default_factory=list)

    def of_author(self, network: str, author_id: str, handle: str) -> list[Conversation]:
        """This author's conversations with this handle that a message may join."""
        return [self.conversations[id_] for id_ in self.by_author.get((network, author_id, handle), ())]

    def heir(self, conversation: Conversation | None) -> Conversation | None:
        """The conversation that has this one's messages now, where it was merged into another."""
        if conversation is None or not conversation.merged_into:
            return conversation
        return self.conversations.get(conversation.merged_into, conversation)

    def keep(self, conversation: Conversation) -> None:
        """The next decision sees this conversation as it is now."""
        if conversation.id not in self.conversations:
            author = (conversation.network, conversation.author_id, conversation.handle)
            self.by_author.setdefault(author, []).append(conversation.id)
            self.begun.add(conversation.id)
        self.conversations[conversation.id] = conversation
        self.touched[conversation.id] = conversation

    def open(self, item: Item) -> None:
        """A new work item waits, and the clock of its first or next response runs."""
        self.new_items[item.id] = item
        if item.due_at is not None:
            self.new_clocks[item.id] = clock_row(item)
            if item.late:  # its deadline passed before it came: no timer will count it
                self.outcomes[clock_kind(item), item.routing.sla, "breached"] += 1

    def change(self, before: Item, after: Item) -> None:
        """An open item changed (its urgency or its deadline)."""
        if after == before:
            return
        if after.version != before.version:
            joined = after.routing.incident != before.routing.incident
            if joined and after.id not in self.new_items:
                self.grouped.append(after)
            alone = joined and after.urgency == before.urgency
            self.raised.append((after, "joined_incident" if alone else "more_urgent"))
        if clock := self.new_clocks.get(after.id):
            clock["due_at"], clock["urgency"] = after.due_at, after.urgency
        elif before.due_at is None and after.due_at is not None:
            self.new_clocks[after.id] = clock_row(after)
        if after.id in self.new_items:
            self.new_items[after.id] = after
        else:
            version, _ = self.changed_items.get(after.id, (before.version, before))
            self.changed_items[after.id] = (version, after)

    def close(self, before: Item, closed: Item, reason: str, *, answered_at: datetime | None = None) -> None:
        """An item is done, in its wrap-up, or needs nobody any more; `answered_at`: by a human answer of ours."""
        self.closed_items.append((closed, reason))
        if before.state == "reserved":
            self.answered_offers.append(closed.id)
        self._stop_clock(closed, reason, answered_at)
        if closed.id in self.new_items:
            self.new_items[closed.id] = closed
            self.reasons[closed.id] = reason

    def promise(self, before: Item, held: Item, answered_at: datetime) -> None:
        """A holding reply: the first response is given, and its agent comes back by the deadline that it has now."""
        self._stop_clock(before, "holding", answered_at)
        self.change(before, held)

    def _stop_clock(self, item: Item, reason: str, answered_at: datetime | None) -> None:
        """Equality is met. What nobody answered is canceled."""
        if item.due_at is None:
            return
        clock = ended(item, answered_at, reason, self.now)
        if not item.late:  # else the timers counted it when its deadline passed
            self.outcomes[clock.kind, item.routing.sla, counted(clock, self.now) or "canceled"] += 1
        stopped = {"state": clock.state, "stopped_at": clock.stopped_at or self.now, "reason": reason}
        if known := self.new_clocks.get(item.id):
            known.update(stopped)
        else:
            self.stopped_clocks.append({"item_id": item.id, "kind": clock_kind(item), **stopped})


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
_ANSWERS = sa.select(*[OWN_POSTS.c[name] for name in KnownAnswer._fields]).where(by_people())
_OWN = sa.select(OWN_POSTS.c.network, OWN_POSTS.c.post_id)
_ITEM_COLUMNS = Item.__struct_fields__
_CONVERSATION_COLUMNS = tuple(name for name in Conversation.__struct_fields__ if name != "item")
_TALK_FIELDS = len(_CONVERSATION_COLUMNS)
_TALKS = (
    sa.select(
        *[CONVERSATIONS.c[name] for name in _CONVERSATION_COLUMNS],
        *[
            (sa.type_coerce(WORK_ITEMS.c.routing, sa.Text) if name == "routing" else WORK_ITEMS.c[name]).label(
                f"item_{name}"
            )
            for name in _ITEM_COLUMNS
        ],
    )
    .outerjoin_from(
        CONVERSATIONS,
        WORK_ITEMS,
        sa.and_(WORK_ITEMS.c.conversation_id == CONVERSATIONS.c.id, in_states(OPEN_STATES)),
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
        await _load_by_id(session, floor, ids)
    merged = {talk.merged_into for talk in floor.conversations.values()} - floor.conversations.keys() - {""}
    if merged:
        await _load_by_id(session, floor, merged)


async def _load_by_id(session: AsyncSession, floor: Floor, ids: Collection[str]) -> None:
    statement, params = matching(session, CONVERSATIONS, _TALKS, [{"id": id_} for id_ in sorted(ids)])
    _take(floor, await session.execute(statement, params))


def _take(floor: Floor, rows: Iterable[Any]) -> None:
    for row in rows:
        conversation = talk_of(row)
        floor.conversations[conversation.id] = conversation
        author = (conversation.network, conversation.author_id, conversation.handle)
        floor.by_author.setdefault(author, []).append(conversation.id)


def talk_of(row: Any) -> Conversation:
    """A conversation with its open item, as it is read here."""
    values = tuple(row)
    item = None
    if row.item_id is not None:
        item = Item(*values[_TALK_FIELDS:-1], _routing(values[-1]))  # type: ignore[call-arg]
    return Conversation(*values[:_TALK_FIELDS], item)  # type: ignore[call-arg]


_routing = msgspec.json.Decoder(Routing).decode


def _keys(posts: Iterable[PostKey]) -> list[dict[str, str]]:
    return [{"network": network, "post_id": post_id} for network, post_id in posts]


async def save(session: AsyncSession, floor: Floor, lines: Collection[str]) -> None:
    """Write what the batch changed; `lines`: those that are known to exist.

    Raises:
        Raced: a message or an item was changed by somebody else since we looked; decide again.
    """
    talks = [_conversation_row(floor.touched[id_], floor.now) for id_ in sorted(floor.touched)]
    known = [talk for talk in talks if talk["id"] not in floor.begun]
    await bulk_insert(session, CONVERSATIONS, known, on_conflict=["id"], update=_CHANGING)
    changes = await _save_items(session, floor)
    await _save_lines(session, floor, lines)
    await bulk_append(  # after those items that are done: a conversation has at most one open one at any moment
        session,
        (CONVERSATIONS, [talk for talk in talks if talk["id"] in floor.begun]),
        (MENTIONS, sorted(floor.mention_rows.values(), key=_POST)),
        (OWN_POSTS, sorted(floor.own_rows, key=_POST)),
        (WORK_ITEMS, [_item_row(floor, item) for item in sorted(floor.new_items.values(), key=_ID)]),
        (CLOCKS, list(floor.new_clocks.values())),
        (ITEM_CHANGES, changes),
        *noticed([*floor.new_items.values(), *floor.grouped], floor.mention_rows.values(), floor.now),
    )
    await bulk_update(session, CLOCKS, floor.stopped_clocks, key=("item_id", "kind"), where=_STILL_RUNNING)
    await reservations.end(session, floor.answered_offers, "rescinded", "item_over", floor.now)
    if floor.edited_rows:
        await bulk_update(session, MENTIONS, floor.edited_rows, key=("network", "post_id"), where=_NEWER)
    for answers in (floor.answered_rows, floor.covered_rows):
        rows = [answers[key] for key in sorted(answers)]
        await bulk_update(session, MENTIONS, rows, key=("network", "post_id"))
    if floor.deleted_rows:
        await bulk_insert(session, MENTIONS, floor.deleted_rows, on_conflict=["network", "post_id"], update=_BLANKED)


_POST = itemgetter("network", "post_id")
_ID = attrgetter("id")
_CHANGING = (
    "author_username", "team", "thread_id", "language", "state", "last_message_at", "last_customer_at", "version",
    "updated_at", "urgency", "replied_at", "agent", "agent_at", "cycle", "wake_at", "reason", "private", "machine",
)  # fmt: skip
_NEWER = MENTIONS.c.version < v("version")
_FREED = {"used": AGENTS.c.used - v("less")}
_USED = {"used": AGENTS.c.used + v("more")}
_HAS_ROOM = AGENTS.c.used + v("more") <= AGENTS.c.capacity
_AS_IT_WAS = WORK_ITEMS.c.version == v("was")
_STILL_RUNNING = CLOCKS.c.state.in_(("running", "breached"))
_BLANKED = ("text", "outcome", "author_username", "version", "updated_at")
_ARRANGED = ("line", "late", "rank", "sort_at", "next_at", "routing")


async def _save_items(session: AsyncSession, floor: Floor) -> list[dict[str, Any]]:
    """Write what became of items that were there; gives the lines for their history."""
    held: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for item, _ in floor.closed_items:
        if item.agent and item.state != "wrapping" and item.id not in floor.taken:
            held[item.agent] += item.weight
    for item_id, agent in floor.taken.items():
        if floor.new_items[item_id].state == "assigned":
            taken[agent] += floor.new_items[item_id].weight
    agents = [{"slug": slug, "less": n} for slug, n in sorted(held.items())]  # agents before items: no deadlock
    await bulk_update(session, AGENTS, agents, key=["slug"], values=_FREED)
    agents = [{"slug": slug, "more": n} for slug, n in sorted(taken.items())]
    if await bulk_update(session, AGENTS, agents, key=["slug"], values=_USED, where=_HAS_ROOM) != len(agents):
        raise Raced("an agent has no room any more")
    changed = [
        {"id": id_, "urgency": item.urgency, "due_at": item.due_at, "was": was, "version": item.version,
         "updated_at": floor.now} | {name: getattr(item, name) for name in _ARRANGED}
        for id_, (was, item) in sorted(floor.changed_items.items())
    ]  # fmt: skip
    await _update_items(session, changed, _AS_IT_WAS)
    clocks = [
        {"item_id": item.id, "kind": clock_kind(item), "due_at": item.due_at, "urgency": item.urgency}
        for _, (_, item) in sorted(floor.changed_items.items())
        if item.due_at is not None and not item.routing.promised
    ]
    await bulk_update(session, CLOCKS, clocks, key=("item_id", "kind"), where=CLOCKS.c.state == "running")
    was: dict[str, int] = {}
    closed: dict[str, dict[str, Any]] = {}
    for item, reason in floor.closed_items:  # the last counts, for one whose wrap-up began and ended here
        was.setdefault(item.id, item.version - 1)
        closed[item.id] = {"id": item.id, "state": item.state, "reason": reason, "was": was[item.id],
                           "version": item.version, "next_at": item.next_at, "updated_at": floor.now}  # fmt: skip
    await _update_items(session, [closed[id_] for id_ in sorted(closed.keys() - floor.new_items)], _AS_IT_WAS)
    taken_now = [(floor.new_items[id_], "same_agent") for id_ in sorted(floor.taken)]
    return [
        {"item_id": item.id, "version": item.version, "state": item.state, "reason": reason, "actor": "router",
         "agent": item.agent, "at": floor.now, "why": floor.why_taken.get(item.id) if reason == "same_agent" else None}
        for item, reason in floor.raised + taken_now + floor.closed_items
    ]  # fmt: skip


async def _update_items(session: AsyncSession, rows: list[dict[str, Any]], same: sa.ColumnElement[bool]) -> None:
    if await bulk_update(session, WORK_ITEMS, rows, key=["id"], where=same) != len(rows):
        raise Raced("an item changed since we looked")


async def _save_lines(session: AsyncSession, floor: Floor, known: Collection[str]) -> None:
    """The lines that are new, so that who takes the next knows of them."""
    named = {item.line: item.queue for item in floor.new_items.values()}
    named |= {item.line: item.queue for _, item in floor.changed_items.values()}
    rows = [{"line": line, "queue": queue} for line, queue in sorted(named.items()) if line not in known]
    await bulk_insert(session, LINES, rows, on_conflict=["line"])


def _conversation_row(conversation: Conversation, now: datetime) -> dict[str, Any]:
    row = asdict(conversation)
    del row["item"]
    row["updated_at"] = now
    return row


def _item_row(floor: Floor, item: Item) -> dict[str, Any]:
    row = asdict(item)
    row["reason"] = floor.reasons.get(item.id, "")
    row["updated_at"] = floor.now
    return row
