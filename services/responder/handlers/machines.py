"""The automatic acknowledgement: written once a conversation, where it is allowed; and what a machine must not send."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import MentionRouted
from services.responder.domain.eligibility import Means
from services.responder.domain.machines import (
    ACKNOWLEDGE_WITHIN,
    Known,
    message,
    text_of,
    why_no_acknowledgement,
    why_no_more,
)
from services.responder.domain.replies import MACHINE, Accepted, Reply, Target, begin, cancel, reply_id
from services.responder.domain.rules import HandleRule
from services.responder.domain.templates import Template
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.replies import Changes
from services.responder.store import machines as store
from services.responder.store import rules, templates

EVERYBODY = frozenset({"*"})


@dataclass(frozen=True)
class Machines:
    """Says at once that a message has come in, where the handle's rule asks for it."""

    figures: Figures
    changes: Changes
    means: Means
    within: timedelta = ACKNOWLEDGE_WITHIN

    async def acknowledge(self, session: AsyncSession, opened: Sequence[tuple[MentionRouted, Target]]) -> None:
        """Queue an acknowledgement for each conversation that may have one and has none.

        Raises:
            Raced: another process does the same at the same moment.
        """
        if not opened:
            return
        handles = await rules.of_handles(session, {(target.network, target.handle) for _, target in opened})
        on = {key: rule for key, rule in handles.items() if rule.acknowledgement}
        asked = [each for each in opened if (each[1].network, each[1].handle) in on]
        if not asked:
            return
        gone = await store.deleted(session, {(target.network, target.post_id) for _, target in asked})
        asked = [each for each in asked if (each[1].network, each[1].post_id) not in gone]
        now = await db.now(session)
        known = await _known(session, [target for _, target in asked], now)
        texts = {slug: await _template(session, slug) for slug in {rule.acknowledgement for rule in on.values()}}
        written: dict[str, Reply] = {}
        for event, target in sorted(asked, key=lambda each: (each[1].posted_at, each[1].post_id)):
            if target.conversation_id in written:
                continue
            rule = on[target.network, target.handle]
            made = self._made(event, target, rule, known[target.conversation_id], texts[rule.acknowledgement])
            outcome = made if isinstance(made, str) else "queued"
            after_commit(session, lambda outcome=outcome: self.figures.acknowledged(outcome))  # type: ignore[misc]
            if isinstance(made, Reply):
                written[target.conversation_id] = made
        if written:
            await store.add(session, sorted(written.values(), key=lambda each: each.id))
            after_commit(session, self.changes.work.set)

    def _made(
        self, event: MentionRouted, target: Target, rule: HandleRule, known: Known, template: Template | None
    ) -> Reply | str:
        """The message as it sets out, or why there is none."""
        if why := why_no_acknowledgement(target, rule, known, self.means, within=self.within):
            return why
        text = text_of(template, target.language, target) if template else ""
        if template is None or not text:
            return "no_text"
        return outgoing(target, "automatic", template, text, known.now, event.traceparent)


def outgoing(
    target: Target, kind: Literal["automatic", "survey"], template: Template, text: str, now: datetime, traceparent: str
) -> Reply:
    """A machine's message, queued; nobody reads it first, and nobody takes it back."""
    draft = message(target, kind, template, text, reply_id(now, secrets.token_bytes(10)), now, traceparent)
    return begin(draft, Accepted("queued"), target.urgency, now, timedelta())


async def sift(
    session: AsyncSession, queued: Sequence[Reply], now: datetime, within: timedelta = ACKNOWLEDGE_WITHIN
) -> tuple[list[Reply], list[Reply]]:
    """Of replies about to be sent, those that go, and what a machine must not send any more, canceled; not saved yet.

    Args:
        queued: locked.
    """
    goes: list[Reply] = []
    dropped: list[Reply] = []
    for reply in queued:
        why = await _why_dropped(session, reply, now, within) if reply.kind in MACHINE else ""
        canceled = cancel(reply, now, why) if why else None
        if canceled:
            dropped.append(canceled)
        else:
            goes.append(reply)
    return goes, dropped


async def _why_dropped(session: AsyncSession, reply: Reply, now: datetime, within: timedelta) -> str:
    person = (reply.network, reply.author_id, reply.handle)
    known = Known(
        now,
        stopped=bool(await store.stopped(session, {person})),
        answered=bool(await store.answered(session, {reply.conversation_id})),
    )
    again = await store.wrote_since(session, reply.conversation_id, reply.created_at)
    return why_no_more(reply, known, wrote_again=again, within=within)


async def _known(session: AsyncSession, targets: Sequence[Target], now: datetime) -> dict[str, Known]:
    """By conversation."""
    of = {target.conversation_id: (target.network, target.author_id, target.handle) for target in targets}
    stopped = await store.stopped(session, set(of.values()))
    written = await store.acknowledged(session, of)
    answered = await store.answered(session, of)
    return {id_: Known(now, person in stopped, id_ in written, id_ in answered) for id_, person in of.items()}


async def _template(session: AsyncSession, slug: str) -> Template | None:
    found = await templates.latest(session, slug, EVERYBODY)
    return found if found is not None and found.texts else None
