"""A person's side of a reply: ask for one, take it back, wait for what becomes of it."""

import asyncio
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db, trace
from libs.common.db import Database
from libs.common.errors import Raced
from services.responder.domain.deletions import Gone
from services.responder.domain.eligibility import Means, can_reply
from services.responder.domain.freshness import WentOn, went_on
from services.responder.domain.latency import network_time
from services.responder.domain.length import Limits, TooLong, too_long
from services.responder.domain.personal import personal_data
from services.responder.domain.posting import Pace
from services.responder.domain.replies import (
    FINAL,
    MACHINE,
    Accepted,
    Kind,
    NothingToFollow,
    Reply,
    Taken,
    Target,
    accept,
    approve,
    begin,
    cancel,
    look_now,
    posted_by_hand,
    reply_id,
)
from services.responder.domain.rules import why_approval
from services.responder.domain.templates import Template, signed, warnings_about
from services.responder.handlers.deletions import gone
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.told import tell
from services.responder.store import holders, mentions, rules, templates
from services.responder.store import replies as store
from services.responder.store.holders import Holder

POLL_SECONDS = 0.5  # for what another replica does


class Changes:
    """Who in this process waits for what: the sender for something to do, a request for its reply."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def changed(self, id_: str) -> None:
        """This reply is not what it was."""
        for waiting in self._waiting.get(id_, ()):
            waiting.set()

    @contextmanager
    def of(self, id_: str) -> Iterator[asyncio.Event]:
        """An event that is set when the reply changes."""
        changed = asyncio.Event()
        self._waiting.setdefault(id_, set()).add(changed)
        try:
            yield changed
        finally:
            self._waiting[id_].discard(changed)
            if not self._waiting[id_]:
                del self._waiting[id_]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to answer. `text` is one no network refuses by itself (`wrong_with`)."""

    network: str
    post_id: str
    text: str
    agent: str
    item_id: str
    follow_up_of: str
    created_by: str
    kind: Kind = "reply"
    promise_seconds: int = 0
    based_on_version: int | None = None  # of the conversation, as the writer saw it; None: they do not say
    template: str = ""
    draft: bool = False
    take_over: bool = False  # whoever else has the conversation in hand


@dataclass(frozen=True, slots=True)
class Held:
    """Another agent has the conversation in hand."""

    by: Holder


@dataclass(frozen=True, slots=True)
class NotThere:
    """No such mention, or none these teams may see."""


@dataclass(frozen=True, slots=True)
class NoTemplate:
    """No such template, or none these teams may see."""


Refusal = Taken | NothingToFollow | NotThere | NoTemplate | WentOn | Gone | Held | TooLong


@dataclass(frozen=True)
class Replies:
    """The use cases. Each runs in the caller's transaction."""

    database: Database
    changes: Changes
    figures: Figures
    means: Means
    limits: Limits
    undo: timedelta = timedelta()  # how long what is queued can be taken back for sure

    async def ask(self, session: AsyncSession, wish: Wish, teams: Collection[str]) -> Reply | Refusal:
        """Keep a new reply or draft; a reply is on its way when the transaction commits.

        Where the conversation went on meanwhile, the text is kept as a draft, and the caller commits that.

        Raises:
            Raced: the mention got another reply at the same moment.
        """
        now = await db.now(session)
        target = await self._target(session, wish.network, wish.post_id, wish.based_on_version, teams)
        if target is None:
            return NotThere()
        if target.outcome == "deleted":
            return await gone(session, target)
        label = await self._template(session, wish.template, teams)
        if label is None:
            return NoTemplate()
        draft = Reply(
            id=reply_id(now, secrets.token_bytes(10)),
            state="draft",
            text=wish.text,
            agent=wish.agent,
            item_id=wish.item_id or target.item_id,
            follow_up_of=wish.follow_up_of,
            created_by=wish.created_by,
            created_at=now,
            updated_at=now,
            not_before=now,
            traceparent=trace.traceparent(),
            kind=wish.kind,
            promise_seconds=wish.promise_seconds,
            template=label,
            **_of(target),
        )
        if wish.draft:
            await store.add(session, draft)
            return draft
        begun = await self._begun(session, draft, target, wish.based_on_version, teams, now, wish.take_over)
        if isinstance(begun, WentOn):
            kept = await store.same_draft(session, draft)
            if kept is None:
                await store.add(session, draft)
            return replace(begun, draft=kept or draft)
        if isinstance(begun, Reply):
            await store.add(session, begun)
            self._on_its_way(session, begun, now)
        return begun

    async def send(
        self,
        session: AsyncSession,
        draft: Reply,
        based_on_version: int | None,
        teams: Collection[str],
        *,
        take_over: bool = False,
    ) -> Reply | Refusal:
        """A draft on its way; where it cannot go it stays a draft.

        Args:
            draft: as `store.find` gave it, locked.
            take_over: whoever else has the conversation in hand.
        """
        now = await db.now(session)
        target = await self._target(session, draft.network, draft.in_reply_to, based_on_version, teams)
        if target is None:
            return NotThere()
        begun = await self._begun(session, draft, target, based_on_version, teams, now, take_over)
        if isinstance(begun, Reply):
            begun = replace(begun, version=draft.version + 1)
            await store.save(session, [begun])
            self._on_its_way(session, begun, now)
        return begun

    async def rewrite(
        self, session: AsyncSession, draft: Reply, changes: Mapping[str, Any], teams: Collection[str]
    ) -> Reply | NoTemplate:
        """The draft with another text, kind or template.

        Args:
            draft: as `store.find` gave it, locked.
        """
        label = await self._template(session, changes["template"], teams)
        if label is None:
            return NoTemplate()
        new = {**changes, "template": label, "updated_at": await db.now(session), "version": draft.version + 1}
        rewritten = replace(draft, **new)
        await store.save(session, [rewritten])
        after_commit(session, lambda: self.changes.changed(draft.id))
        return rewritten

    async def _target(
        self, session: AsyncSession, network: str, post_id: str, based_on_version: int | None, teams: Collection[str]
    ) -> Target | None:
        """The mention, locked; with its whole conversation, where what happened in that matters."""
        if based_on_version is not None:
            seen = await mentions.target(session, network, post_id, teams)
            if seen is None:
                return None
            await mentions.lock_conversation(session, seen.conversation_id)
        return await mentions.target(session, network, post_id, teams, lock=True)

    async def _template(self, session: AsyncSession, name: str, teams: Collection[str]) -> str | None:
        """`slug` or `slug@version` as the version it stands for; None: there is none."""
        if not name:
            return ""
        found = await self._version(session, name, teams)
        return found.label if found is not None and found.texts else None

    async def _version(self, session: AsyncSession, name: str, teams: Collection[str]) -> Template | None:
        slug, _, number = name.partition("@")
        version = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else None
        return await templates.latest(session, slug, teams, version=version)

    async def _begun(
        self,
        session: AsyncSession,
        draft: Reply,
        target: Target,
        based_on_version: int | None,
        teams: Collection[str],
        now: datetime,
        take_over: bool,
    ) -> Reply | Taken | NothingToFollow | WentOn | Gone | Held | TooLong:
        """The draft as it sets out: signed, with what is to be said about it; not saved yet."""
        if target.outcome == "deleted":
            return await gone(session, target)
        talk = target.conversation_id
        before = await store.of_conversation(session, talk)
        if based_on_version is not None:
            news = went_on(
                draft,
                based_on_version,
                await mentions.newer_messages(session, talk, based_on_version, teams),
                await mentions.latest_answer(session, talk),
                before,
            )
            if news is not None:
                return news
        if draft.agent and not take_over and draft.kind != "closure":  # what is settled nobody has in hand
            holder = await holders.of_conversation(session, talk)
            if holder is not None and holder.agent != draft.agent:
                return Held(holder)
        handle = await rules.of_handle(session, target.network, target.handle)
        agent = await rules.of_agent(session, draft.agent)
        live = await store.live_replies(session, draft.network, draft.in_reply_to)
        verdict = can_reply(target, self.means)
        by_hand = verdict.why if verdict.can_reply == "manual" else ""
        answer = accept(live, draft.follow_up_of, by_hand=by_hand, approval=why_approval(handle, agent))
        if not isinstance(answer, Accepted):
            return answer
        text = signed(draft.text, handle.signature if handle.sign else "", agent.initials)
        if long := too_long(text, draft.network, self.limits, private=draft.private):
            return long
        used = await self._version(session, draft.template, teams) if draft.template else None
        ours = [reply.text for reply in before if reply.kind not in MACHINE]
        warnings = warnings_about(draft.text, used, ours[-1] if ours else "")
        if draft.kind == "closure" and personal_data(draft.text):  # it may have been said in private
            warnings += ("personal_data",)
        ready = replace(
            draft,
            warnings=" ".join(warnings),
            text=text,
        )
        return begin(ready, answer, target.urgency, now, self.undo)

    def _on_its_way(self, session: AsyncSession, reply: Reply, now: datetime) -> None:
        tell(session, reply, now)
        after_commit(session, lambda: self._kept(reply))

    async def cancel(
        self, session: AsyncSession, id_: str, reason: str, teams: Collection[str]
    ) -> tuple[Reply | None, bool]:
        """The reply as it is now (None: there is none), and whether it is taken back."""
        reply = await store.find(session, id_, teams, lock=True)
        if reply is None or reply.state == "canceled":
            return reply, reply is not None
        canceled = cancel(reply, await db.now(session), reason)
        if canceled is None:
            return reply, False
        await store.save(session, [canceled])
        self.was_taken_back(session, canceled)
        return canceled, True

    def was_taken_back(self, session: AsyncSession, canceled: Reply) -> None:
        """Let those know who wait for it, and count it, once the transaction commits."""
        after_commit(session, lambda: self._settled(canceled))

    async def approve(self, session: AsyncSession, reply: Reply, by: str) -> Reply | None:
        """Let it through; None: nobody waits for that."""
        approved = approve(reply, by, await db.now(session), self.undo)
        if approved is not None:
            await store.save(session, [approved])
            after_commit(session, lambda: self._kept(approved))
        return approved

    async def reconcile(self, session: AsyncSession, reply: Reply, pace: Pace) -> Reply | None:
        """Look for it now; None: nothing is in doubt."""
        looked_for = look_now(reply, await db.now(session), pace)
        if looked_for is not None:
            await store.save(session, [looked_for])
            after_commit(session, self.changes.work.set)
        return looked_for

    async def mark_posted(
        self, session: AsyncSession, reply: Reply, post_id: str, posted_at: datetime | None
    ) -> Reply | None:
        """A person posted it; None: its state allows no such thing.

        Raises:
            Raced: this post is another reply's.
        """
        if reply.state == "posted" and reply.own_post_id == post_id:
            return reply
        now = await db.now(session)
        posted = posted_by_hand(reply, post_id, network_time(post_id, posted_at, now), now)
        if posted is None:
            return None
        if other := await store.reply_of_post(session, reply.network, post_id):
            raise Raced(f"the post {post_id} is known as the reply {other}")
        await store.save(session, [posted])
        tell(session, posted, now)
        after_commit(session, lambda: self._settled(posted))
        return posted

    async def wait(self, id_: str, teams: Collection[str], seconds: float) -> Reply | None:
        """The reply once nothing more happens by itself, or as it is when the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self.changes.of(id_) as changed:
            while True:
                changed.clear()
                async with self.database.read() as session:
                    reply = await store.find(session, id_, teams)
                left = until - loop.time()
                if reply is None or reply.state in FINAL or left <= 0:
                    return reply
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, POLL_SECONDS)):
                        await changed.wait()

    def _kept(self, reply: Reply) -> None:
        if reply.state == "queued":
            self.changes.work.set()
        else:
            self._settled(reply)

    def _settled(self, reply: Reply) -> None:
        self.figures.became(reply.state)
        self.changes.changed(reply.id)


def _of(target: Target) -> dict[str, Any]:
    """What a reply takes from the mention it answers."""
    taken = ("network", "handle", "author_id", "thread_id", "private", "team", "key", "conversation_id")
    return {"in_reply_to": target.post_id} | {name: getattr(target, name) for name in taken}
