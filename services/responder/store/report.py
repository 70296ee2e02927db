"""What the report counts, as it is kept: exchanges, clocks, how items ended, our own posts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from msgspec.structs import asdict
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert, matching
from libs.common.events import MentionAnswered, WorkItemCanceled, WorkItemCompleted
from services.responder.domain.report import Answered, ClockEnd, Exchange
from services.responder.store.report_tables import ANSWERING_POSTS, CLOCKS, EXCHANGES, ITEM_ENDS
from services.responder.store.tables import LATENCIES, TARGETS

_POST = ("network", "own_post_id")
_CLOCK = ("item_id", "kind")
_EXCHANGE_CHANGES = tuple(name for name in Exchange.__struct_fields__ if name not in _POST)
_CLOCK_CHANGES = ("state", "due_at", "stopped_at", "urgency")
_stopped: sa.ColumnElement[datetime] = sa.literal_column("excluded.stopped_at")
_EARLIER = sa.and_(_stopped.is_not(None), sa.or_(CLOCKS.c.stopped_at.is_(None), _stopped < CLOCKS.c.stopped_at))

_ANSWERED = (
    sa.select(
        *[LATENCIES.c[name] for name in Answered.__struct_fields__ if name in LATENCIES.c],
        sa.func.coalesce(TARGETS.c.urgency, "none").label("urgency"),
        sa.func.coalesce(TARGETS.c.outcome != "set_aside", sa.true()).label("needed"),
    )
    .outerjoin_from(
        LATENCIES,
        TARGETS,
        sa.and_(TARGETS.c.network == LATENCIES.c.network, TARGETS.c.post_id == LATENCIES.c.post_id),
    )
    .where(LATENCIES.c.how != sa.literal_column("'machine'"))
)
_KNOWN = sa.select(*[EXCHANGES.c[name] for name in Exchange.__struct_fields__])


async def answered(session: AsyncSession, conversations: Collection[str]) -> list[Answered]:
    """The messages of these conversations that a person of ours answered; one is there for each kind of answer."""
    if not conversations:
        return []
    statement, params = matching(session, LATENCIES, _ANSWERED, _ids(conversations))
    return [Answered(**row._mapping) for row in await session.execute(statement, params)]


async def keep_exchanges(
    session: AsyncSession, conversations: Collection[str], exchanges: Sequence[Exchange]
) -> list[Exchange]:
    """These are all exchanges of these conversations; returns those that are new."""
    if not conversations:
        return []
    statement, params = matching(session, EXCHANGES, _KNOWN, _ids(conversations))
    known = {_of(row): Exchange(*row) for row in await session.execute(statement, params)}
    wanted = {(each.network, each.own_post_id): each for each in exchanges}
    for network, own_post_id in sorted(known.keys() - wanted.keys()):  # seldom: an earlier answer came later
        gone = sa.and_(EXCHANGES.c.network == network, EXCHANGES.c.own_post_id == own_post_id)
        await session.execute(sa.delete(EXCHANGES).where(gone))
    changed = [asdict(wanted[key]) for key in sorted(wanted) if known.get(key) != wanted[key]]
    await bulk_insert(session, EXCHANGES, changed, on_conflict=_POST, update=_EXCHANGE_CHANGES)
    return [wanted[key] for key in sorted(wanted.keys() - known.keys())]


def _of(row: sa.Row[tuple[object, ...]]) -> tuple[str, str]:
    return row.network, row.own_post_id


def _ids(conversations: Collection[str]) -> list[dict[str, str]]:
    return [{"conversation_id": id_} for id_ in sorted(conversations)]


async def keep_posts(session: AsyncSession, answers: Sequence[MentionAnswered]) -> None:
    """Our posts that answer something, each once, in the conversation that it answered first."""
    rows = {
        (each.network, each.own_post_id): {
            "network": each.network,
            "own_post_id": each.own_post_id,
            "conversation_id": each.conversation_id,
            "answered_at": each.answered_at,
            "automatic": each.automatic,
        }
        for each in reversed(answers)
    }
    await bulk_insert(session, ANSWERING_POSTS, [rows[key] for key in sorted(rows)], on_conflict=_POST)


async def keep_ends(session: AsyncSession, ends: Sequence[WorkItemCompleted | WorkItemCanceled]) -> None:
    """How these items ended; the first word stays."""
    rows = {
        each.item_id: {"item_id": each.item_id, "reason": each.reason, "ended_at": each.occurred_at}
        for each in reversed(ends)
    }
    await bulk_insert(session, ITEM_ENDS, [rows[key] for key in sorted(rows)], on_conflict=["item_id"])


async def keep_clocks(session: AsyncSession, clocks: Sequence[ClockEnd]) -> None:
    """Count these clocks, each once: the earliest answer decides, and one in time makes even a breached one met."""
    breached: dict[tuple[str, str], ClockEnd] = {}
    stopped: dict[tuple[str, str], ClockEnd] = {}
    ends = [clock for clock in clocks if clock.stopped_at is not None]
    for clock in sorted(ends, key=lambda each: each.stopped_at or each.due_at):
        stopped.setdefault((clock.item_id, clock.kind), clock)
    for clock in clocks:
        breached.setdefault((clock.item_id, clock.kind), clock)
    missed = [asdict(breached[key]) for key in sorted(breached.keys() - stopped.keys())]
    await bulk_insert(session, CLOCKS, missed, on_conflict=_CLOCK)
    rows = [asdict(stopped[key]) for key in sorted(stopped)]
    await bulk_insert(session, CLOCKS, rows, on_conflict=_CLOCK, update=_CLOCK_CHANGES, where=_EARLIER)


class Opener(NamedTuple):
    """The oldest message of a work item, or of a conversation."""

    network: str
    handle: str
    language: str
    intent: str
    posted_at: datetime


_OPENERS = sa.select(TARGETS.c.conversation_id, TARGETS.c.item_id, *[TARGETS.c[name] for name in Opener._fields])


async def openers(session: AsyncSession, conversations: Collection[str]) -> dict[tuple[str, str], Opener]:
    """The oldest message of each of these conversations, under an empty item, and of each of their items."""
    if not conversations:
        return {}
    statement, params = matching(session, TARGETS, _OPENERS, _ids(conversations))
    found: dict[tuple[str, str], Opener] = {}
    for conversation, item, *rest in await session.execute(statement, params):
        opener = Opener(*rest)
        for key in {(conversation, item), (conversation, "")}:
            if key not in found or opener.posted_at < found[key].posted_at:
                found[key] = opener
    return found
