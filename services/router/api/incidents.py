"""Incidents over REST: made, changed, opened and closed; their items taken and closed many at a time."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor, etag_of
from services.router.api.mentions import Cursor, UpdatedAfter
from services.router.api.queues import Slug
from services.router.api.work_items import ItemOut, item_out
from services.router.domain.incidents import Incident, Matcher, holding_text
from services.router.domain.texts import folded
from services.router.handlers import bulk
from services.router.handlers import incidents as handler
from services.router.handlers.desk import unknown
from services.router.handlers.figures import Figures
from services.router.store import incidents as store
from services.router.store.incidents import Kept
from services.router.store.items import WorkItem
from services.router.store.setup import Setups

Language = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$")]
Keyword = Annotated[str, Field(min_length=2, max_length=100)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(max_length=4000)]
IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]
_SLUG = Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", max_length=63)


class MatcherIO(BaseModel):
    """Which mentions belong: all that is written must hold, and of each list one is enough."""

    model_config = ConfigDict(extra="forbid")

    topics: list[Label] = Field([], max_length=50)
    keywords: dict[Language, Annotated[list[Keyword], Field(max_length=100)]] = Field(
        {}, description="By language, without case and accents, whole words; `retard*` takes every ending"
    )
    handles: list[Label] = Field([], max_length=50)
    languages: list[Language] = Field([], max_length=50)
    intents: list[Label] = Field([], max_length=20)

    @field_validator("keywords")
    @classmethod
    def _have_words(cls, keywords: dict[str, list[str]]) -> dict[str, list[str]]:
        for language, some in keywords.items():
            for keyword in some:
                if not folded(keyword).strip():
                    raise ValueError(f"{language}: {keyword!r} has neither a letter nor a digit")
        return keywords


class IncidentIn(BaseModel):
    """What people write of an incident."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    team: Slug = "main"
    matcher: MatcherIO
    since: AwareDatetime | None = Field(None, description="Messages posted from then on; by default from now")
    until: AwareDatetime | None = Field(None, description="It is closed then; by default when somebody says so")
    holding: dict[Language, Words] = Field({}, description="What a reply may say until then; {author} is filled in")
    banner: dict[Language, Words] = Field({}, description="What the public page says")


class NewIncident(IncidentIn):
    """A new one; `open`: mentions belong to it at once."""

    incident: Slug
    open: bool = False


class SpikeOut(BaseModel):
    """The ten minutes that proposed it."""

    topic: str
    at: datetime
    count: int
    expected: float
    bound: float


class IncidentOut(BaseModel):
    """Many mentions with one cause."""

    incident: str
    name: str
    team: str
    state: Literal["proposed", "open", "closed"]
    matcher: MatcherIO
    since: datetime
    until: datetime | None
    holding: dict[str, str]
    banner: dict[str, str]
    spike: SpikeOut | None = Field(description="What proposed it; null: a person")
    opened_at: datetime | None
    closed_at: datetime | None
    reason: str | None = Field(description="Why it is closed: closed, dismissed, ended, expired")
    version: int
    updated_at: datetime


class Waited(BaseModel):
    """From the customers' posts to our first answers, of its items alone; nearest rank, null where there is none."""

    answered: int
    p50_seconds: float | None
    p90_seconds: float | None
    longest_seconds: float | None


class WithFigures(IncidentOut):
    """An incident, and its items and clocks by state; `critical`: open items to be read first."""

    items: dict[str, int]
    critical: int
    clocks: dict[str, int]
    waited: Waited


class InIncident(BaseModel):
    """An item of an incident: who wrote what, and what a holding reply to them may say."""

    item: ItemOut
    network: str
    post_id: str
    author_id: str
    author_username: str
    text: str
    holding: str | None


class TakeIn(BaseModel):
    """Who takes how many."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug
    count: int = Field(20, ge=1, le=200)


class TakenTogether(BaseModel):
    """What the agent has now, what is critical first."""

    items: list[InIncident]


class ResolveIn(BaseModel):
    """Which items; by default all open ones but those that are critical."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug | None = Field(None, description="Only what this agent holds")
    critical: bool = Field(False, description="Critical ones too")


class ResolvedOut(BaseModel):
    """What was completed, its conversations resolved. `critical` items are left for somebody to read."""

    completed: int
    critical: int


_ALL = ResolveIn(agent=None, critical=False)


def routes(database: Database, setups: Setups, figures: Figures) -> APIRouter:
    """The incidents' routes."""
    router = APIRouter(prefix="/v1/incidents", tags=["incidents"])
    reads, writes, works = needs("work-items:read"), needs("incidents:write"), needs("work-items:write")

    @router.get("")
    async def list_incidents(
        caller: Annotated[Caller, reads],
        state: Literal["proposed", "open", "closed"] | None = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[IncidentOut]:
        """Incidents of your teams, by the time they last changed."""
        async with database.read() as session:
            rows = await store.list_incidents(
                session, caller.teams, state=state, updated_after=updated_after, after=decode_cursor(cursor),
                limit=limit,
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda kept: (kept.updated_at, kept.incident.slug))
        return Page(items=[_out(kept) for kept in page], next_cursor=next_cursor)

    @router.post("", status_code=201)
    async def post_incident(body: NewIncident, response: Response, caller: Annotated[Caller, writes]) -> WithFigures:
        """Make an incident. Proposed, it changes nothing; open, mentions that match belong to it, and what waits."""

        async def work(session: AsyncSession) -> Kept:
            _sees(caller, body.team)
            incident = _incident(body.incident, body, await db.now(session), "open" if body.open else "proposed")
            return await handler.create(session, incident, caller.key_id)

        await database.write(work)
        if body.open:
            await handler.bring_in_all(database, body.incident)
        response.headers["Location"] = f"/v1/incidents/{body.incident}"
        return await _answer(database, body.incident, caller, response)

    @router.get("/{incident}")
    async def get_incident(
        incident: Annotated[str, _SLUG], response: Response, caller: Annotated[Caller, reads]
    ) -> WithFigures:
        """One incident, with its figures: they stand apart from those of the queues."""
        return await _answer(database, incident, caller, response)

    @router.put("/{incident}")
    async def put_incident(
        incident: Annotated[str, _SLUG],
        body: IncidentIn,
        response: Response,
        caller: Annotated[Caller, writes],
        if_match: IfMatch = None,
    ) -> WithFigures:
        """Change an incident. What waits joins or leaves an open one as its matcher says now."""

        async def work(session: AsyncSession) -> Kept:
            _sees(caller, body.team)
            before = (await handler.known(session, incident, caller.teams)).incident
            wanted = _incident(incident, body, before.since, before.state)
            return await handler.change(session, wanted, caller.teams, caller.key_id, if_match)

        await database.write(work)
        await handler.bring_in_all(database, incident)
        return await _answer(database, incident, caller, response)

    @router.post("/{incident}/open")
    async def open_incident(
        incident: Annotated[str, _SLUG], response: Response, caller: Annotated[Caller, writes]
    ) -> WithFigures:
        """From now on mentions that match belong to it, and what waits already."""
        await database.write(lambda session: handler.open_(session, incident, caller.teams, caller.key_id))
        await handler.bring_in_all(database, incident)
        return await _answer(database, incident, caller, response)

    @router.post("/{incident}/close")
    async def close_incident(
        incident: Annotated[str, _SLUG], response: Response, caller: Annotated[Caller, writes]
    ) -> WithFigures:
        """It is over, or was none. Its items stay grouped until they are done."""
        await database.write(lambda session: handler.close(session, incident, caller.teams, caller.key_id))
        return await _answer(database, incident, caller, response)

    @router.get("/{incident}/items")
    async def list_items(
        incident: Annotated[str, _SLUG],
        caller: Annotated[Caller, reads],
        state: Literal["pending", "reserved", "assigned", "wrapping", "completed", "canceled"] | None = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[InIncident]:
        """Its items by the time they last changed."""
        async with database.read() as session:
            found = (await handler.known(session, incident, caller.teams)).incident
            rows = await store.items_of(
                session, incident, caller.teams, state=state, updated_after=updated_after,
                after=decode_cursor(cursor), limit=limit,
            )  # fmt: skip
            page, next_cursor = cut(rows, limit, lambda work: (work.updated_at, work.item.id))
            return Page(items=await _shown(session, found, list(page)), next_cursor=next_cursor)

    @router.post("/{incident}/take")
    async def take(incident: Annotated[str, _SLUG], body: TakeIn, caller: Annotated[Caller, works]) -> TakenTogether:
        """Several of its items for one agent, what is critical first: together they weigh as much as the first."""
        taken = await database.write(
            lambda session: bulk.take(
                session, setups, figures, incident, body.agent, body.count, caller.teams, caller.key_id
            )
        )
        async with database.read() as session:
            found = (await handler.known(session, incident, caller.teams)).incident
            return TakenTogether(items=await _shown(session, found, taken))

    @router.post("/{incident}/resolve")
    async def resolve(
        incident: Annotated[str, _SLUG], caller: Annotated[Caller, works], body: ResolveIn = _ALL
    ) -> ResolvedOut:
        """Close its open items without an answer of ours (a reply that went out completes its item by itself)."""
        completed = 0
        while True:
            done = await database.write(
                lambda session: bulk.resolve(
                    session, figures, incident, caller.teams, caller.key_id, agent=body.agent, critical=body.critical
                )
            )
            completed += done.completed
            if not done.completed:
                return ResolvedOut(completed=completed, critical=done.critical)

    return router


def _sees(caller: Caller, team: str) -> None:
    if not caller.sees(team):
        raise unknown("team", team, "Name a team of yours.")


async def _answer(database: Database, slug: str, caller: Caller, response: Response) -> WithFigures:
    async with database.read() as session:
        kept = await handler.known(session, slug, caller.teams)
        states, critical, clocks = await store.figures(session, slug)
        seconds = sorted(await store.waited(session, slug))
    response.headers["ETag"] = etag_of(kept.incident.version)
    return WithFigures(
        **_out(kept).model_dump(), items=states, critical=critical, clocks=clocks, waited=_waited(seconds)
    )


def _waited(seconds: Sequence[float]) -> Waited:
    """Of seconds in their order."""
    n = len(seconds)
    p50, p90, longest = (seconds[math.ceil(share * n / 100) - 1] if n else None for share in (50, 90, 100))
    return Waited(answered=n, p50_seconds=p50, p90_seconds=p90, longest_seconds=longest)


async def _shown(session: AsyncSession, incident: Incident, works: list[WorkItem]) -> list[InIncident]:
    said = await store.said_in(session, [work.item.id for work in works])
    return [
        InIncident(
            item=item_out(work),
            network=about.network,
            post_id=about.post_id,
            author_id=about.author_id,
            author_username=about.author_username,
            text=about.text,
            holding=holding_text(incident, work.item.routing.language, about.author_username),
        )
        for work in works
        if (about := said.get(work.item.id)) is not None
    ]


def _incident(slug: str, body: IncidentIn, since: datetime, state: Literal["proposed", "open", "closed"]) -> Incident:
    matcher = body.matcher
    return Incident(
        slug=slug,
        name=body.name,
        team=body.team,
        state=state,
        matcher=Matcher(
            topics=tuple(matcher.topics),
            keywords={language: tuple(some) for language, some in matcher.keywords.items()},
            handles=tuple(matcher.handles),
            languages=tuple(matcher.languages),
            intents=tuple(matcher.intents),
        ),
        since=body.since or since,
        until=body.until,
        holding=dict(body.holding),
        banner=dict(body.banner),
    )


def _out(kept: Kept) -> IncidentOut:
    incident, spike = kept.incident, kept.incident.spike
    return IncidentOut(
        incident=incident.slug,
        name=incident.name,
        team=incident.team,
        state=incident.state,
        matcher=MatcherIO(
            topics=list(incident.matcher.topics),
            keywords={language: list(some) for language, some in incident.matcher.keywords.items()},
            handles=list(incident.matcher.handles),
            languages=list(incident.matcher.languages),
            intents=list(incident.matcher.intents),
        ),
        since=incident.since,
        until=incident.until,
        holding=incident.holding,
        banner=incident.banner,
        spike=SpikeOut(**{name: getattr(spike, name) for name in SpikeOut.model_fields}) if spike else None,
        opened_at=incident.opened_at,
        closed_at=incident.closed_at,
        reason=incident.reason or None,
        version=incident.version,
        updated_at=kept.updated_at,
    )
