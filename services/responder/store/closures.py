"""Public closures: one row a conversation that got a suggestion."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert, bulk_update, matching, v
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.responder.domain.closures import TOO_LATE, Closure, State
from services.responder.domain.replies import Reply
from services.responder.store.mentions import visible
from services.responder.store.tables import CLOSURES, REPLIES

_CLOSURE = sa.select(*[CLOSURES.c[field.name] for field in fields(Closure)])
_SAME = CLOSURES.c.version == v("version") - 1
_IS_SUGGESTED = CLOSURES.c.state == sa.literal_column("'suggested'")


async def of_conversations(session: AsyncSession, conversations: Collection[str]) -> dict[str, Closure]:
    """What is kept of these conversations, by their ids."""
    if not conversations:
        return {}
    keys = [{"conversation_id": id_} for id_ in sorted(conversations)]
    statement, params = matching(session, CLOSURES, _CLOSURE, keys)
    found = [Closure(*row) for row in await session.execute(statement, params)]
    return {closure.conversation_id: closure for closure in found}


async def find(
    session: AsyncSession, conversation_id: str, teams: Collection[str], *, lock: bool = False
) -> Closure | None:
    """The closure, if these teams may see it; `lock`ed until the end of the transaction."""
    question = _CLOSURE.where(CLOSURES.c.conversation_id == conversation_id, visible(CLOSURES.c.team, teams))
    row = (await session.execute(question.with_for_update() if lock else question)).one_or_none()
    return Closure(*row) if row else None


async def save(session: AsyncSession, closures: Sequence[Closure]) -> None:
    """Write closures: new ones, and those whose version was raised once since they were read.

    Raises:
        Raced: somebody else changed one of them meanwhile.
    """
    new = [asdict(closure) for closure in closures if closure.version == 1]
    changed = [asdict(closure) for closure in closures if closure.version > 1]
    key = ["conversation_id"]
    written = await bulk_insert(session, CLOSURES, new, on_conflict=key, returning=key)
    if len(written) + await bulk_update(session, CLOSURES, changed, key=key, where=_SAME) != len(closures):
        raise Raced("a closure changed since we looked")


async def note_posted(session: AsyncSession, replies: Sequence[Reply]) -> None:
    """These replies are out: so are the closures that they are."""
    for reply in replies:
        mine = sa.update(CLOSURES).where(CLOSURES.c.conversation_id == reply.conversation_id, _IS_SUGGESTED)
        posted = {"state": "posted", "updated_at": reply.updated_at, "version": CLOSURES.c.version + 1}
        await session.execute(mine.where(CLOSURES.c.reply_id == reply.id).values(posted))


async def expire(session: AsyncSession, confirmed_until: datetime, now: datetime) -> int:
    """Skip the suggestions that nobody took up in time; how many there were."""
    late = sa.update(CLOSURES).where(
        _IS_SUGGESTED, CLOSURES.c.reply_id == "", CLOSURES.c.confirmed_at <= confirmed_until
    )
    skipped = {"state": "skipped", "reason": TOO_LATE, "updated_at": now, "version": CLOSURES.c.version + 1}
    return int((await session.execute(late.values(skipped))).rowcount)  # type: ignore[attr-defined]


async def last_said(session: AsyncSession, conversation_id: str, before: datetime) -> Reply | None:
    """The latest that a person of ours posted in private in this conversation before that moment."""
    by_people = REPLIES.c.kind.in_(("reply", "holding"))
    question = sa.select(*[REPLIES.c[field.name] for field in fields(Reply)]).where(
        REPLIES.c.conversation_id == conversation_id,
        REPLIES.c.state == "posted",
        sa.text("private"),
        by_people,
        REPLIES.c.posted_at <= before,
    )
    row = (await session.execute(question.order_by(REPLIES.c.posted_at.desc()).limit(1))).one_or_none()
    return Reply(*row) if row else None


async def page(
    session: AsyncSession,
    teams: Collection[str],
    *,
    state: State | None,
    handle: str | None,
    updated_after: datetime | None,
    confirmed_after: datetime,
    after: Mark | None,
    most: int,
) -> list[Closure]:
    """At most so many in the order of `updated_at` and conversation, after the mark.

    Args:
        confirmed_after: suggestions from before then are suggested no more.
    """
    question = _CLOSURE.where(visible(CLOSURES.c.team, teams))
    if state == "suggested":
        question = question.where(sa.or_(CLOSURES.c.confirmed_at > confirmed_after, CLOSURES.c.reply_id != ""))
    if state is not None:
        question = question.where(CLOSURES.c.state == state)
    if handle is not None:
        question = question.where(CLOSURES.c.handle == handle)
    if updated_after is not None:
        question = question.where(CLOSURES.c.updated_at > updated_after)
    if after is not None:
        at = sa.literal(after[0], CLOSURES.c.updated_at.type)
        mark = sa.tuple_(at, sa.literal(after[1]))
        question = question.where(sa.tuple_(CLOSURES.c.updated_at, CLOSURES.c.conversation_id) > mark)
    ordered = question.order_by(CLOSURES.c.updated_at, CLOSURES.c.conversation_id).limit(most)
    return [Closure(*row) for row in await session.execute(ordered)]
