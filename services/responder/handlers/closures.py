"""Public closures: suggested by what the router tells, posted or skipped by a person."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from services.responder.domain import closures as rules_of
from services.responder.domain.closures import Closure, NotNow
from services.responder.domain.eligibility import Means, can_reply
from services.responder.domain.replies import MACHINE, Reply, Target, cancel
from services.responder.domain.templates import render
from services.responder.handlers.replies import NoTemplate, NotThere, Refusal, Replies, Wish
from services.responder.store import closures as store
from services.responder.store import mentions, replies, rules, templates

EVERYBODY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody wants to close with: a text, or a template that needs nothing filled in."""

    text: str
    template: str
    agent: str
    created_by: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not be posted at this moment."""

    closure: Closure
    why: NotNow
    words: str  # for a person


@dataclass(frozen=True, slots=True)
class Unfilled:
    """These fields of the template only a person can fill in."""

    missing: tuple[str, ...]
    text: str


_WHY: dict[NotNow, str] = {
    "skipped": "it was skipped: {reason}",
    "posted": "it is posted, as {reply_id}",
    "being_posted": "{reply_id} is on its way, or in a person's hands",
    "too_late": "the customer confirmed more than 48 hours ago",
    "deleted": "the public post was deleted",
    "cannot_reply": "the public post cannot be answered from here",
}


@dataclass(frozen=True)
class Closures:
    """The use cases. Each runs in the caller's transaction."""

    means: Means
    replies: Replies | None = None  # without it nothing can be posted

    async def on_routed(self, session: AsyncSession, messages: Sequence[Target]) -> None:
        """Suggest what customers confirmed; take back what no longer fits.

        Raises:
            Raced: a person decided about one of them at the same moment.
        """
        known = await store.of_conversations(session, {message.conversation_id for message in messages})
        if not known and not any(map(rules_of.confirms, messages)):
            return
        now = await db.now(session)
        for message in sorted(messages, key=lambda each: (each.posted_at, each.post_id)):
            before = known.get(message.conversation_id)
            after = rules_of.after(before, message, now) if before else None
            if after is not None and before is not None and not await self._taken_back(session, before, now):
                continue
            if after is None and rules_of.confirms(message):
                after = await self._suggested(session, message, before, now)
            if after is not None:
                known[message.conversation_id] = after
                await store.save(session, [after])

    async def post(
        self, session: AsyncSession, closure: Closure, words: Words, teams: Collection[str]
    ) -> Reply | Refusal | Refused | Unfilled:
        """A reply to the public post on its way.

        Args:
            closure: as `store.find` gave it, locked.

        Raises:
            Raced: the post got another reply at the same moment.
        """
        assert self.replies is not None
        now = await db.now(session)
        if refused := await self._refused(session, closure, now):
            return refused
        text = words.text
        if not text:
            rendered = await self._rendered(session, closure, words, teams)
            if not isinstance(rendered, str):
                return rendered
            text = rendered
        live = await replies.live_replies(session, closure.network, closure.post_id)
        ours = [reply.id for reply in live if reply.kind not in MACHINE]
        wish = Wish(
            network=closure.network,
            post_id=closure.post_id,
            text=text,
            agent=words.agent,
            item_id="",
            follow_up_of=ours[-1] if ours else "",
            created_by=words.created_by,
            kind="closure",
            template=words.template,
        )
        reply = await self.replies.ask(session, wish, teams)
        if isinstance(reply, Reply):
            await store.save(session, [rules_of.begin(closure, reply, words.agent or words.created_by, now)])
        return reply

    async def skip(self, session: AsyncSession, closure: Closure, reason: str, by: str) -> Closure | Refused:
        """Not to be posted; what waits to be sent is taken back. Twice is the same as once.

        Args:
            closure: as `store.find` gave it, locked.
        """
        now = await db.now(session)
        if closure.state == "skipped":
            return closure
        if closure.state == "posted":
            return _refused(closure, "posted")
        if not await self._taken_back(session, closure, now):
            return _refused(closure, "being_posted")
        skipped = rules_of.skip(closure, reason, by, now)
        await store.save(session, [skipped])
        return skipped

    async def _refused(self, session: AsyncSession, closure: Closure, now: datetime) -> Refused | None:
        began = await mentions.target(session, closure.network, closure.post_id, EVERYBODY, lock=True)
        reply = await replies.find(session, closure.reply_id, EVERYBODY) if closure.reply_id else None
        verdict = can_reply(began, self.means) if began else None
        why = rules_of.why_not(closure, began, verdict, reply, now)
        return _refused(closure, why) if why else None

    async def _suggested(
        self, session: AsyncSession, message: Target, known: Closure | None, now: datetime
    ) -> Closure | None:
        began = await mentions.first_of(session, message.conversation_id)
        if began is None:
            return None
        said = await store.last_said(session, message.conversation_id, message.posted_at)
        return rules_of.suggest(message, began, said, can_reply(began, self.means), known, now)

    async def _taken_back(self, session: AsyncSession, closure: Closure, now: datetime) -> bool:
        """Whether its reply, if there is one, does not go out, or not any more."""
        reply = await replies.find(session, closure.reply_id, EVERYBODY, lock=True) if closure.reply_id else None
        if reply is None or reply.state in ("refused", "canceled"):
            return True
        canceled = cancel(reply, now, "the closure was skipped")
        if canceled is None:
            return False
        await replies.save(session, [canceled])
        if self.replies is not None:
            self.replies.was_taken_back(session, canceled)
        return True

    async def _rendered(
        self, session: AsyncSession, closure: Closure, words: Words, teams: Collection[str]
    ) -> str | NotThere | NoTemplate | Unfilled:
        slug, _, number = words.template.partition("@")
        template = await templates.latest(session, slug, teams, version=int(number) if number else None)
        if template is None or not template.texts:
            return NoTemplate()
        began = await mentions.target(session, closure.network, closure.post_id, teams)
        if began is None:
            return NotThere()
        agent = await rules.of_agent(session, words.agent)
        values = {
            "author": f"@{began.author_username}" if began.author_username else "",
            "handle": f"@{began.handle}",
            "agent": words.agent,
            "initials": agent.initials,
        }
        rendered = render(template, began.language, values)
        return Unfilled(rendered.missing, rendered.text) if rendered.missing else rendered.text


def _refused(closure: Closure, why: NotNow) -> Refused:
    return Refused(closure, why, _WHY[why].format(reason=closure.reason, reply_id=closure.reply_id))
