"""HTTP in: replies asked for, looked at and taken back; how long people wait."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self, assert_never

from fastapi import APIRouter, Header, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.clock import as_utc
from libs.common.db import Database
from libs.common.idempotency import RequiredKey, Stored, recall, remember
from libs.common.lists import PAGE, Limit, Page, check_if_match, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.responder.domain.latency import WITHIN_SECONDS, How, Spread, definition
from services.responder.domain.replies import NothingToFollow, Reply, State, Taken, wrong_with
from services.responder.handlers.replies import NotThere, Replies, Wish
from services.responder.store import mentions
from services.responder.store import replies as store

LONGEST_WAIT_SECONDS = 10
REPLY_BODY_BYTES = 256 * 1024  # the longest text, each character escaped

_DAWN = datetime(1970, 1, 1, tzinfo=UTC)
_POST = "POST /v1/replies"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[\x21-\x7e\u00a1-\ud7ff]*$")]
Needed = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e\u00a1-\ud7ff]*$")]


class NewReply(BaseModel):
    """An answer to one mention."""

    model_config = ConfigDict(extra="forbid")

    network: Needed = Field(examples=["x"])
    post_id: Needed = Field(description="The mention it answers", examples=["1900000000000000001"])
    text: str
    agent: Word = Field("", description="Who wrote it", examples=["ana"])
    item_id: Word = Field("", description="The work item it is for; the mention's own unless written")
    follow_up_of: Word = Field("", description="The reply after which this one comes; without it a mention gets one")


class ReplyAnswer(BaseModel):
    """A reply. `reason` says why it is in its state, in words for a person."""

    id: str
    state: State
    text: str
    network: str
    in_reply_to: str
    handle: str
    agent: str
    item_id: str
    follow_up_of: str
    created_at: datetime
    updated_at: datetime
    posted_at: datetime | None = Field(description="The network's time")
    own_post_id: str | None = Field(description="The id of our post on the network")
    reason: str
    version: int

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls.model_validate(reply, from_attributes=True)


class Cancellation(BaseModel):
    """Why a reply is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] = "taken back"


class Within(BaseModel):
    """How many were answered within so many seconds."""

    met: int
    of: int
    share: float


class LatencyGroup(BaseModel):
    """One group's spread, in seconds. Without any answered mention there is no group."""

    key: str | None
    answered: int
    min: float
    p50: float
    p90: float
    p99: float
    max: float
    mean: float
    within: dict[str, Within]

    @classmethod
    def of(cls, spread: Spread) -> Self:
        n = spread.answered
        within = {str(seconds): Within(met=met, of=n, share=met / n) for seconds, met in spread.within.items()}
        names = ("key", "answered", "min", "p50", "p90", "p99", "max", "mean")
        return cls(within=within, **{name: getattr(spread, name) for name in names})


class LatencyReport(BaseModel):
    """How long people waited for an answer, and what exactly that means."""

    definition: str
    how: How
    unit: Literal["seconds"] = "seconds"
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    groups: list[LatencyGroup]


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
        prefer: Annotated[str | None, Header(description="`wait=5`: answer once it is settled, 10 s at most")] = None,
    ) -> Response:
        """Answer a mention: kept now, sent at once, posted at most once."""
        if problem := wrong_with(wish.text):
            raise Problem(422, "text-not-sendable", "This text cannot be sent", problem, "Change it and send it again.")
        body = await request.body()

        async def keep(session: AsyncSession) -> tuple[Stored, bool]:
            if known := await recall(session, caller.key_id, key, _POST, body):
                return known, True
            asked = Wish(**wish.model_dump(), created_by=caller.key_id)
            reply = await replies.ask(session, asked, caller.teams)
            if not isinstance(reply, Reply):
                if known := await recall(session, caller.key_id, key, _POST, body):
                    return known, True  # the same request came twice at once, and the other one was quicker
                raise _refusal(reply, wish)
            answer = Stored(202, ReplyAnswer.of(reply).model_dump_json(), f"/v1/replies/{reply.id}")
            await remember(session, caller.key_id, key, _POST, body, answer, now=await db.now(session))
            return answer, False

        answer, replayed = await database.write(keep)
        headers = {"Location": answer.location} | ({"Idempotency-Replayed": "true"} if replayed else {})
        shown = answer.body
        if seconds := _wait_seconds(prefer):
            headers["Preference-Applied"] = f"wait={seconds}"
            if settled := await replies.wait(answer.location.rpartition("/")[2], caller.teams, seconds):
                shown = ReplyAnswer.of(settled).model_dump_json()
        return Response(shown, answer.status, headers, media_type="application/json")

    @routes.get("/replies")
    async def list_replies(
        caller: Annotated[Caller, reads],
        state: State | None = None,
        network: str | None = None,
        post_id: Annotated[str | None, Query(description="The mention they answer")] = None,
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
                updated_after=_utc(updated_after, "updated_after") if updated_after else None,
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
            raise _no_such_reply(id)
        response.headers["ETag"] = etag_of(reply.version)
        return ReplyAnswer.of(reply)

    @routes.post("/replies/{id}/cancel")
    async def cancel(
        id: str,  # noqa: A002
        caller: Annotated[Caller, writes],
        response: Response,
        why: Cancellation | None = None,
        if_match: Annotated[str | None, Header()] = None,
    ) -> ReplyAnswer:
        """Take a reply back that is not on its way yet. Taking it back twice is the same as once."""
        reason = (why or Cancellation()).reason

        async def take_back(session: AsyncSession) -> Reply:
            if if_match and (seen := await store.find(session, id, caller.teams, lock=True)):
                check_if_match(if_match, seen.version)
            reply, canceled = await replies.cancel(session, id, reason, caller.teams)
            if reply is None:
                raise _no_such_reply(id)
            if not canceled:
                raise _too_late(reply)
            return reply

        reply = await database.write(take_back)
        response.headers["ETag"] = etag_of(reply.version)
        return ReplyAnswer.of(reply)

    return routes


def stats_routes(database: Database) -> APIRouter:
    """`/v1/stats`."""
    routes = APIRouter(prefix="/v1/stats", tags=["stats"])

    @routes.get("/response-latency")
    async def response_latency(
        caller: Annotated[Caller, needs("stats:read")],
        from_: Annotated[
            AwareDatetime | None, Query(alias="from", description="24 hours before `to` unless written")
        ] = None,
        to: Annotated[AwareDatetime | None, Query(description="Now unless written")] = None,
        group_by: mentions.GroupBy = "none",
        how: Annotated[
            How, Query(description="covered: by a later reply to another message of its conversation")
        ] = "direct",
    ) -> LatencyReport:
        """How long the mentions of a time waited for our first answer."""
        async with database.read() as session:
            until = _utc(to, "to") if to else await db.now(session)
            since = _utc(from_, "from") if from_ else max(until, _DAWN) - timedelta(hours=24)
            if since >= until:
                raise Problem(422, "empty-time", "`from` is not before `to`", fix="Swap them.")
            spreads = await mentions.response_latency(
                session, since, until, group_by, caller.teams, WITHIN_SECONDS, how
            )
        groups = [LatencyGroup.of(spread) for spread in spreads]
        return LatencyReport(definition=definition(how), how=how, from_=since, to=until, groups=groups)

    return routes


def _wait_seconds(prefer: str | None) -> int:
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0


def _utc(moment: datetime, name: str) -> datetime:
    try:
        return as_utc(moment)
    except OverflowError:
        raise Problem(422, "no-such-time", "There is no such time", f"`{name}` is out of all bounds.") from None


def _refusal(answer: Taken | NothingToFollow | NotThere, wish: NewReply) -> Problem:
    match answer:
        case NotThere():
            return Problem(
                404,
                "no-such-mention",
                "This mention is not known here",
                f"There is no mention {wish.post_id} on {wish.network}; it may be accepted and not yet routed.",
                "Look at GET /v1/mentions/{network}/{id} of the router; if it is on its way, try again in a second.",
            )
        case Taken(by):
            return Problem(
                409,
                "already-answered",
                "This mention has a reply",
                f"{by.id} is {by.state}" + (f" ({by.reason})" if by.reason else "") + ".",
                "Read it; to say something more once it is out, name it in `follow_up_of`.",
                reply_id=by.id,
                reply_state=by.state,
            )
        case NothingToFollow():
            return Problem(
                422,
                "nothing-to-follow",
                "There is no reply to follow",
                f"{wish.follow_up_of} is not a reply to this mention that is out or on its way.",
                "Leave `follow_up_of` out for the first reply to a mention.",
            )
        case other:
            assert_never(other)


def _no_such_reply(id_: str) -> Problem:
    return Problem(404, "no-such-reply", "There is no such reply", f"There is no reply {id_[:80]} that you may see.")


def _too_late(reply: Reply) -> Problem:
    return Problem(
        409,
        "too-late",
        "It is too late to take this reply back",
        f"{reply.id} is {reply.state}" + (f" ({reply.reason})" if reply.reason else "") + ".",
        "Only what is still queued can be taken back; a post is deleted on its network.",
        reply_state=reply.state,
    )
