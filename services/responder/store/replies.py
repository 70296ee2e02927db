"""Replies: asked for, taken in turn, and changed only by who saw them last."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_update, matching, v
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.responder.domain.replies import LIVE, MACHINE, Reply, State
from services.responder.store import closures
from services.responder.store.mentions import visible
from services.responder.store.tables import IDEMPOTENCY, REPLIES

_FIELDS = tuple(field.name for field in fields(Reply))
_SAME = REPLIES.c.version == v("version") - 1
_BY_HAND = sa.select(REPLIES.c.id).where(REPLIES.c.state.in_(("manual_required", "needs_human")))
_NOT_POSTED = sa.select(REPLIES.c.id).where(REPLIES.c.state != "posted")
_REPLY = sa.select(*[REPLIES.c[name] for name in _FIELDS])


async def live_replies(session: AsyncSession, network: str, post_id: str) -> list[Reply]:
    """The mention's replies in a live state, oldest first."""
    question = _REPLY.where(REPLIES.c.network == network, REPLIES.c.in_reply_to == post_id, REPLIES.c.state.in_(LIVE))
    return [Reply(*row) for row in await session.execute(question.order_by(REPLIES.c.id))]


async def of_conversation(session: AsyncSession, conversation_id: str) -> list[Reply]:
    """The conversation's replies in a live state, oldest first."""
    question = _REPLY.where(REPLIES.c.conversation_id == conversation_id, REPLIES.c.state.in_(LIVE))
    return [Reply(*row) for row in await session.execute(question.order_by(REPLIES.c.id))]


async def same_draft(session: AsyncSession, draft: Reply) -> Reply | None:
    """The draft of the same text by the same writer to the same mention, if it is kept already."""
    question = _REPLY.where(
        REPLIES.c.network == draft.network,
        REPLIES.c.in_reply_to == draft.in_reply_to,
        REPLIES.c.state == "draft",
        REPLIES.c.agent == draft.agent,
        REPLIES.c.created_by == draft.created_by,
        REPLIES.c.text == draft.text,
    )
    row = (await session.execute(question.order_by(REPLIES.c.id).limit(1))).one_or_none()
    return Reply(*row) if row else None


async def latest_draft(session: AsyncSession, network: str, post_id: str) -> Reply | None:
    """The draft to this mention that was changed last."""
    question = _REPLY.where(REPLIES.c.network == network, REPLIES.c.in_reply_to == post_id, REPLIES.c.state == "draft")
    row = (await session.execute(question.order_by(REPLIES.c.updated_at.desc(), REPLIES.c.id.desc()).limit(1))).first()
    return Reply(*row) if row else None


async def to_be_done_by_hand(session: AsyncSession, mentions: Collection[tuple[str, str]]) -> list[Reply]:
    """The replies to these mentions that wait for a person, locked, in the order of their ids."""
    return await _to_mentions(session, _BY_HAND, mentions)


async def not_posted(session: AsyncSession, mentions: Collection[tuple[str, str]]) -> list[Reply]:
    """The replies and drafts to these mentions that are not out, locked, in the order of their ids."""
    return await _to_mentions(session, _NOT_POSTED, mentions)


async def _to_mentions(
    session: AsyncSession, question: sa.Select[tuple[str]], mentions: Collection[tuple[str, str]]
) -> list[Reply]:
    if not mentions:
        return []
    keys = [{"network": network, "in_reply_to": post_id} for network, post_id in sorted(mentions)]
    statement, params = matching(session, REPLIES, question, keys)
    ids = sorted(row.id for row in await session.execute(statement, params))
    found = [await find(session, id_, frozenset({"*"}), lock=True) for id_ in ids]  # few: these are exceptions
    return [reply for reply in found if reply is not None]


async def reply_of_post(session: AsyncSession, network: str, own_post_id: str) -> str | None:
    """The id of the reply that this post of ours is."""
    question = sa.select(REPLIES.c.id).where(REPLIES.c.network == network, REPLIES.c.own_post_id == own_post_id)
    row = (await session.execute(question)).one_or_none()
    return row.id if row else None


async def add(session: AsyncSession, reply: Reply) -> None:
    """Keep a new reply.

    Raises:
        Raced: the mention got a live reply since we looked.
    """
    try:
        await session.execute(sa.insert(REPLIES).values(asdict(reply)))
    except IntegrityError as error:
        raise Raced(f"the mention {reply.in_reply_to} got a reply at the same moment") from error


async def find(session: AsyncSession, reply_id: str, teams: Collection[str], *, lock: bool = False) -> Reply | None:
    """The reply, if these teams may see it; `lock`ed until the end of the transaction."""
    question = _REPLY.where(REPLIES.c.id == reply_id, visible(REPLIES.c.team, teams))
    row = (await session.execute(question.with_for_update() if lock else question)).one_or_none()
    return Reply(*row) if row else None


async def page(
    session: AsyncSession,
    teams: Collection[str],
    *,
    state: State | None,
    network: str | None,
    post_id: str | None,
    agent: str | None = None,
    conversation_id: str | None = None,
    updated_after: datetime | None,
    after: Mark | None,
    most: int,
) -> list[Reply]:
    """At most so many replies in the order of `updated_at` and id, after the mark."""
    question = _REPLY.where(visible(REPLIES.c.team, teams))
    if state is not None:
        question = question.where(REPLIES.c.state == state)
    if network is not None:
        question = question.where(REPLIES.c.network == network)
    if post_id is not None:
        question = question.where(REPLIES.c.in_reply_to == post_id)
    if agent is not None:
        question = question.where(REPLIES.c.agent == agent)
    if conversation_id is not None:
        question = question.where(REPLIES.c.conversation_id == conversation_id)
    if updated_after is not None:
        question = question.where(REPLIES.c.updated_at > updated_after)
    if after is not None:
        moment, id_ = after
        at = sa.literal(moment, REPLIES.c.updated_at.type)
        question = question.where(sa.tuple_(REPLIES.c.updated_at, REPLIES.c.id) > sa.tuple_(at, sa.literal(id_)))
    ordered = question.order_by(REPLIES.c.updated_at, REPLIES.c.id).limit(most)
    return [Reply(*row) for row in await session.execute(ordered)]


async def save(session: AsyncSession, replies: Sequence[Reply]) -> None:
    """Write replies whose version was raised once since they were read.

    Raises:
        Raced: somebody else changed one of them meanwhile.
    """
    rows = [asdict(reply) for reply in sorted(replies, key=lambda reply: reply.id)]
    try:
        written = await bulk_update(session, REPLIES, rows, key=["id"], where=_SAME)
    except IntegrityError as error:
        raise Raced("the mention got a reply, or the post another one, at the same moment") from error
    if written != len(rows):
        raise Raced("a reply changed since we looked")
    await closures.note_posted(session, [each for each in replies if (each.kind, each.state) == ("closure", "posted")])


async def blank_answers(session: AsyncSession, replies: Sequence[Reply]) -> None:
    """Who repeats the request that made one of these is told it without its text."""
    for reply in replies:
        answer = IDEMPOTENCY.c.created_at == reply.created_at, IDEMPOTENCY.c.location == f"/v1/replies/{reply.id}"
        told = (await session.execute(sa.select(IDEMPOTENCY.c.body).where(*answer))).scalar()
        if told is not None:
            body = msgspec.json.encode({**msgspec.json.decode(told), "text": ""}).decode()
            await session.execute(sa.update(IDEMPOTENCY).where(*answer).values(body=body))


async def anything_due(session: AsyncSession, now: datetime, too_old: datetime) -> bool:
    """Whether there is anything to send, to look for, or to give up waiting for. Costs three index look-ups."""
    due = [sa.exists(sa.select(1).where(condition)) for condition in _due(now, too_old)]
    return bool((await session.execute(sa.select(sa.or_(*due)))).scalar())


async def take_queued(session: AsyncSession, now: datetime, most: int) -> list[Reply]:
    """Replies to send now, the more important first, locked; what another replica has in hand is passed over."""
    queued, _, _ = _due(now, now)
    return await _take(session, queued, [REPLIES.c.priority, REPLIES.c.not_before], most)


async def take_unknown(session: AsyncSession, now: datetime, most: int) -> list[Reply]:
    """Replies to look for now, locked."""
    _, unknown, _ = _due(now, now)
    return await _take(session, unknown, [REPLIES.c.look_at], most)


async def take_abandoned(session: AsyncSession, too_old: datetime, most: int) -> list[Reply]:
    """Replies somebody began to send that long ago and never settled, locked."""
    _, _, abandoned = _due(too_old, too_old)
    return await _take(session, abandoned, [REPLIES.c.reserved_at], most)


async def claimed_posts(session: AsyncSession, network: str, post_id: str) -> set[str]:
    """Our posts that are known to be replies to this mention."""
    question = sa.select(REPLIES.c.own_post_id).where(
        REPLIES.c.network == network, REPLIES.c.in_reply_to == post_id, REPLIES.c.own_post_id.is_not(None)
    )
    return {row.own_post_id for row in await session.execute(question)}


async def has_company(session: AsyncSession, reply: Reply) -> bool:
    """Whether another reply to its mention is live, or a machine's went on its way: it may be on our timeline too."""
    machine = REPLIES.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in MACHINE])
    others = sa.exists().where(
        REPLIES.c.network == reply.network,
        REPLIES.c.in_reply_to == reply.in_reply_to,
        REPLIES.c.id != reply.id,
        sa.or_(REPLIES.c.state.in_(LIVE), sa.and_(machine, REPLIES.c.fence > 0)),
    )
    return bool((await session.execute(sa.select(others))).scalar())


async def count_unknown(session: AsyncSession) -> int:
    """How many replies nobody knows the fate of."""
    question = sa.select(sa.func.count()).select_from(REPLIES).where(REPLIES.c.state == sa.literal_column("'unknown'"))
    return int((await session.execute(question)).scalar_one())


def _due(now: datetime, too_old: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        sa.and_(REPLIES.c.state == sa.literal_column("'queued'"), REPLIES.c.not_before <= now),
        sa.and_(REPLIES.c.state == sa.literal_column("'unknown'"), REPLIES.c.look_at <= now),
        sa.and_(REPLIES.c.state == sa.literal_column("'sending'"), REPLIES.c.reserved_at <= too_old),
    )


async def _take(
    session: AsyncSession, condition: sa.ColumnElement[bool], order: Sequence[sa.Column[Any]], most: int
) -> list[Reply]:
    question = _REPLY.where(condition).order_by(*order, REPLIES.c.id).limit(most)
    return [Reply(*row) for row in await session.execute(question.with_for_update(skip_locked=True))]
