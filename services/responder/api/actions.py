"""HTTP: what people do with a reply once it is written: take back, approve, look for, mark as posted."""

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import check_if_match, etag_of
from libs.common.problems import Problem
from services.responder.api.replies import IfMatch, Prefer, wait_seconds
from services.responder.api.shapes import (
    ByHandPost,
    Cancellation,
    ReplyAnswer,
    no_such_reply,
    too_late,
    utc,
    wrong_state,
)
from services.responder.domain.posting import Pace
from services.responder.domain.replies import Reply
from services.responder.handlers.replies import Replies
from services.responder.store import replies as store


def action_routes(database: Database, replies: Replies, pace: Pace) -> APIRouter:
    """`/v1/replies/{id}/...`."""
    routes = APIRouter(prefix="/v1/replies/{id}", tags=["replies"])
    writes = needs("replies:write")

    @routes.post("/cancel")
    async def cancel(
        id: str,  # noqa: A002
        caller: Annotated[Caller, writes],
        response: Response,
        why: Cancellation | None = None,
        if_match: IfMatch = None,
    ) -> ReplyAnswer:
        """Take a reply back that is not on its way, or give up one that is a person's. Twice is the same as once."""
        reason = (why or Cancellation()).reason

        async def take_back(session: AsyncSession) -> Reply:
            if if_match and (seen := await store.find(session, id, caller.teams, lock=True)):
                check_if_match(if_match, seen.version)
            reply, canceled = await replies.cancel(session, id, reason, caller.teams)
            if reply is None:
                raise no_such_reply(id)
            if not canceled:
                raise too_late(reply)
            return reply

        return _shown(await database.write(take_back), response)

    @routes.post("/approve")
    async def approve(
        id: str,  # noqa: A002
        caller: Annotated[Caller, writes],
        response: Response,
        if_match: IfMatch = None,
    ) -> ReplyAnswer:
        """Let a reply through that waits for it: a supervisor, and never with the key it was written with."""
        if caller.role not in ("supervisor", "admin"):
            raise _may_not("Only a supervisor may approve replies.")

        async def let_through(session: AsyncSession) -> Reply:
            reply = await _seen(session, id, caller, if_match)
            if reply.created_by == caller.key_id:
                raise _may_not("Nobody approves what was written with their own key.")
            approved = await replies.approve(session, reply, caller.key_id)
            if approved is None:
                raise wrong_state(reply, "not-waiting", "Nobody waits for this reply's approval", "There is no need.")
            return approved

        return _shown(await database.write(let_through), response)

    @routes.post("/reconcile", status_code=202)
    async def reconcile(
        id: str,  # noqa: A002
        caller: Annotated[Caller, writes],
        response: Response,
        if_match: IfMatch = None,
        prefer: Prefer = None,
    ) -> ReplyAnswer:
        """Look on our timeline whether it went out: now, or as soon as that can tell."""

        async def look(session: AsyncSession) -> Reply:
            reply = await _seen(session, id, caller, if_match)
            looked_for = await replies.reconcile(session, reply, pace)
            if looked_for is None:
                title = "Nothing is in doubt about this reply"
                raise wrong_state(reply, "not-in-doubt", title, "Only `unknown` and `needs_human` are looked for.")
            return looked_for

        reply = await database.write(look)
        if seconds := wait_seconds(prefer):
            response.headers["Preference-Applied"] = f"wait={seconds}"
            reply = await replies.wait(id, caller.teams, seconds) or reply
        return _shown(reply, response)

    @routes.post("/mark-posted")
    async def mark_posted(
        id: str,  # noqa: A002
        post: ByHandPost,
        caller: Annotated[Caller, writes],
        response: Response,
        if_match: IfMatch = None,
    ) -> ReplyAnswer:
        """Say that a person posted it, under which id. Twice is the same as once."""
        posted_at = utc(post.posted_at, "posted_at") if post.posted_at else None

        async def settle(session: AsyncSession) -> Reply:
            reply = await _seen(session, id, caller, if_match)
            posted = await replies.mark_posted(session, reply, post.post_id, posted_at)
            if posted is None:
                fix = "Only `manual_required`, `needs_human` and `unknown` can be marked."
                raise wrong_state(reply, "not-by-hand", "This reply is not a person's to post", fix)
            return posted

        return _shown(await database.write(settle), response)

    return routes


async def _seen(session: AsyncSession, id_: str, caller: Caller, if_match: str | None) -> Reply:
    reply = await store.find(session, id_, caller.teams, lock=True)
    if reply is None:
        raise no_such_reply(id_)
    check_if_match(if_match, reply.version)
    return reply


def _shown(reply: Reply, response: Response) -> ReplyAnswer:
    response.headers["ETag"] = etag_of(reply.version)
    return ReplyAnswer.of(reply)


def _may_not(why: str) -> Problem:
    return Problem(403, "not-yours-to-approve", "This key may not approve this reply", why, "Ask another supervisor.")
