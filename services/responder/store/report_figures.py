"""The report's questions: exchanges, conversations, coverage, kept promises; each walks along an index on time."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.responder.domain.latency import Spread
from services.responder.domain.report import DISMISSED, OVER_AFTER, Basis, Coverage, Kept, coverage, offsets
from services.responder.store.mentions import spreads, visible
from services.responder.store.report_spread import hour_of_day, spread
from services.responder.store.report_tables import CLOCKS, CONVERSATIONS, EXCHANGES, MENTIONS

Group = Literal["queue", "handle", "intent", "urgency", "language", "network", "hour", "none"]


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants to know: what began in [since, until), in groups; `zone` is that of the hours."""

    since: datetime
    until: datetime
    now: datetime
    group_by: Group
    zone: ZoneInfo
    teams: Collection[str]


Source = sa.FromClause


async def exchange_waits(
    session: AsyncSession, asked: Asked, kind: str, basis: Basis, within_seconds: Sequence[int]
) -> tuple[list[Spread], int]:
    """How long people waited for our first or next answer; and how many of them have no time on this basis."""
    waited = EXCHANGES.c.elapsed_seconds if basis == "elapsed" else EXCHANGES.c.business_seconds
    chosen = [*_chosen(EXCHANGES, asked), EXCHANGES.c.kind == kind]
    return await _waits(session, asked, EXCHANGES, waited, chosen, within_seconds)


async def resolutions(
    session: AsyncSession, asked: Asked, basis: Basis, within_seconds: Sequence[int]
) -> tuple[list[Spread], int]:
    """How long people waited for us in all in conversations that are over; and how many have no time on this basis."""
    waited = CONVERSATIONS.c.elapsed_seconds if basis == "elapsed" else CONVERSATIONS.c.business_seconds
    quiet = asked.now - OVER_AFTER
    over = (
        CONVERSATIONS.c.last_answer_at < quiet,
        sa.or_(CONVERSATIONS.c.last_message_at.is_(None), CONVERSATIONS.c.last_message_at < quiet),
        CONVERSATIONS.c.waiting_messages == 0,
    )
    chosen = [*_chosen(CONVERSATIONS, asked), *over]
    return await _waits(session, asked, CONVERSATIONS, waited, chosen, within_seconds)


async def _waits(
    session: AsyncSession,
    asked: Asked,
    source: Source,
    waited: sa.ColumnElement[Any],
    chosen: Sequence[sa.ColumnElement[bool]],
    within_seconds: Sequence[int],
) -> tuple[list[Spread], int]:
    key = _key(session, source, asked)
    values = sa.select(key.label("key"), waited.label("waited")).where(*chosen, waited.is_not(None)).subquery()
    rows = await session.execute(spread(values, within_seconds))
    unknown = sa.select(sa.func.count()).select_from(source).where(*chosen, waited.is_(None))
    return spreads(rows, asked.group_by, within_seconds), int(await session.scalar(unknown) or 0)


async def covered(session: AsyncSession, asked: Asked) -> list[Coverage]:
    """What became of the mentions posted in this time, by group."""
    key = _key(session, MENTIONS, asked).label("key")
    found = sa.select(key, MENTIONS.c.state).where(*_chosen(MENTIONS, asked, "posted_at")).subquery()
    counted = sa.select(found.c.key, found.c.state, sa.func.count().label("n")).group_by(found.c.key, found.c.state)
    states: dict[str, dict[str, int]] = {}
    for row in await session.execute(counted.order_by(found.c.key)):
        states.setdefault(row.key, {})[row.state] = row.n
    return [coverage(None if asked.group_by == "none" else key, of_key) for key, of_key in states.items()]


NEEDED = ("direct", "covered", "waiting", "being_sent", "not_sent", "machine_only", "closed", *DISMISSED)
"""States of mentions whose time to the first answer runs, or ran."""


async def kept(session: AsyncSession, asked: Asked, within_seconds: Sequence[int]) -> dict[str, dict[int, Kept]]:
    """By group: how many of the mentions that needed an answer had it within each of these times."""
    found = (
        sa.select(
            _key(session, MENTIONS, asked).label("key"),
            MENTIONS.c.posted_at,
            MENTIONS.c.elapsed_seconds,
            MENTIONS.c.ended_at,
            MENTIONS.c.state,
        )
        .where(*_chosen(MENTIONS, asked, "posted_at"))
        .cte("found")
        .prefix_with("MATERIALIZED", dialect="postgresql")  # each state is worked out once
    )
    over = sa.case((found.c.state.in_(("closed", *DISMISSED)), found.c.ended_at)).label("ended_at")
    rows = (
        sa.select(found.c.key, found.c.posted_at, found.c.elapsed_seconds, over)
        .where(found.c.state.in_(NEEDED))
        .subquery()
    )
    now = sa.literal(asked.now, rows.c.posted_at.type)
    until = sa.func.coalesce(rows.c.ended_at, now)
    figures: list[sa.ColumnElement[int]] = []
    for limit in within_seconds:
        outcome = sa.case(
            (rows.c.elapsed_seconds <= limit, sa.literal_column("'met'")),
            (
                sa.or_(rows.c.elapsed_seconds.is_not(None), _longer(session, rows.c.posted_at, until, limit)),
                sa.literal_column("'breached'"),
            ),
            (rows.c.ended_at.is_not(None), sa.literal_column("'canceled'")),
            else_=sa.literal_column("'running'"),
        )
        for name in _OUTCOMES:
            figures.append(sa.func.sum(sa.case((outcome == sa.literal_column(f"'{name}'"), 1), else_=0)))
    kept_by: dict[str, dict[int, Kept]] = {}
    for key, *numbers in await session.execute(sa.select(rows.c.key, *figures).group_by(rows.c.key)):
        fours = [numbers[start : start + len(_OUTCOMES)] for start in range(0, len(numbers), len(_OUTCOMES))]
        kept_by[key] = {limit: Kept(*four) for limit, four in zip(within_seconds, fours, strict=True)}
    return kept_by


_OUTCOMES = ("met", "breached", "running", "canceled")


async def clocks(session: AsyncSession, asked: Asked) -> dict[str, dict[str, Kept]]:
    """By group and kind: how many of the queues' own promises that began in this time were met, and breached."""
    rows = (
        sa.select(_key(session, CLOCKS, asked).label("key"), CLOCKS.c.kind, CLOCKS.c.state)
        .where(*_chosen(CLOCKS, asked))
        .subquery()
    )
    met, breached = (
        sa.func.sum(sa.case((rows.c.state == sa.literal_column(f"'{state}'"), 1), else_=0))
        for state in ("met", "breached")
    )
    question = sa.select(rows.c.key, rows.c.kind, met, breached).group_by(rows.c.key, rows.c.kind)
    found: dict[str, dict[str, Kept]] = {}
    for key, kind, n_met, n_breached in await session.execute(question.order_by(rows.c.key, rows.c.kind)):
        found.setdefault(key, {})[kind] = Kept(n_met, n_breached)
    return found


class Ends(msgspec.Struct, frozen=True):
    """How many answered conversations began with a complaint, in how many of these the customer wrote after our first
    answer, and how many ended well."""

    complaints: int
    wrote_again: int
    ended_well: int


async def conversations(session: AsyncSession, asked: Asked) -> tuple[list[Spread], dict[str, Ends]]:
    """How many interactions answered conversations had, and how those that began with a complaint ended, by group."""
    interactions = CONVERSATIONS.c.customer_messages + CONVERSATIONS.c.our_messages
    wrote_again = CONVERSATIONS.c.last_message_at > CONVERSATIONS.c.first_answered_at
    kindly = sa.or_(CONVERSATIONS.c.last_intent == "praise_thanks", CONVERSATIONS.c.last_sentiment == "positive")
    complaint = CONVERSATIONS.c.intent == "complaint"
    values = (
        sa.select(
            _key(session, CONVERSATIONS, asked).label("key"),
            interactions.label("waited"),
            _one(complaint).label("complaint"),
            _one(sa.and_(complaint, wrote_again)).label("wrote_again"),
            _one(sa.and_(complaint, wrote_again, kindly)).label("ended_well"),
        )
        .where(*_chosen(CONVERSATIONS, asked))
        .subquery()
    )
    found = spreads(await session.execute(spread(values, ())), asked.group_by, ())
    sums = [sa.func.sum(values.c[name]) for name in ("complaint", "wrote_again", "ended_well")]
    ends = await session.execute(sa.select(values.c.key, *sums).group_by(values.c.key))
    return found, {key: Ends(*numbers) for key, *numbers in ends}


async def messages_per_answer(session: AsyncSession, asked: Asked) -> list[Spread]:
    """How many messages of a customer one answer of ours answered, by group."""
    values = (
        sa.select(_key(session, EXCHANGES, asked).label("key"), EXCHANGES.c.messages.label("waited"))
        .where(*_chosen(EXCHANGES, asked))
        .subquery()
    )
    return spreads(await session.execute(spread(values, ())), asked.group_by, ())


def _one(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.case((condition, 1), else_=0)


def _chosen(source: Source, asked: Asked, began: str = "started_at") -> list[sa.ColumnElement[bool]]:
    team: Any = source.c.team
    return [source.c[began] >= asked.since, source.c[began] < asked.until, visible(team, asked.teams)]


def _key(session: AsyncSession, source: Source, asked: Asked) -> sa.ColumnElement[Any]:
    if asked.group_by == "none":
        return sa.literal("")
    if asked.group_by == "hour":
        began = source.c.posted_at if source is MENTIONS else source.c.started_at
        ahead = offsets(asked.zone, asked.since, asked.until)
        return hour_of_day(began, ahead, session.get_bind().dialect.name)
    return source.c[asked.group_by]


def _longer(
    session: AsyncSession, start: sa.ColumnElement[datetime], end: sa.ColumnElement[datetime], seconds: int
) -> sa.ColumnElement[bool]:
    """Whether there is more time than that between both."""
    if session.get_bind().dialect.name == "sqlite":
        return sa.type_coerce(end, sa.BigInteger) - sa.type_coerce(start, sa.BigInteger) > seconds * 1_000_000
    return sa.type_coerce(end - start, sa.Interval) > sa.literal(timedelta(seconds=seconds), sa.Interval)
