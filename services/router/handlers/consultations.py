"""Asking somebody who helps: the conversation is on hold until the last question is answered."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import ConsultationAnswered, ConsultationAsked, derived_id
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.handlers.desk import unknown
from services.router.ids import typed_id
from services.router.store import consultations as store
from services.router.store.consultations import Consultation, Talk

_OVER = ("resolved", "closed", "dismissed")


async def ask(
    session: AsyncSession, conversation_id: str, *, to: str, question: str, by: str, teams: Collection[str]
) -> Consultation:
    """Ask; an open conversation is on hold from now on. The time to its first response goes on.

    Raises:
        Problem: 404 for an unknown conversation, 409 for one that is over.
    """
    talk = await _talk(session, conversation_id, teams)
    if talk.state in _OVER:
        raise Problem(
            409, "conversation-over", "This conversation is over", f"{talk.id} is {talk.state}.",
            "A further message of the customer opens it again.", state=talk.state,
        )  # fmt: skip
    now = await db.now(session)
    consultation = Consultation(
        id=typed_id("con", now, talk.id, to, question, by),
        conversation_id=talk.id,
        team=talk.team,
        asked=to,
        question=question,
        asked_by=by,
        asked_at=now,
        state="open",
        answer="",
        answered_by="",
        ended_at=None,
        updated_at=now,
    )
    await store.add(session, consultation)
    if talk.state == "open":
        await store.set_state(session, talk, "on_hold", now)
    event = ConsultationAsked(
        event_id=derived_id(consultation.id, ConsultationAsked.type, ""),
        occurred_at=now,
        key=talk.key,
        traceparent=traceparent(),
        consultation_id=consultation.id,
        conversation_id=talk.id,
        to=to,
        by=by,
        team=talk.team,
    )
    emit(session, [event])
    return consultation


async def answer(session: AsyncSession, id_: str, *, text: str, by: str, teams: Collection[str]) -> Consultation:
    """Answer; with the last answer the conversation is open again.

    Raises:
        Problem: 404; 409 for one that is answered or canceled.
    """
    talk, consultation = await _open(session, id_, teams)
    now = await db.now(session)
    after = await store.end(session, consultation, "answered", answer=text, by=by, now=now)
    await _go_on(session, talk)
    event = ConsultationAnswered(
        event_id=derived_id(after.id, ConsultationAnswered.type, ""),
        occurred_at=now,
        key=talk.key,
        traceparent=traceparent(),
        consultation_id=after.id,
        conversation_id=talk.id,
        to=after.asked,
        by=by,
        team=talk.team,
    )
    emit(session, [event])
    return after


async def cancel(session: AsyncSession, id_: str, *, by: str, teams: Collection[str]) -> Consultation:
    """Nobody needs the answer any more.

    Raises:
        Problem: 404; 409 for one that is answered or canceled.
    """
    talk, consultation = await _open(session, id_, teams)
    now = await db.now(session)
    after = await store.end(session, consultation, "canceled", answer="", by=by, now=now)
    await _go_on(session, talk)
    return after


async def known(session: AsyncSession, id_: str, teams: Collection[str]) -> Consultation:
    """One question.

    Raises:
        Problem: 404.
    """
    found = await store.get(session, id_, teams)
    if found is None:
        raise unknown("consultation", id_, "GET /v1/consultations lists them.")
    return found


async def _talk(session: AsyncSession, conversation_id: str, teams: Collection[str]) -> Talk:
    talk = await store.lock_conversation(session, conversation_id, teams)
    if talk is None:
        raise unknown("conversation", conversation_id, "GET /v1/conversations lists them.")
    return talk


async def _open(session: AsyncSession, id_: str, teams: Collection[str]) -> tuple[Talk, Consultation]:
    """An open question, after its conversation is locked."""
    talk = await _talk(session, (await known(session, id_, teams)).conversation_id, {"*"})
    found = await known(session, id_, teams)
    if found.state != "open":
        raise Problem(
            409, "consultation-over", "This question is not open any more", f"{id_} is {found.state}.",
            "Ask a new one: POST /v1/consultations.", state=found.state,
        )  # fmt: skip
    return talk, found


async def _go_on(session: AsyncSession, talk: Talk) -> None:
    """A conversation that was held for nothing else is open again; one that went on by itself stays as it is."""
    if talk.state == "on_hold" and not await store.open_of(session, talk.id):
        await store.set_state(session, talk, "open", await db.now(session))
