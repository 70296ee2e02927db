"""HTTP: replies and drafts asked for, looked at, rewritten and sent."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.idempotency import RequiredKey, Stored, recall, remember
from libs.common.lists import PAGE, Limit, Page, check_if_match, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.responder.api.shapes import (
    DraftText,
    NewReply,
    ReplyAnswer,
    Sending,
    no_such_reply,
    refusal,
    utc,
    wrong_state,
)
from services.responder.domain.deletions import DELETED
from services.responder.domain.freshness import WentOn
from services.responder.domain.replies import Reply, State, wrong_with
from services.responder.handlers.deletions import gone
from services.responder.handlers.replies import Replies, Wish
from services.responder.store import mentions
from services.responder.store import replies as store

LONGEST_WAIT_SECONDS = 10

_POST = "POST /v1/replies"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

Prefer = Annotated[str | None, Header(description="`wait=5`: answer once it is settled, 10 s at most")]
IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]


def reply_routes(database: Database, replies: Replies) -> APIRouter:
    """`/v1/replies`."""
    routes = APIRouter(prefix="/v1", tags=["replies"])
    reads, writes = needs("replies:read"), needs("replies:write")

    @routes.post("/replies", status_code=202, response_model=ReplyAnswer)
    async def ask(
        wish: NewReply,
        request: Request,
        caller: Annotated[Caller, writes],
        key: RequiredKey,
        prefer: Prefer = None,
    ) -> Response:
        """Answer a mention: kept now, sent at once, posted at most once. Or keep a draft of it."""
        check_text(wish.text, draft=wish.state == "draft")
        body = await request.body()

        async def keep(session: AsyncSession) -> tuple[Stored, bool] | WentOn:
            if known := await recall(session, caller.key_id, key, _POST, body):
                return known, True
            reply = await replies.ask(session, _wish(wish, caller.key_id), caller.teams)
            if isinstance(reply, WentOn):
                return reply  # the draft of it is committed; the key is not used up
            if not isinstance(reply, Reply):
                if known := await recall(session, caller.key_id, key, _POST, body):
                    return known, True  # the same request came twice at once, and the other one was quicker
                named = {"follow_up_of": wish.follow_up_of, "template": wish.template, "text": wish.text}
                raise refusal(reply, network=wish.network, post_id=wish.post_id, **named)
            answer = Stored(202, ReplyAnswer.of(reply).model_dump_json(), f"/v1/replies/{reply.id}")
            await remember(session, caller.key_id, key, _POST, body, answer, now=await db.now(session))
            return answer, False

        kept = await database.write(keep)
        if isinstance(kept, WentOn):
            raise refusal(kept, network=wish.network, post_id=wish.post_id)
        answer, replayed = kept
        headers = {"Location": answer.location} | ({"Idempotency-Replayed": "true"} if replayed else {})
        return await _answer(answer.location.rpartition("/")[2], answer.body, caller, prefer, headers)

    async def _answer(id_: str, shown: str, caller: Caller, prefer: str | None, headers: dict[str, str]) -> Response:
        if seconds := wait_seconds(prefer):
            headers["Preference-Applied"] = f"wait={seconds}"
            if settled := await replies.wait(id_, caller.teams, seconds):
                shown = ReplyAnswer.of(settled).model_dump_json()
        return Response(shown, 202, headers, media_type="application/json")

    @routes.get("/replies")
    async def list_replies(
        caller: Annotated[Caller, reads],
        state: State | None = None,
        network: str | None = None,
        post_id: Annotated[str | None, Query(description="The mention they answer")] = None,
        agent: Annotated[str | None, Query(description="Who wrote them")] = None,
        conversation_id: str | None = None,
        updated_after: AwareDatetime | None = None,
        limit: Limit = PAGE,
        cursor: str | None = None,
    ) -> Page[ReplyAnswer]:
        """Replies in the order in which they changed."""
        async with database.read() as session:
            found = await store.page(
                session,
                caller.teams,
                state=state,
                network=network,
                post_id=post_id,
                agent=agent,
                conversation_id=conversation_id,
                updated_after=utc(updated_after, "updated_after") if updated_after else None,
                after=decode_cursor(cursor),
                most=limit + 1,
            )
        shown, following = cut(found, limit, lambda reply: (reply.updated_at, reply.id))
        return Page(items=[ReplyAnswer.of(reply) for reply in shown], next_cursor=following)

    @routes.get("/replies/{id}")
    async def show(id: str, caller: Annotated[Caller, reads], response: Response) -> ReplyAnswer:  # noqa: A002
        """One reply."""
        async with database.read() as session:
            reply = await store.find(session, id, caller.teams)
        if reply is None:
            raise no_such_reply(id)
        response.headers["ETag"] = etag_of(reply.version)
        return ReplyAnswer.of(reply)

    @routes.put("/replies/{id}")
    async def rewrite(
        id: str,  # noqa: A002
        new: DraftText,
        caller: Annotated[Caller, writes],
        response: Response,
        if_match: IfMatch = None,
    ) -> ReplyAnswer:
        """Write a draft anew."""
        check_text(new.text, draft=True)

        async def change(session: AsyncSession) -> Reply:
            draft = await _draft(session, id, caller, if_match, new.text)
            changes: dict[str, Any] = {
                "text": new.text,
                "kind": new.kind,
                "promise_seconds": new.promised(),
                "template": new.template,
                "agent": new.agent or draft.agent,
            }
            rewritten = await replies.rewrite(session, draft, changes, caller.teams)
            if not isinstance(rewritten, Reply):
                raise refusal(rewritten, network=draft.network, post_id=draft.in_reply_to, template=new.template)
            return rewritten

        reply = await database.write(change)
        response.headers["ETag"] = etag_of(reply.version)
        return ReplyAnswer.of(reply)

    @routes.post("/replies/{id}/send", status_code=202, response_model=ReplyAnswer)
    async def send(
        id: str,  # noqa: A002
        caller: Annotated[Caller, writes],
        seen: Sending | None = None,
        if_match: IfMatch = None,
        prefer: Prefer = None,
    ) -> Response:
        """Send a draft. Where the conversation went on since it was read, the draft stays, and the answer says what."""

        async def begin(session: AsyncSession) -> Reply:
            draft = await _draft(session, id, caller, if_match)
            check_text(draft.text, draft=False)
            version = seen.based_on_version if seen else None
            take_over = bool(seen and seen.take_over)
            begun = await replies.send(session, draft, version, caller.teams, take_over=take_over)
            if not isinstance(begun, Reply):
                known = {"follow_up_of": draft.follow_up_of, "template": draft.template, "text": draft.text}
                raise refusal(begun, network=draft.network, post_id=draft.in_reply_to, **known)
            return begun

        reply = await database.write(begin)
        return await _answer(reply.id, ReplyAnswer.of(reply).model_dump_json(), caller, prefer, {})

    return routes


async def _draft(session: AsyncSession, id_: str, caller: Caller, if_match: str | None, text: str = "") -> Reply:
    draft = await store.find(session, id_, caller.teams, lock=True)
    if draft is None:
        raise no_such_reply(id_)
    if (draft.state, draft.reason) == ("canceled", DELETED):
        target = await mentions.target(session, draft.network, draft.in_reply_to, caller.teams)
        if target is not None and target.outcome == "deleted":
            raise refusal(await gone(session, target), network=draft.network, post_id=draft.in_reply_to, text=text)
    check_if_match(if_match, draft.version)
    if draft.state != "draft":
        raise wrong_state(draft, "not-a-draft", "This reply is no draft any more", "Take it back first, where you can.")
    return draft


def check_text(text: str, *, draft: bool) -> None:
    """Raises: Problem, 422; no network would take this text."""
    problem = wrong_with(text or "." if draft else text)  # a draft may be empty yet
    if problem:
        raise Problem(422, "text-not-sendable", "This text cannot be sent", problem, "Change it and send it again.")


def _wish(new: NewReply, created_by: str) -> Wish:
    return Wish(
        network=new.network,
        post_id=new.post_id,
        text=new.text,
        agent=new.agent,
        item_id=new.item_id,
        follow_up_of=new.follow_up_of,
        created_by=created_by,
        kind=new.kind,
        promise_seconds=new.promised(),
        based_on_version=new.based_on_version,
        template=new.template,
        draft=new.state == "draft",
        take_over=new.take_over,
    )


def wait_seconds(prefer: str | None) -> int:
    """How long a caller wants to wait for the final state."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0
