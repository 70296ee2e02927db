"""Conversations as they are changed by people and by time: locked, written, and every step kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import convert
from msgspec.structs import asdict as fields_of
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_append, bulk_insert, bulk_update, v
from libs.common.errors import Raced
from libs.common.events import Labels
from services.router.domain.routing import Conversation, Message
from services.router.domain.waiting import Item
from services.router.store.clocks import clock_row
from services.router.store.floor import _TALKS, talk_of
from services.router.store.incident_tables import CONSULTATIONS
from services.router.store.tables import (
    CLOCKS,
    CONVERSATION_CHANGES,
    CONVERSATIONS,
    ITEM_CHANGES,
    LEASES,
    LINES,
    MENTIONS,
    NOTES,
    OWN_POSTS,
    WORK_ITEMS,
)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a conversation, why, by whom; `why`: what else is worth keeping."""

    conversation_id: str
    version: int
    state: str
    reason: str
    actor: str
    at: datetime
    why: Any = None


async def lock(session: AsyncSession, ids: Collection[str]) -> dict[str, Conversation]:
    """Those of the conversations that exist, for changing, each with its open item; locked in the order of ids."""
    rows = await session.execute(_BY_ID, {"ids": sorted(ids)})
    return {row.id: talk_of(row) for row in rows}


async def lock_if_free(session: AsyncSession, ids: Collection[str]) -> dict[str, Conversation]:
    """The same, without those that somebody else has in hand now."""
    rows = await session.execute(_FREE_BY_ID, {"ids": sorted(ids)})
    return {row.id: talk_of(row) for row in rows}


_BY_ID = _TALKS.where(CONVERSATIONS.c.id.in_(sa.bindparam("ids", expanding=True)))
_FREE_BY_ID = _BY_ID.with_for_update(of=CONVERSATIONS, skip_locked=True)


async def waking(session: AsyncSession, now: datetime, most: int) -> list[str]:
    """Conversations whose time has come, the earliest first."""
    return list((await session.execute(_WAKING, {"now": now, "most": most})).scalars())


_WAKING = (
    sa.select(CONVERSATIONS.c.id)
    .where(CONVERSATIONS.c.wake_at <= sa.bindparam("now", type_=UtcDateTime()))
    .order_by(CONVERSATIONS.c.wake_at)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)


async def save(session: AsyncSession, talks: Mapping[str, tuple[int, Conversation]], now: datetime) -> None:
    """Write (locked) conversations: by id the version each had, and as it is now.

    Raises:
        Raced: one was changed by somebody else.
    """
    rows = [
        {name: value for name, value in fields_of(talk).items() if name not in _SAME} | {"was": was, "updated_at": now}
        for _, (was, talk) in sorted(talks.items())
    ]
    if await bulk_update(session, CONVERSATIONS, rows, key=["id"], where=_AS_IT_WAS) != len(rows):
        raise Raced("a conversation changed since we looked")


_SAME = ("item", "network", "author_id", "handle", "key")
_AS_IT_WAS = CONVERSATIONS.c.version == v("was")


async def note(session: AsyncSession, steps: Sequence[Step]) -> None:
    """Keep these steps."""
    await bulk_append(session, (CONVERSATION_CHANGES, [asdict(step) for step in steps]))


@dataclass(frozen=True, slots=True)
class Latest:
    """A customer's message as the decisions see it, and when it was answered."""

    message: Message
    answered_at: datetime | None


async def latest_message(session: AsyncSession, talk: Conversation) -> Latest | None:
    """What the customer wrote last in it; None where all is deleted."""
    row = (await session.execute(_LATEST, {"id": talk.id})).one_or_none()
    if row is None:
        return None
    labels = convert(row.labels, Labels)
    message = Message(
        network=row.network,
        post_id=row.post_id,
        version=row.version,
        handle=row.handle,
        author_id=row.author_id,
        author_username=row.author_username,
        thread_id=row.thread_id,
        language=labels.language,
        urgency=labels.urgency,
        set_aside=labels.decision == "set_aside",
        posted_at=row.posted_at,
        key=talk.key,
        team=row.team,
        intent=labels.intent,
        sure=labels.confidence.get("intent", 0.0),
        sentiment=labels.sentiment,
        topics=labels.topics,
        reasons=labels.reasons,
        flags=labels.flags,
        private=row.private,
        followers=(row.reach or {}).get("followers"),
        text=row.text,
    )
    answers = [at for at in (row.answered_at, row.covered_at) if at is not None]
    return Latest(message, min(answers, default=None))


_LATEST = (
    sa.select(MENTIONS)
    .where(MENTIONS.c.conversation_id == sa.bindparam("id"), MENTIONS.c.outcome != "deleted")
    .order_by(MENTIONS.c.posted_at.desc(), MENTIONS.c.post_id.desc())
    .limit(1)
)


async def of_mention(session: AsyncSession, network: str, post_id: str) -> Conversation | None:
    """The conversation that has this message now, locked; None for a message that is not known."""
    of_it = sa.and_(MENTIONS.c.network == network, MENTIONS.c.post_id == post_id)
    id_ = (await session.execute(sa.select(MENTIONS.c.conversation_id).where(of_it))).scalar()
    while id_:
        talk = (await lock(session, [id_])).get(id_)
        if talk is None or not talk.merged_into:
            return talk
        id_ = talk.merged_into
    return None


async def add_item(session: AsyncSession, item: Item, message: Message, reason: str, actor: str, now: datetime) -> None:
    """A new item waits in a (locked) conversation, for this message."""
    await bulk_insert(session, LINES, [{"line": item.line, "queue": item.queue}], on_conflict=["line"])
    change = {"item_id": item.id, "version": item.version, "state": item.state, "reason": reason, "actor": actor,
              "agent": "", "at": now, "why": None}  # fmt: skip
    await bulk_append(
        session,
        (WORK_ITEMS, [fields_of(item) | {"reason": reason, "updated_at": now}]),
        (CLOCKS, [clock_row(item)] if item.due_at is not None else []),
        (ITEM_CHANGES, [change]),
    )
    of_it = sa.and_(MENTIONS.c.network == message.network, MENTIONS.c.post_id == message.post_id)
    waits = {"outcome": "opened", "item_id": item.id, "queue": item.queue, "updated_at": now}
    await session.execute(sa.update(MENTIONS).where(of_it).values(**waits))


async def give_to_team(session: AsyncSession, talk: Conversation, now: datetime) -> None:
    """All of this conversation belongs to its (new) team: only who is in that sees it."""
    for table in (MENTIONS, WORK_ITEMS, CONSULTATIONS):
        of_it = table.c.conversation_id == talk.id
        await session.execute(sa.update(table).where(of_it).values(team=talk.team, updated_at=now))
    await session.execute(sa.update(CLOCKS).where(CLOCKS.c.conversation_id == talk.id).values(team=talk.team))


async def move(
    session: AsyncSession,
    source: Conversation,
    target: Conversation,
    now: datetime,
    *,
    items: tuple[str, str] | None = None,
) -> None:
    """All that was in one (locked) conversation is in the other; what was merged into the one is too.

    Args:
        items: the item that is gone, and the one in which its messages wait now.
    """
    there = {"conversation_id": target.id}
    for table in (MENTIONS, WORK_ITEMS, CONSULTATIONS):
        of_it = table.c.conversation_id == source.id
        await session.execute(sa.update(table).where(of_it).values(**there, team=target.team, updated_at=now))
    of_it = CLOCKS.c.conversation_id == source.id
    await session.execute(sa.update(CLOCKS).where(of_it).values(**there, team=target.team))
    for table in (OWN_POSTS, NOTES):
        await session.execute(sa.update(table).where(table.c.conversation_id == source.id).values(**there))
    await session.execute(sa.delete(LEASES).where(LEASES.c.conversation_id == source.id))
    if items is not None:
        waiting = sa.and_(MENTIONS.c.conversation_id == target.id, MENTIONS.c.item_id == items[0])
        await session.execute(sa.update(MENTIONS).where(waiting).values(item_id=items[1], outcome="joined"))
    earlier = sa.and_(CONVERSATIONS.c.merged_into == source.id, CONVERSATIONS.c.merged_into != sa.literal_column("''"))
    await session.execute(sa.update(CONVERSATIONS).where(earlier).values(merged_into=target.id, updated_at=now))


async def messages_of(session: AsyncSession, conversation_id: str) -> list[dict[str, Any]]:
    """The customer's messages of a conversation, oldest first, each with its item's routing; not the deleted."""
    rows = await session.execute(_MESSAGES, {"id": conversation_id})
    return [dict(row._mapping) for row in rows]


_MESSAGES = (
    sa.select(MENTIONS, WORK_ITEMS.c.routing)
    .outerjoin_from(MENTIONS, WORK_ITEMS, WORK_ITEMS.c.id == MENTIONS.c.item_id)
    .where(MENTIONS.c.conversation_id == sa.bindparam("id"), MENTIONS.c.outcome != "deleted")
    .order_by(MENTIONS.c.posted_at, MENTIONS.c.post_id)
)
