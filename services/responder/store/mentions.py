"""Mentions as the responder needs them: what can be answered, what was, and how long that took."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict as asdict_
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec.structs import asdict
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import FEW, bulk_append, bulk_insert
from libs.common.errors import Raced
from services.responder.domain.freshness import Answer
from services.responder.domain.latency import How, Latency, Spread
from services.responder.domain.replies import Target
from services.responder.domain.report import Basis, offsets
from services.responder.store.report_spread import hour_of_day, spread
from services.responder.store.tables import ANSWERS, LATENCIES, TARGETS

GroupBy = Literal["queue", "handle", "intent", "language", "network", "hour", "none"]

_MENTION = ("network", "post_id")
_TOLD_ONCE = "summoned"  # who tells again where a mention waits says nothing of it
_TARGET_CHANGES = tuple(column.name for column in TARGETS.c if column.name not in (*_MENTION, _TOLD_ONCE))
_ANSWERED = (*_MENTION, "how")
_LATENCY_CHANGES = tuple(column.name for column in LATENCIES.c if column.name not in _ANSWERED)
_UTC = ZoneInfo("UTC")
_new = sa.literal_column
_LIVING = TARGETS.c.outcome != sa.literal_column("'deleted'")
# a dead letter replayed late undoes nothing, and what was deleted stays so
_NOT_OLDER = sa.and_(_new("excluded.routed_at") >= TARGETS.c.routed_at, _LIVING)
_WHAT_GOES = ("outcome", "routed_at", "author_id", "author_username", "thread_id")
_EARLIER = sa.tuple_(_new("excluded.answered_at"), _new("excluded.own_post_id")) < sa.tuple_(
    LATENCIES.c.answered_at, LATENCIES.c.own_post_id
)


def visible(team: sa.Column[str], teams: Collection[str]) -> sa.ColumnElement[bool]:
    """The rows of these teams; {"*"} is all of them."""
    return sa.true() if "*" in teams else team.in_(sorted(teams))


async def keep_targets(session: AsyncSession, targets: Sequence[Target]) -> None:
    """These mentions can be answered; what is known of one already is brought up to date."""
    latest = {(target.network, target.post_id): target for target in sorted(targets, key=lambda t: t.routed_at)}
    rows = [asdict(latest[mention]) for mention in sorted(latest)]
    if len(rows) > FEW:
        with suppress(Raced):
            async with session.begin_nested():  # as a rule all are new
                return await bulk_append(session, (TARGETS, rows))
    await bulk_insert(session, TARGETS, rows, on_conflict=_MENTION, update=_TARGET_CHANGES, where=_NOT_OLDER)
    return None


async def mark_deleted(session: AsyncSession, targets: Sequence[Target]) -> None:
    """These are gone, and nothing of who wrote them stays; the first word on that counts."""
    gone = {(target.network, target.post_id): target for target in reversed(targets)}
    rows = [
        asdict(gone[mention]) | {"author_id": "", "author_username": "", "thread_id": ""} for mention in sorted(gone)
    ]
    await bulk_insert(session, TARGETS, rows, on_conflict=_MENTION, update=_WHAT_GOES, where=_LIVING)


async def is_deleted(session: AsyncSession, network: str, post_id: str) -> bool:
    """Whether this mention is known to be gone."""
    question = sa.select(TARGETS.c.outcome).where(TARGETS.c.network == network, TARGETS.c.post_id == post_id)
    return bool((await session.execute(question)).scalar() == "deleted")


async def latest_living(session: AsyncSession, conversation_id: str) -> Target | None:
    """The conversation's latest message that is still there."""
    question = sa.select(TARGETS).where(TARGETS.c.conversation_id == conversation_id, _LIVING)
    latest = question.order_by(TARGETS.c.conversation_version.desc(), TARGETS.c.posted_at.desc()).limit(1)
    row = (await session.execute(latest)).one_or_none()
    return Target(**row._mapping) if row else None


async def first_of(session: AsyncSession, conversation_id: str) -> Target | None:
    """The message with which it began, be it there or deleted."""
    question = sa.select(TARGETS).where(TARGETS.c.conversation_id == conversation_id)
    first = question.order_by(TARGETS.c.posted_at, TARGETS.c.conversation_version, TARGETS.c.post_id).limit(1)
    row = (await session.execute(first)).one_or_none()
    return Target(**row._mapping) if row else None


async def wrote_in_private(session: AsyncSession, network: str, handle: str, author_id: str) -> bool:
    """Whether this person has written to the handle in private."""
    private = sa.exists().where(
        sa.text("private"),
        TARGETS.c.network == network,
        TARGETS.c.author_id == author_id,
        TARGETS.c.handle == handle,
    )
    return bool(author_id) and bool((await session.execute(sa.select(private))).scalar())


async def target(
    session: AsyncSession, network: str, post_id: str, teams: Collection[str], *, lock: bool = False
) -> Target | None:
    """The mention, if these teams may see it; `lock`ed, replies to it are asked for one after the other."""
    question = sa.select(TARGETS).where(
        TARGETS.c.network == network, TARGETS.c.post_id == post_id, visible(TARGETS.c.team, teams)
    )
    row = (await session.execute(question.with_for_update() if lock else question)).one_or_none()
    return Target(**row._mapping) if row else None


async def lock_conversation(session: AsyncSession, conversation_id: str) -> None:
    """Whoever answers any message of it now does so one after the other. Locked in the order of their keys."""
    question = sa.select(TARGETS.c.post_id).where(TARGETS.c.conversation_id == conversation_id)
    await session.execute(question.order_by(TARGETS.c.network, TARGETS.c.post_id).with_for_update())


async def newer_messages(
    session: AsyncSession, conversation_id: str, seen: int, teams: Collection[str], most: int = 20
) -> list[Target]:
    """The conversation's messages after the version seen, oldest first."""
    question = sa.select(TARGETS).where(
        TARGETS.c.conversation_id == conversation_id,
        TARGETS.c.conversation_version > seen,
        _LIVING,
        visible(TARGETS.c.team, teams),
    )
    ordered = question.order_by(TARGETS.c.conversation_version, TARGETS.c.post_id).limit(most)
    return [Target(**row._mapping) for row in await session.execute(ordered)]


async def keep_answers(session: AsyncSession, answers: Mapping[str, Answer]) -> None:
    """The latest answer of each conversation; an older one replayed undoes nothing."""
    rows = [asdict_(answers[id_]) | {"conversation_id": id_} for id_ in sorted(answers)]
    changes = [column.name for column in ANSWERS.c if column.name != "conversation_id"]
    newer = _new("excluded.version") >= ANSWERS.c.version
    await bulk_insert(session, ANSWERS, rows, on_conflict=["conversation_id"], update=changes, where=newer)


async def latest_answer(session: AsyncSession, conversation_id: str) -> Answer | None:
    """The latest post of ours that answers a message of the conversation."""
    columns = [ANSWERS.c[field.name] for field in fields(Answer)]
    found = await session.execute(sa.select(*columns).where(ANSWERS.c.conversation_id == conversation_id))
    row = found.one_or_none()
    return Answer(*row) if row else None


async def keep_latencies(session: AsyncSession, latencies: Sequence[Latency]) -> list[Latency]:
    """Keep the earliest answer of each mention, direct and covered apart; returns those that are the first of theirs.

    Args:
        latencies: at most one a mention and kind, in the order of their keys.
    """
    rows = {_key(latency): asdict(latency) for latency in latencies}
    written = await bulk_insert(session, LATENCIES, list(rows.values()), on_conflict=_ANSWERED, returning=_ANSWERED)
    first = {tuple(row) for row in written}
    known = [row for key, row in rows.items() if key not in first]
    await bulk_insert(session, LATENCIES, known, on_conflict=_ANSWERED, update=_LATENCY_CHANGES, where=_EARLIER)
    return [latency for latency in latencies if _key(latency) in first]


def _key(latency: Latency) -> tuple[str, str, str]:
    return latency.network, latency.post_id, latency.how


async def response_latency(
    session: AsyncSession,
    since: datetime,
    until: datetime,
    group_by: GroupBy,
    teams: Collection[str],
    within_seconds: Sequence[int],
    how: How = "direct",
    basis: Basis = "elapsed",
    zone: ZoneInfo = _UTC,
) -> list[Spread]:
    """How long the mentions posted in [since, until) waited, by group, in the order of the groups' names.

    Everything is computed in the database: one walk along the index on `posted_at`.

    Args:
        zone: of the hours, where they are the groups.
    """
    dialect = session.get_bind().dialect.name
    ahead = offsets(zone, since, until) if group_by == "hour" else [(since, 0)]
    values = _waits(since, until, group_by, teams, how, basis, hour_of_day(LATENCIES.c.posted_at, ahead, dialect))
    return spreads(await session.execute(spread(values, within_seconds)), group_by, within_seconds)


def spreads(rows: Iterable[Any], group_by: str, within_seconds: Sequence[int]) -> list[Spread]:
    """The rows of a `spread`."""
    return [
        Spread(
            row.key if group_by != "none" else None,
            row.answered,
            row.min,
            row.p50,
            row.p90,
            row.p99,
            row.max,
            float(row.mean),
            {seconds: getattr(row, f"within_{seconds}") for seconds in within_seconds},
        )
        for row in rows
    ]


async def without_hours(
    session: AsyncSession, since: datetime, until: datetime, teams: Collection[str], how: How
) -> int:
    """How many answers to mentions of [since, until) have no time in opening hours."""
    asked = LATENCIES.c.posted_at >= since, LATENCIES.c.posted_at < until, visible(LATENCIES.c.team, teams)
    mention = LATENCIES.c.network, LATENCIES.c.post_id
    known = sa.func.count(LATENCIES.c.business_seconds)
    found = sa.select(*mention).where(*asked, _of_kind(how)).group_by(*mention).having(known == 0).subquery()
    return int(await session.scalar(sa.select(sa.func.count()).select_from(found)) or 0)


def _waits(
    since: datetime,
    until: datetime,
    group_by: GroupBy,
    teams: Collection[str],
    how: How,
    basis: Basis = "elapsed",
    hour: sa.ColumnElement[str] | None = None,
) -> sa.FromClause:
    key: sa.ColumnElement[Any]
    if group_by == "hour" and hour is not None:
        key = hour
    else:
        key = sa.literal("") if group_by == "none" else LATENCIES.c[group_by]
    seconds = LATENCIES.c.latency_seconds if basis == "elapsed" else LATENCIES.c.business_seconds
    asked = [LATENCIES.c.posted_at >= since, LATENCIES.c.posted_at < until, visible(LATENCIES.c.team, teams)]
    if basis == "business":
        asked.append(seconds.is_not(None))
    if how == "any":  # the first of both
        first = sa.func.min(key).label("key"), sa.func.min(seconds).label("waited")
        mention = LATENCIES.c.network, LATENCIES.c.post_id
        return sa.select(*first).where(*asked, _of_kind(how)).group_by(*mention).subquery()
    return sa.select(key.label("key"), seconds.label("waited")).where(*asked, _of_kind(how)).subquery()


def _of_kind(how: How) -> sa.ColumnElement[bool]:
    if how == "any":
        return LATENCIES.c.how != sa.literal_column("'machine'")
    return LATENCIES.c.how == sa.literal_column(f"'{how}'")
