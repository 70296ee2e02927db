"""Surveys: one row a conversation, taken in turn by whoever is due."""

from collections.abc import Collection
from dataclasses import asdict, fields
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert
from libs.common.lists import Mark
from services.responder.domain.replies import LIVE, Target
from services.responder.domain.surveys import State, Survey
from services.responder.store.mentions import visible
from services.responder.store.tables import REPLIES, SURVEYS, TARGETS

_FIELDS = tuple(field.name for field in fields(Survey))
_SURVEY = sa.select(*[SURVEYS.c[name] for name in _FIELDS])
_CHANGES = tuple(name for name in _FIELDS if name != "conversation_id")
_SCHEDULED: sa.ColumnElement[str] = sa.literal_column("'scheduled'")
_RUNS = SURVEYS.c.state.in_([_SCHEDULED, sa.literal_column("'sent'")])


class Beginning(NamedTuple):
    """How a conversation began, and whether anything in it belongs to an incident."""

    private: bool
    queue: str
    intent: str
    language: str
    incident: bool


async def beginning(session: AsyncSession, conversation_id: str) -> Beginning | None:
    """The customer's first message in it; None: we heard of none."""
    of_it = TARGETS.c.conversation_id == conversation_id
    incident = sa.exists().where(of_it, TARGETS.c.incident != "").correlate(None)
    first = sa.select(TARGETS.c.private, TARGETS.c.queue, TARGETS.c.intent, TARGETS.c.language, incident).where(of_it)
    row = (await session.execute(first.order_by(TARGETS.c.posted_at, TARGETS.c.post_id).limit(1))).one_or_none()
    return Beginning(*row) if row else None


async def latest_private(session: AsyncSession, conversation_id: str) -> Target | None:
    """The customer's latest private message, to which a survey is sent."""
    question = sa.select(TARGETS).where(
        TARGETS.c.conversation_id == conversation_id,
        TARGETS.c.private,
        TARGETS.c.outcome != sa.literal_column("'deleted'"),
    )
    latest = question.order_by(TARGETS.c.posted_at.desc(), TARGETS.c.post_id.desc()).limit(1)
    row = (await session.execute(latest)).one_or_none()
    return Target(**row._mapping) if row else None


async def asked_at(session: AsyncSession, network: str, author_id: str, handle: str) -> datetime | None:
    """When this handle last asked this person, or began to."""
    asked = sa.func.max(sa.func.coalesce(SURVEYS.c.sent_at, SURVEYS.c.updated_at), type_=SURVEYS.c.updated_at.type)
    began = sa.and_(SURVEYS.c.state == _SCHEDULED, SURVEYS.c.reply_id != "")
    question = sa.select(asked).where(
        SURVEYS.c.network == network,
        SURVEYS.c.author_id == author_id,
        SURVEYS.c.handle == handle,
        sa.or_(SURVEYS.c.sent_at.is_not(None), began),
    )
    return (await session.execute(question)).scalar()


async def find(
    session: AsyncSession, conversation_id: str, teams: Collection[str], *, lock: bool = False
) -> Survey | None:
    """The conversation's survey, if these teams may see it; `lock`ed until the end of the transaction."""
    question = _SURVEY.where(SURVEYS.c.conversation_id == conversation_id, visible(SURVEYS.c.team, teams))
    row = (await session.execute(question.with_for_update() if lock else question)).one_or_none()
    return Survey(*row) if row else None


async def waiting_for(session: AsyncSession, network: str, author_id: str, handle: str) -> list[Survey]:
    """The surveys that are to go to this person and are not on their way, locked."""
    question = _SURVEY.where(
        SURVEYS.c.network == network,
        SURVEYS.c.author_id == author_id,
        SURVEYS.c.handle == handle,
        SURVEYS.c.state == _SCHEDULED,
        SURVEYS.c.reply_id == "",
    )
    rows = await session.execute(question.order_by(SURVEYS.c.conversation_id).with_for_update())
    return [Survey(*row) for row in rows]


async def keep(session: AsyncSession, survey: Survey) -> None:
    """Write it as it is now; a new one that somebody else wrote at the same moment is overwritten by the same."""
    await bulk_insert(session, SURVEYS, [asdict(survey)], on_conflict=["conversation_id"], update=_CHANGES)


async def anything_due(session: AsyncSession, now: datetime) -> bool:
    """Whether there is one to send, to look after, or to let expire."""
    return bool((await session.execute(sa.select(sa.exists().where(*_due(now))))).scalar())


async def take_due(session: AsyncSession, now: datetime, most: int) -> list[Survey]:
    """Those to look after now, locked; what another replica has in hand is passed over.

    Of those to be sent to one person only the oldest: the next one shall see that this one went.
    """
    other = SURVEYS.alias("other")
    same = [other.c[name] == SURVEYS.c[name] for name in ("network", "author_id", "handle")]
    older = sa.tuple_(other.c.resolved_at, other.c.conversation_id) < sa.tuple_(
        SURVEYS.c.resolved_at, SURVEYS.c.conversation_id
    )
    behind = sa.exists().where(*same, older, other.c.state == _SCHEDULED, other.c.reply_id == "", other.c.due_at <= now)
    turn = sa.or_(SURVEYS.c.state != _SCHEDULED, SURVEYS.c.reply_id != "", sa.not_(behind))
    question = _SURVEY.where(*_due(now), turn).order_by(SURVEYS.c.due_at, SURVEYS.c.conversation_id).limit(most)
    rows = await session.execute(question.with_for_update(skip_locked=True, of=SURVEYS))
    return [Survey(*row) for row in rows]


def _due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _RUNS, SURVEYS.c.due_at <= now


async def message_of(session: AsyncSession, conversation_id: str) -> str:
    """The id of the survey's message that is out or on its way; empty: there is none."""
    question = sa.select(REPLIES.c.id).where(
        REPLIES.c.conversation_id == conversation_id,
        REPLIES.c.kind == sa.literal_column("'survey'"),
        REPLIES.c.state.in_(LIVE),
    )
    return (await session.execute(question.limit(1))).scalar() or ""


async def page(
    session: AsyncSession,
    teams: Collection[str],
    *,
    state: State | None,
    handle: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    most: int,
) -> list[Survey]:
    """At most so many, in the order in which they changed."""
    moment, id_ = SURVEYS.c.updated_at, SURVEYS.c.conversation_id
    question = _SURVEY.where(visible(SURVEYS.c.team, teams))
    if state is not None:
        question = question.where(SURVEYS.c.state == state)
    if handle is not None:
        question = question.where(SURVEYS.c.handle == handle)
    if updated_after is not None:
        question = question.where(moment > updated_after)
    if after is not None:
        at = sa.literal(after[0], moment.type)
        question = question.where(sa.tuple_(moment, id_) > sa.tuple_(at, sa.literal(after[1])))
    rows = await session.execute(question.order_by(moment, id_).limit(most))
    return [Survey(*row) for row in rows]
