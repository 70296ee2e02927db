"""HTTP: public closures: suggested, posted or skipped."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.idempotency import RequiredKey, Stored, recall, remember
from libs.common.lists import PAGE, Limit, Page, check_if_match, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.responder.api.replies import IfMatch, check_text
from services.responder.api.shapes import FromTemplate, ReplyAnswer, Word, refusal, utc
from services.responder.domain.closures import LASTS, Closure, State, seen
from services.responder.domain.replies import Reply
from services.responder.handlers.closures import Closures, Refused, Unfilled, Words
from services.responder.store import closures as store


class ClosureAnswer(BaseModel):
    """The public word that something was settled in private; one a conversation."""

    conversation_id: str
    network: str
    handle: str
    team: str
    post_id: str = Field(description="The public post with which it began, and which is answered")
    confirmed_by: str = Field(description="The customer's private message that says that it is settled")
    confirmed_at: datetime
    expires_at: datetime = Field(description="48 hours later; then it is not posted any more")
    state: State
    reason: str = Field(description="Why it was skipped: `wrote_again`, `deleted`, `too_late`, or a person's own words")
    reply_id: str = Field(description="With which it is, or was to be, posted")
    decided_by: str
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, closure: Closure) -> Self:
        return cls.model_validate(closure, from_attributes=True)


class ClosingWords(BaseModel):
    """What the public will read: a text, or a template in which nothing is left to fill in."""

    model_config = ConfigDict(extra="forbid")

    text: str = ""
    template: FromTemplate = ""
    agent: Word = Field("", description="Who writes it", examples=["ana"])

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        if not self.text and not self.template:
            raise ValueError("write `text` or `template`")
        return self


class Skipping(BaseModel):
    """Why it is not posted."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] = "not needed"


def closure_routes(database: Database, closures: Closures) -> APIRouter:
    """`/v1/closures`."""
    routes = APIRouter(prefix="/v1/closures", tags=["closures"])
    reads, writes = needs("replies:read"), needs("replies:write")

    @routes.get("")
    async def list_closures(
        caller: Annotated[Caller, reads],
        state: State | None = None,
        handle: str | None = None,
        updated_after: AwareDatetime | None = None,
        limit: Limit = PAGE,
        cursor: str | None = None,
    ) -> Page[ClosureAnswer]:
        """Closures in the order in which they changed. A conversation that needs none is not here."""
        async with database.read() as session:
            now = await db.now(session)
            found = await store.page(
                session,
                caller.teams,
                state=state,
                handle=handle,
                updated_after=utc(updated_after, "updated_after") if updated_after else None,
                confirmed_after=now - LASTS,
                after=decode_cursor(cursor),
                most=limit + 1,
            )
        shown, following = cut(found, limit, lambda closure: (closure.updated_at, closure.conversation_id))
        return Page(items=[ClosureAnswer.of(seen(closure, now)) for closure in shown], next_cursor=following)

    @routes.get("/{conversation_id}")
    async def show(conversation_id: str, caller: Annotated[Caller, reads], response: Response) -> ClosureAnswer:
        """The closure of one conversation."""
        async with database.read() as session:
            closure = await _needed(session, conversation_id, caller)
            now = await db.now(session)
        response.headers["ETag"] = etag_of(closure.version)
        return ClosureAnswer.of(seen(closure, now))

    @routes.post("/{conversation_id}/post", status_code=202, response_model=ReplyAnswer)
    async def post(
        conversation_id: str,
        words: ClosingWords,
        request: Request,
        caller: Annotated[Caller, writes],
        key: RequiredKey,
        if_match: IfMatch = None,
    ) -> Response:
        """Answer the public post with a closing word. Whether that still fits is looked at once more."""
        if words.text:
            check_text(words.text, draft=False)
        body, route = await request.body(), f"POST /v1/closures/{conversation_id}/post"

        async def keep(session: AsyncSession) -> Stored:
            if known := await recall(session, caller.key_id, key, route, body):
                return known
            closure = await _needed(session, conversation_id, caller, lock=True)
            if known := await recall(session, caller.key_id, key, route, body):
                return known  # the same request came twice at once, and the other one was quicker
            check_if_match(if_match, closure.version)
            said = Words(words.text, words.template, words.agent, caller.key_id)
            reply = await closures.post(session, closure, said, caller.teams)
            match reply:
                case Reply():
                    answer = Stored(202, ReplyAnswer.of(reply).model_dump_json(), f"/v1/replies/{reply.id}")
                case Refused():
                    raise _not_now(reply)
                case Unfilled():
                    raise _unfilled(reply, words.template)
                case _:
                    about = {"network": closure.network, "post_id": closure.post_id}
                    raise refusal(reply, **about, template=words.template, text=words.text)
            await remember(session, caller.key_id, key, route, body, answer, now=await db.now(session))
            return answer

        answer = await database.write(keep)
        return Response(answer.body, 202, {"Location": answer.location}, media_type="application/json")

    @routes.post("/{conversation_id}/skip")
    async def skip(
        conversation_id: str,
        caller: Annotated[Caller, writes],
        response: Response,
        why: Skipping | None = None,
        if_match: IfMatch = None,
    ) -> ClosureAnswer:
        """Leave it. Twice is the same as once."""

        async def leave(session: AsyncSession) -> Closure:
            closure = await _needed(session, conversation_id, caller, lock=True)
            check_if_match(if_match, closure.version)
            skipped = await closures.skip(session, closure, (why or Skipping()).reason, caller.key_id)
            if isinstance(skipped, Refused):
                raise _not_now(skipped)
            return skipped

        closure = await database.write(leave)
        response.headers["ETag"] = etag_of(closure.version)
        return ClosureAnswer.of(closure)

    return routes


async def _needed(session: AsyncSession, conversation_id: str, caller: Caller, *, lock: bool = False) -> Closure:
    closure = await store.find(session, conversation_id, caller.teams, lock=lock)
    if closure is None:
        raise Problem(
            404,
            "no-such-closure",
            "No closure is suggested for this conversation",
            f"There is none for {conversation_id[:80]} that you may see.",
            "It is suggested where a conversation began in public and the customer confirmed in private.",
        )
    return closure


def _not_now(refused: Refused) -> Problem:
    return Problem(
        409,
        "closure-not-now",
        "This closure is not to be posted or changed now",
        f"{refused.words}.",
        "GET /v1/closures?state=suggested lists those that are.",
        condition=refused.why,
        reason=refused.closure.reason or None,
        reply_id=refused.closure.reply_id or None,
    )


def _unfilled(unfilled: Unfilled, template: str) -> Problem:
    return Problem(
        422,
        "template-unfilled",
        "A field of this template is still empty",
        f"{template} needs " + ", ".join(f"{{{name}}}" for name in unfilled.missing) + ".",
        "Fill it in with POST /v1/templates/{slug}/render, and send the result as `text`.",
        missing=list(unfilled.missing),
    )
