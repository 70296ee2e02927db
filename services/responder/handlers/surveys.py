"""Surveys: scheduled when a conversation is resolved, sent when due, answered by what the customer says."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db, trace
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from libs.common.events import ConversationResolved, Event, MentionRouted
from services.responder.domain import surveys as rules_of
from services.responder.domain.eligibility import Means
from services.responder.domain.machines import text_of
from services.responder.domain.replies import Reply, Target, cancel
from services.responder.domain.rules import HandleRule
from services.responder.domain.surveys import Survey, Talk
from services.responder.domain.templates import Template
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.machines import EVERYBODY, outgoing
from services.responder.handlers.replies import Changes
from services.responder.store import machines, replies, rules, templates
from services.responder.store import surveys as store

log = structlog.get_logger()

TURN_SECONDS = 5.0
AT_ONCE = 100


@dataclass(frozen=True)
class Surveys:
    """Asks a customer once how it was, in private, and keeps what they say."""

    database: Database
    figures: Figures
    changes: Changes
    means: Means
    after: timedelta = rules_of.AFTER
    open_for: timedelta = rules_of.OPEN_FOR

    # --- what the router tells

    async def on_events(self, session: AsyncSession, events: Sequence[Event]) -> None:
        """In their order: a conversation is done, a customer rates, a customer says stop."""
        for event in events:
            if isinstance(event, ConversationResolved):
                await self._resolved(session, event)
            elif isinstance(event, MentionRouted) and event.rating:
                await self._rated(session, event)
            elif isinstance(event, MentionRouted) and event.stop:
                person = machines.Stop(event.network, event.author_id, event.handle, event.team, event.posted_at)
                await self.stop(session, person)

    async def stop(self, session: AsyncSession, person: machines.Stop) -> None:
        """No machine writes to this person any more."""
        await machines.stop(session, [person])
        now = await db.now(session)
        for survey in await store.waiting_for(session, person.network, person.author_id, person.handle):
            await self._keep(session, rules_of.suppressed(survey, "stop", now))

    async def _resolved(self, session: AsyncSession, event: ConversationResolved) -> None:
        rule = await rules.of_handle(session, event.network, event.handle)
        if not rule.survey:
            return
        now = await db.now(session)
        begun = await store.beginning(session, event.conversation_id)
        new = self._new(event, begun, now)
        talk = Talk(
            began_private=begun is not None and begun.private,
            private=event.private,
            incident=begun is not None and begun.incident,
            stopped=await self._stopped(session, new),
            cooling=await _cooling(session, new, rule, now),
            way=event.network in self.means.sendable and event.network in self.means.private,
        )
        if why := rules_of.why_not_asked(talk):
            new = rules_of.suppressed(new, why, now)
        known = await store.find(session, event.conversation_id, EVERYBODY, lock=True)
        after = rules_of.resolved(known, new)
        if after is not None:
            await self._keep(session, after)

    def _new(self, event: ConversationResolved, begun: store.Beginning | None, now: datetime) -> Survey:
        return Survey(
            conversation_id=event.conversation_id,
            network=event.network,
            handle=event.handle,
            author_id=event.author_id,
            team=event.team,
            queue=begun.queue if begun else "",
            language=event.language,
            intent=begun.intent if begun else "",
            agent=event.agent,
            key=event.key,
            state="scheduled",
            reason="",
            resolved_at=event.occurred_at,
            due_at=event.occurred_at + self.after,
            updated_at=now,
        )

    async def _rated(self, session: AsyncSession, event: MentionRouted) -> None:
        survey = await store.find(session, event.conversation_id, EVERYBODY, lock=True)
        if survey is None:
            return
        now = await db.now(session)
        if survey.state == "scheduled" and survey.reply_id:  # its message went out a moment ago
            survey = await self._followed(session, survey, now)
        answered = rules_of.rated(survey, event.rating, event.comment, event.posted_at, now)
        if answered is not None:
            await self._keep(session, answered)

    # --- what is due

    async def run(self, stop: asyncio.Event) -> None:
        """Look after what is due, until told to stop."""
        while not stop.is_set():
            try:
                await self.turn()
            except (Unavailable, Raced) as error:
                log.warning("surveys_wait", reason=str(error))
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Send what is due, see what became of what was sent, let the old ones expire."""
        async with self.database.read() as session:
            if not await store.anything_due(session, await db.now(session)):
                return
        async with self.database.begin() as session:
            now = await db.now(session)
            for survey in await store.take_due(session, now, AT_ONCE):
                if survey.state == "sent":
                    await self._keep(session, rules_of.expired(survey, now))
                elif survey.reply_id:
                    await self._followed(session, survey, now)
                else:
                    await self._send(session, survey, now)

    async def _followed(self, session: AsyncSession, survey: Survey, now: datetime) -> Survey:
        reply = await replies.find(session, survey.reply_id, EVERYBODY)
        after = rules_of.followed(survey, reply, self.open_for, now)
        await self._keep(session, after, told=after.state != survey.state)
        return after

    async def _send(self, session: AsyncSession, survey: Survey, now: datetime) -> None:
        if there := await store.message_of(session, survey.conversation_id):  # from before a restore
            await self._keep(session, rules_of.queued(survey, there, now), told=False)
            return
        made = await self._made(session, survey, now)
        if isinstance(made, str):
            await self._keep(session, rules_of.suppressed(survey, made, now))
            return
        await machines.add(session, [made])
        await self._keep(session, rules_of.queued(survey, made.id, now), told=False)
        after_commit(session, self.changes.work.set)

    async def _made(self, session: AsyncSession, survey: Survey, now: datetime) -> Reply | str:
        """Its message as it sets out, or why there is none."""
        rule = await rules.of_handle(session, survey.network, survey.handle)
        if not rule.survey:
            return "off"
        again = await machines.wrote_since(session, survey.conversation_id, survey.resolved_at)
        stopped = await self._stopped(session, survey)
        cooling = await _cooling(session, survey, rule, now)
        if why := rules_of.why_not_sent(survey, wrote_again=again, stopped=stopped, cooling=cooling, now=now):
            return why
        target = await store.latest_private(session, survey.conversation_id)
        template = await templates.latest(session, rule.survey, EVERYBODY)
        text = _text(template, survey, target)
        if target is None or template is None or not text:
            return "no_text"
        return outgoing(target, "survey", template, text, now, trace.traceparent())

    async def _stopped(self, session: AsyncSession, survey: Survey) -> bool:
        return bool(await machines.stopped(session, {(survey.network, survey.author_id, survey.handle)}))

    # --- what a person decides

    async def cancel(
        self, session: AsyncSession, conversation_id: str, teams: Collection[str]
    ) -> tuple[Survey | None, bool]:
        """The survey as it is now (None: there is none), and whether it will not be sent."""
        survey = await store.find(session, conversation_id, teams, lock=True)
        if survey is None or survey.state == "suppressed":
            return survey, survey is not None
        now = await db.now(session)
        if survey.state != "scheduled" or not await self._taken_back(session, survey, now):
            return survey, False
        canceled = rules_of.suppressed(survey, "canceled", now)
        await self._keep(session, canceled)
        return canceled, True

    async def _taken_back(self, session: AsyncSession, survey: Survey, now: datetime) -> bool:
        """Whether its message, if there is one, will not go out."""
        reply = await replies.find(session, survey.reply_id, EVERYBODY, lock=True) if survey.reply_id else None
        if reply is None or reply.state in ("canceled", "refused"):
            return True
        canceled = cancel(reply, now, "canceled")
        if canceled is None:
            return False
        await replies.save(session, [canceled])
        after_commit(session, lambda: self.changes.changed(canceled.id))
        return True

    async def _keep(self, session: AsyncSession, survey: Survey, *, told: bool = True) -> None:
        await store.keep(session, survey)
        if told:
            after_commit(session, lambda: self.figures.survey(survey.state))


def _text(template: Template | None, survey: Survey, target: Target | None) -> str:
    if template is None or not template.texts or target is None:
        return ""
    return text_of(template, survey.language, target)


async def _cooling(session: AsyncSession, survey: Survey, rule: HandleRule, now: datetime) -> bool:
    asked_at = await store.asked_at(session, survey.network, survey.author_id, survey.handle)
    return rules_of.cooling(asked_at, rule.survey_cooldown_days, now)
