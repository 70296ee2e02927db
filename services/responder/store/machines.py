"""What is asked before a machine writes: who wants none, where one wrote already, and where a person answered."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert, matching
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.responder.domain.replies import LIVE, MACHINE, Reply
from services.responder.store.mentions import visible
from services.responder.store.tables import LATENCIES, REPLIES, STOPS, TARGETS

Person = tuple[str, str, str]
"""Network, author's id, handle."""

_PERSON = ("network", "author_id", "handle")
_BY_MACHINES = REPLIES.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in MACHINE])
_STOPPED = sa.select(*[STOPS.c[name] for name in _PERSON])
_WRITTEN = sa.select(REPLIES.c.conversation_id).where(REPLIES.c.kind == sa.literal_column("'automatic'"))
_BY_PERSONS = sa.select(REPLIES.c.conversation_id).where(REPLIES.c.state.in_(LIVE), sa.not_(_BY_MACHINES))
_DELETED = sa.select(TARGETS.c.network, TARGETS.c.post_id).where(TARGETS.c.outcome == sa.literal_column("'deleted'"))
_ANSWERED = sa.select(LATENCIES.c.conversation_id).where(LATENCIES.c.how != sa.literal_column("'machine'"))


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody who wants no more messages that a machine writes, from this handle."""

    network: str
    author_id: str
    handle: str
    team: str
    stopped_at: datetime


async def stopped(session: AsyncSession, people: Collection[Person]) -> set[Person]:
    """Those of them who want no message of a machine."""
    if not people:
        return set()
    keys = [dict(zip(_PERSON, person, strict=True)) for person in sorted(people)]
    statement, params = matching(session, STOPS, _STOPPED, keys)
    return {(row.network, row.author_id, row.handle) for row in await session.execute(statement, params)}


async def stop(session: AsyncSession, stops: Sequence[Stop]) -> None:
    """Keep that these people want none; who said so before stays as they are."""
    rows = {(each.network, each.author_id, each.handle): asdict(each) for each in reversed(stops)}
    await bulk_insert(session, STOPS, [rows[key] for key in sorted(rows)], on_conflict=_PERSON)


async def go_on(session: AsyncSession, person: Person, teams: Collection[str]) -> bool:
    """Whether this person had said stop, and is written to again from now on."""
    network, author_id, handle = person
    same = (STOPS.c.network == network, STOPS.c.author_id == author_id, STOPS.c.handle == handle)
    gone = sa.delete(STOPS).where(*same, visible(STOPS.c.team, teams)).returning(STOPS.c.handle)
    return (await session.execute(gone)).scalar() is not None


def who(stop: Stop) -> str:
    """In which order those stand who said so at the same moment."""
    return f"{stop.network} {stop.author_id} {stop.handle}"


async def page(session: AsyncSession, teams: Collection[str], *, after: Mark | None, most: int) -> list[Stop]:
    """At most so many, in the order in which they said so."""
    moment, person = STOPS.c.stopped_at, STOPS.c.network + " " + STOPS.c.author_id + " " + STOPS.c.handle
    question = sa.select(STOPS).where(visible(STOPS.c.team, teams))
    if after is not None:
        at = sa.literal(after[0], moment.type)
        question = question.where(sa.tuple_(moment, person) > sa.tuple_(at, sa.literal(after[1])))
    rows = await session.execute(question.order_by(moment, person).limit(most))
    return [Stop(**row._mapping) for row in rows]


async def acknowledged(session: AsyncSession, conversations: Collection[str]) -> set[str]:
    """Those in which a machine has acknowledged, whatever became of that."""
    return await _of_these(session, REPLIES, _WRITTEN, conversations)


async def answered(session: AsyncSession, conversations: Collection[str]) -> set[str]:
    """Those in which a person of ours answered, or has an answer on its way."""
    by_post = await _of_these(session, LATENCIES, _ANSWERED, conversations)
    return by_post | await _of_these(session, REPLIES, _BY_PERSONS, conversations)


async def _of_these(
    session: AsyncSession, table: sa.Table, question: sa.Select[tuple[str]], conversations: Collection[str]
) -> set[str]:
    if not conversations:
        return set()
    keys = [{"conversation_id": id_} for id_ in sorted(conversations)]
    statement, params = matching(session, table, question, keys)
    return {row.conversation_id for row in await session.execute(statement, params)}


async def deleted(session: AsyncSession, mentions: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these mentions (network, post id) that are gone."""
    if not mentions:
        return set()
    keys = [{"network": network, "post_id": post_id} for network, post_id in sorted(mentions)]
    statement, params = matching(session, TARGETS, _DELETED, keys)
    return {(row.network, row.post_id) for row in await session.execute(statement, params)}


async def wrote_since(session: AsyncSession, conversation_id: str, moment: datetime) -> bool:
    """Whether we heard of something that the customer wrote in this conversation after that."""
    heard = sa.exists().where(
        TARGETS.c.conversation_id == conversation_id,
        TARGETS.c.routed_at > moment,
        TARGETS.c.outcome != sa.literal_column("'deleted'"),
    )
    return bool((await session.execute(sa.select(heard))).scalar())


async def add(session: AsyncSession, messages: Sequence[Reply]) -> None:
    """Keep what a machine will send.

    Raises:
        Raced: another process keeps one for the same conversation at the same moment.
    """
    try:
        await bulk_insert(session, REPLIES, [asdict(each) for each in messages])
    except IntegrityError as error:
        raise Raced("a machine's message is kept for this conversation already") from error
