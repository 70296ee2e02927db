"""The expected wait over REST, with its parts and its score; and what the public pages are set up to say."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import check_if_match, etag_of
from libs.common.problems import Problem
from services.router.api.queues import Slug
from services.router.domain.promises import CLASSES, may_publish
from services.router.domain.setup import Setup
from services.router.domain.words import URGENCIES
from services.router.handlers.desk import unknown
from services.router.handlers.waits import Wait, Waits, serving
from services.router.store import pages as store
from services.router.store.pages import Page
from services.router.store.setup import Setups

IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]


def _a_zone(name: str) -> str:
    try:
        ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not an IANA zone, such as Europe/Paris") from error
    return name


Handle = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^/\s]+$")]
Language = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$")]


class WaitOfClass(BaseModel):
    """For an item of one urgency that joins now: on the wall, rounded up; `unknown` is never 0."""

    urgency: str
    state: Literal["known", "more_than", "unknown"]
    p50_seconds: int | None
    p80_seconds: int | None
    p90_seconds: int | None
    more_than_hours: int | None
    reason: str | None = Field(description="Why it is not known: few_samples, nobody_available, never_open, unsteady")
    since: datetime | None = Field(description="Since when this is published")
    ahead: int


class ScoreOut(BaseModel):
    """How the promises of the last 14 days were kept; silence counts once its time is over."""

    kept: int
    scored: int
    ratio: float | None
    first_scored_at: datetime | None
    published: bool = Field(description="Whether a page set to `auto` shows the wait")


class ExpectedWaitOut(BaseModel):
    """A queue's expected wait, with its parts."""

    queue: str
    open: bool
    agents: int
    replies_an_hour_each: float | None = Field(description="First replies while somebody waited, for each agent there")
    urgencies: list[WaitOfClass]
    score: ScoreOut
    as_of: datetime


class PageIn(BaseModel):
    """What a handle's public page says. `published`: `auto` waits for 14 days in which 80 % was kept."""

    model_config = ConfigDict(extra="forbid")

    team: Slug = "main"
    network: str = Field("", max_length=64)
    queue: Slug | None = Field(None, description="Else where the team's routing sends a question in its first language")
    zone: Annotated[str, AfterValidator(_a_zone), Field(max_length=64, description="IANA; else that of the hours")] = ""
    languages: list[Language] = Field(["fr", "en"], min_length=1, max_length=20)
    other_ways: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field([], max_length=20)
    published: Literal["auto", "on", "off"] = "auto"


class PageOut(PageIn):
    """The page as it is kept, and the queue that serves it now."""

    handle: str
    version: int
    served_by: str


def routes(database: Database, setups: Setups, waits: Waits) -> APIRouter:
    """What those who work here see of it."""
    router = APIRouter(tags=["expected wait"])

    @router.get("/v1/queues/{queue}/expected-wait")
    async def expected_wait(queue: str, caller: Annotated[Caller, needs("queues:read")]) -> ExpectedWaitOut:
        """What is said of this queue's wait, by urgency, and how such promises were kept."""
        wait = waits.now.get(queue)
        if wait is None or not caller.sees(wait.team):
            raise unknown("queue", queue, "GET /v1/queues lists them; a new one is known within half a minute.")
        return _with_parts(wait)

    @router.get("/v1/public/{handle}")
    async def get_page(handle: Handle, response: Response, caller: Annotated[Caller, needs("queues:read")]) -> PageOut:
        """What the public page of a handle is set up to say."""
        async with database.read() as session:
            setup, now = await setups.current(session), await db.now(session)
            page = await store.get_page(session, handle)
        if page is None or not caller.sees(page.team):
            raise no_page(handle)
        response.headers["ETag"] = etag_of(page.version)
        return _page_out(page, setup, now)

    @router.put("/v1/public/{handle}")
    async def put_page(
        handle: Handle, body: PageIn, response: Response, caller: Annotated[Caller, needs("queues:write")],
        if_match: IfMatch = None,
    ) -> PageOut:  # fmt: skip
        """Set up the public page of a handle. Idempotent."""
        if not caller.sees(body.team):
            raise unknown("team", body.team, "Name a team of yours.")

        async def work(session: AsyncSession) -> PageOut:
            setup, now = await setups.current(session), await db.now(session)
            if body.queue is not None and body.queue not in setup.queues:
                raise unknown("queue", body.queue, "GET /v1/queues lists them; leave it out to follow the routing.")
            before = await store.get_page(session, handle, lock=True)
            if before is not None:
                if not caller.sees(before.team):
                    raise Problem(409, "name-taken", "Another team has this handle", fix="Ask that team.")
                check_if_match(if_match, before.version)
            page = Page(
                handle, body.team, body.network, body.queue or "", body.zone, tuple(body.languages),
                tuple(body.other_ways), body.published, before.version if before else 0, now,
            )  # fmt: skip
            if before is None or replace(before, updated_at=now) != page:
                page = replace(page, version=page.version + 1)
                await store.put_page(session, before, page)
            response.headers["ETag"] = etag_of(page.version)
            return _page_out(page, setup, now)

        return await database.write(work)

    return router


def _with_parts(wait: Wait) -> ExpectedWaitOut:
    classes = []
    for number in range(CLASSES):
        shown, seconds = wait.memory.shown[number], wait.seconds(number) or (None, None, None)
        classes.append(
            WaitOfClass(
                urgency=URGENCIES[number],
                state=shown.state,  # type: ignore[arg-type]
                p50_seconds=seconds[0],
                p80_seconds=seconds[1],
                p90_seconds=seconds[2],
                more_than_hours=shown.hours or None,
                reason=shown.reason or None,
                since=shown.since,
                ahead=wait.memory.ahead[number],
            )
        )
    score = wait.score
    return ExpectedWaitOut(
        queue=wait.queue,
        open=wait.memory.open,
        agents=wait.memory.agents,
        replies_an_hour_each=round(wait.memory.each, 1) or None,
        urgencies=classes,
        score=ScoreOut(
            kept=score.kept,
            scored=score.scored,
            ratio=round(score.kept / score.scored, 3) if score.scored else None,
            first_scored_at=score.first_scored,
            published=may_publish("auto", score.first_scored, score.kept, score.scored, wait.at),
        ),
        as_of=wait.at,
    )


def _page_out(page: Page, setup: Setup, now: datetime) -> PageOut:
    return PageOut(
        handle=page.handle,
        team=page.team,
        network=page.network,
        queue=page.queue or None,
        zone=page.zone,
        languages=list(page.languages),
        other_ways=list(page.other_ways),
        published=page.published,  # type: ignore[arg-type]
        version=page.version,
        served_by=serving(page, setup, now).slug,
    )


def no_page(handle: str) -> Problem:
    return Problem(
        404, "no-such-page", "There is no public page of this handle", f"Nobody has set up {handle}.",
        "PUT /v1/public/{handle} makes one.",
    )  # fmt: skip
