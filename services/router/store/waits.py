"""The expected wait's own questions: what a look at the queues sees, and the ledger of promises."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert, bulk_update
from services.router.domain.pace import HISTORY, Hour
from services.router.domain.promises import REMEMBERED, SCORED_FOR, Memory, Outcome
from services.router.domain.waits import Served
from services.router.store.tables import CONVERSATIONS, OWN_POSTS, WORK_ITEMS, by_people
from services.router.store.wait_tables import EXPECTED_WAITS, PROMISES, PUBLISHED_WAITS, QUEUE_HOURS

AT_ONCE = 2000
"""Items that one look follows at most: of a greater crowd these are a sample."""

_SINCE = sa.bindparam("since", type_=UtcDateTime())
_UNTIL = sa.bindparam("until", type_=UtcDateTime())
_ANSWERED = WORK_ITEMS.c.reason.in_(("answered", "answered_elsewhere"))


async def alone(session: AsyncSession) -> bool:
    """Whether no other replica looks at this moment; SQLite has one writer anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool((await session.execute(_ONE_AT_A_TIME)).scalar_one())


_ONE_AT_A_TIME = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext("router.waits")))


# --- what is kept between two looks


async def memories(session: AsyncSession) -> dict[str, tuple[datetime, Memory]]:
    """Of every queue when somebody looked last, and what is known since."""
    rows = await session.execute(sa.select(EXPECTED_WAITS))
    return {row.queue: (row.at, msgspec.convert(row.memory, Memory)) for row in rows}


async def remember(session: AsyncSession, known: Mapping[str, Memory], now: datetime) -> None:
    """Keep it for the next look, and add the hour so far to the history."""
    rows = [{"queue": queue, "at": now, "memory": memory} for queue, memory in sorted(known.items())]
    await bulk_insert(session, EXPECTED_WAITS, rows, on_conflict=("queue",), update=("at", "memory"))
    hours = [
        {"queue": queue, **{name: getattr(memory.hour, name) for name in _OF_HOUR}}
        for queue, memory in sorted(known.items())
        if memory.hour is not None
    ]
    await bulk_insert(session, QUEUE_HOURS, hours, on_conflict=("queue", "at"), update=_OF_HOUR[1:])


_OF_HOUR = Hour.__struct_fields__


async def history(session: AsyncSession, queue: str, now: datetime) -> list[Hour]:
    """The hours of the last four weeks."""
    statement = sa.select(QUEUE_HOURS).where(QUEUE_HOURS.c.queue == queue, QUEUE_HOURS.c.at >= now - HISTORY)
    rows = await session.execute(statement)
    return [Hour(**{name: getattr(row, name) for name in _OF_HOUR} | {"arrived": tuple(row.arrived)}) for row in rows]


# --- what a look sees


class Group(NamedTuple):
    """So many waiting items of one line."""

    queue: str
    line: str
    number: int  # effective class
    late: bool
    n: int


async def waiting(session: AsyncSession) -> list[Group]:
    """All that nobody has yet, as the order has them now."""
    rows = await session.execute(_WAITING)
    return [Group(row.queue, row.line, row.rank // 2, row.late, row.n) for row in rows]


_WAITING = (
    sa.select(WORK_ITEMS.c.queue, WORK_ITEMS.c.line, WORK_ITEMS.c.rank, WORK_ITEMS.c.late, sa.func.count().label("n"))
    .where(WORK_ITEMS.c.state == "pending")
    .group_by(WORK_ITEMS.c.queue, WORK_ITEMS.c.line, WORK_ITEMS.c.rank, WORK_ITEMS.c.late)
)


class Aged(NamedTuple):
    """So many waiting items of one urgency, and how many of them joined before each of the moments asked for."""

    urgency: str
    late: bool
    n: int
    before: tuple[int, ...]


async def waiting_at(session: AsyncSession, queue: str, at: datetime, moments: Sequence[datetime]) -> list[Aged]:
    """All that waits in this queue, as old and as late as it will be at that moment."""
    late = sa.func.coalesce(WORK_ITEMS.c.due_at < sa.literal(at, UtcDateTime()), sa.false()).label("overdue")
    ages = [
        sa.func.count().filter(WORK_ITEMS.c.enqueued_at <= sa.literal(moment, UtcDateTime())).label(f"before_{number}")
        for number, moment in enumerate(moments)
    ]
    statement = (
        sa.select(WORK_ITEMS.c.urgency, late, sa.func.count().label("n"), *ages)
        .where(WORK_ITEMS.c.state == "pending", WORK_ITEMS.c.queue == queue)
        .group_by(WORK_ITEMS.c.urgency, late)
    )
    return [Aged(row[0], bool(row[1]), row[2], tuple(row[3:])) for row in await session.execute(statement)]


class Joined(NamedTuple):
    """An item the ledger does not know yet."""

    item_id: str
    queue: str
    urgency: str
    conversation_id: str
    joined_at: datetime
    followup: bool


async def joined(session: AsyncSession, since: datetime, earliest: datetime) -> list[Joined]:
    """Items that changed since then, were posted after `earliest` and are new to the ledger."""
    rows = await session.execute(_JOINED, {"since": since, "earliest": earliest})
    return [
        Joined(row.id, row.queue, row.urgency, row.conversation_id, row.enqueued_at, row.rank % 2 == 0) for row in rows
    ]


_JOINED = (
    sa.select(
        WORK_ITEMS.c.id,
        WORK_ITEMS.c.queue,
        WORK_ITEMS.c.urgency,
        WORK_ITEMS.c.conversation_id,
        WORK_ITEMS.c.enqueued_at,
        WORK_ITEMS.c.rank,
    )
    .where(
        WORK_ITEMS.c.updated_at > _SINCE,
        WORK_ITEMS.c.enqueued_at > sa.bindparam("earliest", type_=UtcDateTime()),
        ~sa.exists().where(PROMISES.c.item_id == WORK_ITEMS.c.id),
    )
    .order_by(WORK_ITEMS.c.updated_at, WORK_ITEMS.c.id)
    .limit(AT_ONCE)
)


async def replied(session: AsyncSession, since: datetime, until: datetime) -> dict[str, int]:
    """How many items of each queue were answered in this span: (since, until]."""
    rows = await session.execute(_REPLIED, {"since": since, "until": until})
    return {row.queue: row.n for row in rows}


_REPLIED = (
    sa.select(WORK_ITEMS.c.queue, sa.func.count().label("n"))
    .where(WORK_ITEMS.c.updated_at > _SINCE, WORK_ITEMS.c.updated_at <= _UNTIL, _ANSWERED)
    .where(WORK_ITEMS.c.state.in_(("wrapping", "completed")))
    .group_by(WORK_ITEMS.c.queue)
)


async def senders(session: AsyncSession) -> dict[str, set[tuple[str, str]]]:
    """By queue, the (network, handle) that answer its latest items."""
    found: dict[str, set[tuple[str, str]]] = {}
    for queue, network, handle in await session.execute(_SENDERS):
        found.setdefault(queue, set()).add((network, handle))
    return found


_NEWEST = (
    sa.select(WORK_ITEMS.c.queue, WORK_ITEMS.c.conversation_id)
    .order_by(WORK_ITEMS.c.updated_at.desc(), WORK_ITEMS.c.id.desc())
    .limit(AT_ONCE)
    .subquery()
)
_SENDERS = (
    sa.select(_NEWEST.c.queue, CONVERSATIONS.c.network, CONVERSATIONS.c.handle)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == _NEWEST.c.conversation_id)
    .distinct()
)


# --- the ledger


async def promise(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what was promised; whoever was quicker wrote the same."""
    await bulk_insert(session, PROMISES, rows, on_conflict=("item_id",))


async def note_published(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what is published from now on."""
    await bulk_insert(session, PUBLISHED_WAITS, rows, on_conflict=("queue", "urgency", "at"))


@dataclass(frozen=True, slots=True)
class Ended:
    """An item of the ledger that waits no longer."""

    item_id: str
    queue: str
    joined_at: datetime
    due_at: datetime | None
    kept: bool | None
    state: str
    changed_at: datetime
    taken_at: datetime | None
    answered_at: datetime | None  # none: it was closed without an answer, or the answer is on its way


async def ended(session: AsyncSession, since: datetime) -> list[Ended]:
    """Those that changed since then and wait no longer, with the first answer in their conversation."""
    rows = await session.execute(_ENDED, {"since": since})
    return [Ended(**row._mapping) for row in rows]


_FIRST_ANSWER = (
    sa.select(sa.func.min(OWN_POSTS.c.posted_at))
    .where(
        OWN_POSTS.c.conversation_id == PROMISES.c.conversation_id,
        OWN_POSTS.c.posted_at >= PROMISES.c.joined_at,
        by_people(),
    )
    .scalar_subquery()
)
_ENDED = (
    sa.select(
        PROMISES.c.item_id,
        PROMISES.c.queue,
        PROMISES.c.joined_at,
        PROMISES.c.due_at,
        PROMISES.c.kept,
        WORK_ITEMS.c.state,
        WORK_ITEMS.c.updated_at.label("changed_at"),
        WORK_ITEMS.c.assigned_at.label("taken_at"),
        sa.type_coerce(_FIRST_ANSWER, UtcDateTime()).label("answered_at"),
    )
    .join_from(WORK_ITEMS, PROMISES, PROMISES.c.item_id == WORK_ITEMS.c.id)
    .where(
        WORK_ITEMS.c.updated_at > _SINCE,
        WORK_ITEMS.c.state.in_(("wrapping", "completed", "canceled")),
        PROMISES.c.ended_at.is_(None),
    )
    .order_by(WORK_ITEMS.c.updated_at, WORK_ITEMS.c.id)
    .limit(AT_ONCE)
)


async def end(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """What came of them: item_id, answered_at, waited_seconds, handled_seconds, kept, ended_at."""
    await bulk_update(session, PROMISES, rows, key=("item_id",), where=PROMISES.c.ended_at.is_(None))


async def break_overdue(session: AsyncSession, now: datetime) -> int:
    """Who waits longer than was promised need not be answered first to be counted."""
    broken: Any = await session.execute(_OVERDUE, {"now": now})
    return int(broken.rowcount)


_OVERDUE = (
    sa.update(PROMISES)
    .where(PROMISES.c.kept.is_(None), PROMISES.c.due_at < sa.bindparam("now", type_=UtcDateTime()))
    .values(kept=False)
)


async def observed(session: AsyncSession, queue: str) -> tuple[Served, list[Outcome]]:
    """Replies and promises of a queue that ended last; outcomes in the order in which they did."""
    rows = (await session.execute(_LATEST, {"queue": queue})).all()
    idle = tuple(row.waited_seconds for row in rows if row.idle)[:REMEMBERED]
    handled = tuple(row.handled_seconds for row in rows if row.handled_seconds is not None)[:REMEMBERED]
    outcomes = [
        Outcome(row.regime, tuple(row.raw), row.waited_seconds) for row in reversed(rows) if row.state == "known"
    ]
    return Served(idle, handled), outcomes


_QUEUE = sa.bindparam("queue", type_=sa.Text())
_LATEST = (
    sa.select(
        PROMISES.c.state,
        PROMISES.c.regime,
        PROMISES.c.raw,
        PROMISES.c.idle,
        PROMISES.c.waited_seconds,
        PROMISES.c.handled_seconds,
    )
    .where(PROMISES.c.queue == _QUEUE, PROMISES.c.ended_at.is_not(None), PROMISES.c.waited_seconds.is_not(None))
    .order_by(PROMISES.c.ended_at.desc())
    .limit(3 * REMEMBERED)
)


async def still_waiting(session: AsyncSession, queue: str) -> Iterable[tuple[Outcome, datetime]]:
    """The oldest promises that nobody kept or broke yet, and since when: so far they have waited for nothing."""
    rows = await session.execute(_STILL, {"queue": queue})
    return [(Outcome(row.regime, tuple(row.raw), 0.0), row.joined_at) for row in rows]


_STILL = (
    sa.select(PROMISES.c.regime, PROMISES.c.raw, PROMISES.c.joined_at)
    .where(PROMISES.c.queue == _QUEUE, PROMISES.c.ended_at.is_(None), PROMISES.c.state == "known")
    .order_by(PROMISES.c.joined_at)
    .limit(REMEMBERED)
)


@dataclass(frozen=True, slots=True)
class Score:
    """How a queue's promises of the last 14 days were kept."""

    kept: int = 0
    scored: int = 0
    first_scored: datetime | None = None  # of all times


async def scores(session: AsyncSession, queues: Collection[str], now: datetime) -> dict[str, Score]:
    """Of each queue; silence counts from the moment that was promised."""
    found = {}
    for queue in sorted(queues):
        counted = (await session.execute(_SCORE, {"queue": queue, "since": now - SCORED_FOR})).one()
        first = (await session.execute(_FIRST_SCORED, {"queue": queue})).scalar()
        found[queue] = Score(counted.kept, counted.scored, first)
    return found


_SCORE = sa.select(
    sa.func.count().filter(PROMISES.c.kept).label("kept"),
    sa.func.count().filter(PROMISES.c.kept.is_not(None)).label("scored"),
).where(PROMISES.c.queue == _QUEUE, PROMISES.c.joined_at >= _SINCE)
_FIRST_SCORED = (
    sa.select(PROMISES.c.joined_at)
    .where(PROMISES.c.queue == _QUEUE, PROMISES.c.kept.is_not(None))
    .order_by(PROMISES.c.joined_at)
    .limit(1)
)
