"""Asking somebody who helps: the conversation is on hold until the last question is answered."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import ConsultationAnswered, ConsultationAsked, derived_id
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain import consulting
from services.router.domain.conversations import After
from services.router.domain.words import HELD_STATES
from services.router.handlers.conversations import By, Scene, locked
from services.router.handlers.desk import unknown
from services.router.handlers.ledger import Ledger
from services.router.ids import typed_id
from services.router.store import consultations as store
from services.router.store.consultations import Consultation
from services.router.store.setup import Setups


@dataclass(frozen=True)
class Consultations:
    """Questions, their answers, and what becomes of the conversation."""

    setups: Setups

    async def ask(
        self, session: AsyncSession, conversation_id: str, *, to: str, question: str, by: str, caller: By
    ) -> Consultation:
        """Ask; an open conversation is on hold from now on. The time to its first response goes on.

        Raises:
            Problem: 404 for an unknown conversation, 409 for one that is over.
        """
        scene = await locked(session, self.setups, conversation_id, caller)
        talk, now = scene.talk, scene.now
        if talk.state in consulting.OVER:
            raise Problem(
                409, "conversation-over", "This conversation is over", f"{talk.id} is {talk.state}.",
                "Reopen it first; a further message of the customer does that too.", state=talk.state,
            )  # fmt: skip
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
        await _keep(session, scene, consulting.asked(talk, scene.setup, now), "consulted", caller)
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

    async def answer(self, session: AsyncSession, id_: str, *, text: str, by: str, caller: By) -> Consultation:
        """Answer; with the last answer the conversation goes on.

        Raises:
            Problem: 404; 409 for one that is answered or canceled.
        """
        scene, consultation = await self._open(session, id_, caller)
        after = await store.end(session, consultation, "answered", answer=text, by=by, now=scene.now)
        await self._go_on(session, scene, "consultation_answered", caller)
        event = ConsultationAnswered(
            event_id=derived_id(after.id, ConsultationAnswered.type, ""),
            occurred_at=scene.now,
            key=scene.talk.key,
            traceparent=traceparent(),
            consultation_id=after.id,
            conversation_id=scene.talk.id,
            to=after.asked,
            by=by,
            team=scene.talk.team,
        )
        emit(session, [event])
        return after

    async def cancel(self, session: AsyncSession, id_: str, *, by: str, caller: By) -> Consultation:
        """Nobody needs the answer any more.

        Raises:
            Problem: 404; 409 for one that is answered or canceled.
        """
        scene, consultation = await self._open(session, id_, caller)
        after = await store.end(session, consultation, "canceled", answer="", by=by, now=scene.now)
        await self._go_on(session, scene, "consultation_canceled", caller)
        return after

    async def _open(self, session: AsyncSession, id_: str, caller: By) -> tuple[Scene, Consultation]:
        """An open question, after its conversation is locked. Whoever sees the question may answer it."""
        seen = await known(session, id_, caller.teams)
        scene = await locked(session, self.setups, seen.conversation_id, By({"*"}, caller.actor))
        found = await known(session, id_, caller.teams)
        if found.state != "open":
            raise Problem(
                409, "consultation-over", "This question is not open any more", f"{id_} is {found.state}.",
                "Ask a new one: POST /v1/consultations.", state=found.state,
            )  # fmt: skip
        return scene, found

    async def _go_on(self, session: AsyncSession, scene: Scene, reason: str, caller: By) -> None:
        still_open = await store.open_of(session, scene.talk.id)
        after = consulting.over(scene.talk, still_open, scene.setup, scene.now, has_room=scene.has_room)
        await _keep(session, scene, after, reason, caller)


async def known(session: AsyncSession, id_: str, teams: Collection[str]) -> Consultation:
    """One question.

    Raises:
        Problem: 404.
    """
    found = await store.get(session, id_, teams)
    if found is None:
        raise unknown("consultation", id_, "GET /v1/consultations lists them.")
    return found


async def _keep(session: AsyncSession, scene: Scene, after: After | None, reason: str, caller: By) -> None:
    if after is None:
        return
    ledger = Ledger(scene.now, caller.actor)
    ledger.talk(scene.talk, after.talk, reason)
    if after.item is not None and scene.talk.item is not None:
        why = reason if after.item.state in HELD_STATES else "agent_not_there"
        ledger.item(scene.talk.item, after.item, scene.talk.key, why)
    await ledger.write(session)
