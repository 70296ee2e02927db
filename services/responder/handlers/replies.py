"""A person's side of a reply: ask for one, take it back, wait for what becomes of it."""

import asyncio
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db, trace
from libs.common.db import Database
from services.responder.domain.replies import (
    FINAL,
    Accepted,
    NothingToFollow,
    Reply,
    Taken,
    Target,
    accept,
    cancel,
    reply_id,
)
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.told import tell
from services.responder.store import mentions
from services.responder.store import replies as store

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


@dataclass(frozen=True, slots=True)
class NotThere:
    """No such mention, or none these teams may see."""


@dataclass(frozen=True)
class Replies:
    """The use cases. Each runs in the caller's transaction."""

    database: Database
    changes: Changes
    figures: Figures
    sendable: Collection[str]

    async def ask(
        self, session: AsyncSession, wish: Wish, teams: Collection[str]
    ) -> Reply | Taken | NothingToFollow | NotThere:
        """Keep a new reply; it is on its way when the transaction commits.

        Raises:
            Raced: the mention got another reply at the same moment.
        """
        now = await db.now(session)
        target = await mentions.target(session, wish.network, wish.post_id, teams, lock=True)
        if target is None:
            return NotThere()
        live = await store.live_replies(session, wish.network, wish.post_id)
        answer = accept(target, live, wish.follow_up_of, self.sendable)
        if not isinstance(answer, Accepted):
            return answer
        reply = Reply(
            id=reply_id(now, secrets.token_bytes(10)),
            state=answer.state,
            reason=answer.reason,
            text=wish.text,
            agent=wish.agent,
            item_id=wish.item_id or target.item_id,
            follow_up_of=wish.follow_up_of,
            created_by=wish.created_by,
            created_at=now,
            updated_at=now,
            not_before=now,
            traceparent=trace.traceparent(),
            **_of(target),
        )
        await store.add(session, reply)
        tell(session, reply, now)
        after_commit(session, lambda: self._kept(reply))
        return reply

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
        after_commit(session, lambda: self._settled(canceled))
        return canceled, True

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
    taken = ("network", "handle", "author_id", "thread_id", "private", "team", "key")
    return {"in_reply_to": target.post_id} | {name: getattr(target, name) for name in taken}
