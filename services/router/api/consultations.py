"""Consultations over REST: who helps answers here, with whatever tool they have."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.idempotency import OptionalKey
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from services.router.api.conversation_shapes import once
from services.router.api.mentions import Cursor, UpdatedAfter
from services.router.handlers.consultations import Consultations, known
from services.router.handlers.conversations import By
from services.router.store import consultations as store
from services.router.store.consultations import Consultation

Who = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]


class ConsultationIn(BaseModel):
    """A question about a conversation to somebody who does not answer the customer."""

    model_config = ConfigDict(extra="forbid")

    conversation_id: str = Field(min_length=1, max_length=100)
    to: Who = Field(description="A person, a team or a tool of yours; a procedure's `ask` names some")
    question: Text
    by: Who = Field(description="Who asks")


class AnswerIn(BaseModel):
    """What the agent may tell, or do."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    by: Who = Field(description="Who answers")


class CancelIn(BaseModel):
    """Who needs no answer any more."""

    model_config = ConfigDict(extra="forbid")

    by: Who


class ConsultationOut(BaseModel):
    """A question, and its answer once there is one."""

    id: str
    conversation_id: str
    team: str
    to: str
    question: str
    by: str
    asked_at: datetime
    state: Literal["open", "answered", "canceled"]
    answer: str | None
    answered_by: str | None
    ended_at: datetime | None
    updated_at: datetime


def routes(database: Database, handler: Consultations) -> APIRouter:
    """The consultations' routes."""
    router = APIRouter(prefix="/v1/consultations", tags=["consultations"])
    reads, writes = needs("mentions:read"), needs("conversations:write")

    @router.post("", status_code=201, response_model=ConsultationOut)
    async def ask(
        body: ConsultationIn, request: Request, caller: Annotated[Caller, writes], key: OptionalKey
    ) -> Response:
        """Ask. The conversation is on hold until the last question about it is answered; the first response is not."""

        async def work(session: AsyncSession) -> ConsultationOut:
            asked = await handler.ask(
                session, body.conversation_id, to=body.to, question=body.question, by=body.by, caller=_by(caller)
            )
            return _out(asked)

        return await once(database, request, caller, key, 201, work, location="/v1/consultations/{id}")

    @router.get("")
    async def list_consultations(
        caller: Annotated[Caller, reads],
        state: Literal["open", "answered", "canceled"] | None = None,
        to: Annotated[str | None, Query(max_length=200, description="Who is asked")] = None,
        conversation_id: Annotated[str | None, Query(max_length=100)] = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[ConsultationOut]:
        """Questions by the time they last changed: `?state=open&to=billing` is what billing has to answer."""
        async with database.read() as session:
            rows = await store.list_consultations(
                session, caller.teams, state=state, asked=to, conversation_id=conversation_id,
                updated_after=updated_after, after=decode_cursor(cursor), limit=limit,
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda row: (row.updated_at, row.id))
        return Page(items=[_out(row) for row in page], next_cursor=next_cursor)

    @router.get("/{consultation_id}")
    async def get_consultation(consultation_id: str, caller: Annotated[Caller, reads]) -> ConsultationOut:
        """One question."""
        async with database.read() as session:
            return _out(await known(session, consultation_id, caller.teams))

    @router.post("/{consultation_id}/answer")
    async def answer(consultation_id: str, body: AnswerIn, caller: Annotated[Caller, writes]) -> ConsultationOut:
        """Answer. With the last answer the conversation is open again."""
        return _out(
            await database.write(
                lambda session: handler.answer(session, consultation_id, text=body.text, by=body.by, caller=_by(caller))
            )
        )

    @router.post("/{consultation_id}/cancel")
    async def cancel(consultation_id: str, body: CancelIn, caller: Annotated[Caller, writes]) -> ConsultationOut:
        """Nobody needs the answer any more."""
        return _out(
            await database.write(
                lambda session: handler.cancel(session, consultation_id, by=body.by, caller=_by(caller))
            )
        )

    return router


def _by(caller: Caller) -> By:
    return By(caller.teams, caller.key_id)


def _out(row: Consultation) -> ConsultationOut:
    return ConsultationOut(
        id=row.id,
        conversation_id=row.conversation_id,
        team=row.team,
        to=row.asked,
        question=row.question,
        by=row.asked_by,
        asked_at=row.asked_at,
        state=row.state,  # type: ignore[arg-type]
        answer=row.answer or None,
        answered_by=row.answered_by or None,
        ended_at=row.ended_at,
        updated_at=row.updated_at,
    )
