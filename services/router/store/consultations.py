"""Consultations: questions about a conversation to people who help and do not answer the customer."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.lists import Mark
from services.router.store.incident_tables import CONSULTATIONS
from services.router.store.items import of_teams, page


@dataclass(frozen=True, slots=True)
class Consultation:
    """`state`: open, answered or canceled; `asked`: who should answer."""

    id: str
    conversation_id: str
    team: str
    asked: str
    question: str
    asked_by: str
    asked_at: datetime
    state: str
    answer: str
    answered_by: str
    ended_at: datetime | None
    updated_at: datetime


_FIELDS = tuple(Consultation.__dataclass_fields__)
_CONSULTATIONS = sa.select(*[CONSULTATIONS.c[name] for name in _FIELDS])


async def add(session: AsyncSession, consultation: Consultation) -> None:
    """A question is asked."""
    await session.execute(sa.insert(CONSULTATIONS).values(asdict(consultation)))


async def end(
    session: AsyncSession, consultation: Consultation, state: str, *, answer: str, by: str, now: datetime
) -> Consultation:
    """An open one is answered or canceled; its conversation is locked."""
    after = replace(consultation, state=state, answer=answer, answered_by=by, ended_at=now, updated_at=now)
    await session.execute(sa.update(CONSULTATIONS).where(CONSULTATIONS.c.id == after.id).values(asdict(after)))
    return after


async def open_of(session: AsyncSession, conversation_id: str) -> int:
    """How many questions about a conversation nobody has answered."""
    wanted = sa.and_(CONSULTATIONS.c.conversation_id == conversation_id, CONSULTATIONS.c.state == "open")
    return int((await session.execute(sa.select(sa.func.count()).where(wanted))).scalar_one())


async def get(session: AsyncSession, id_: str, teams: Collection[str]) -> Consultation | None:
    """One question; None for a stranger's too."""
    statement = _CONSULTATIONS.where(CONSULTATIONS.c.id == id_, of_teams(CONSULTATIONS, teams))
    row = (await session.execute(statement)).one_or_none()
    return Consultation(*row) if row else None


async def list_consultations(
    session: AsyncSession,
    teams: Collection[str],
    *,
    state: str | None,
    asked: str | None,
    conversation_id: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> list[Consultation]:
    """Questions by (updated_at, id), one more than `limit` when there is more."""
    statement = _CONSULTATIONS.where(of_teams(CONSULTATIONS, teams))
    for column, wanted in (("state", state), ("asked", asked), ("conversation_id", conversation_id)):
        if wanted is not None:
            statement = statement.where(CONSULTATIONS.c[column] == wanted)
    statement = page(statement, CONSULTATIONS.c.updated_at, CONSULTATIONS.c.id, updated_after, after, limit)
    return [Consultation(*row) for row in await session.execute(statement)]
