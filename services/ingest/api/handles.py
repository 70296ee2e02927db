"""`/v1/handles`: the brand's accounts, by slug; callers see those of their teams."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, check_if_match, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.ingest import store
from services.ingest.domain import Handle, Purpose
from services.ingest.handlers import Directory

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Like `support-fr`")]
IfMatch = Annotated[str | None, Header(description="Change it only if it is still as this ETag says")]
_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class HandleIn(BaseModel):
    """One account of the brand on a network."""

    model_config = ConfigDict(extra="forbid")

    network: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$", examples=["x"])]
    username: Annotated[_Text, Field(min_length=1, description="With or without the @")]
    external_id: Annotated[_Text, Field(description="Its id on the network, where it is known")] = ""
    name: _Text = ""
    purpose: Annotated[
        Purpose, Field(description="A post naming several goes to support, then country, then brand")
    ] = "support"
    languages: Annotated[list[_Language], Field(max_length=50)] = []
    team: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "main"
    other_ways: Annotated[
        list[_Text], Field(max_length=20, description="Other ways of contact, as shown to people")
    ] = []

    @field_validator("username")
    @classmethod
    def _without_at(cls, username: str) -> str:
        bare = username.strip().removeprefix("@")
        if not bare:
            raise ValueError("a user name has at least one character")
        return bare


class HandleOut(BaseModel):
    """A handle as it stands."""

    slug: str
    network: str
    username: str
    external_id: str
    name: str
    purpose: Purpose
    languages: list[str]
    team: str
    other_ways: list[str]
    version: int
    updated_at: AwareDatetime


def routes(database: Database, directory: Directory) -> APIRouter:
    """The handles' routes."""
    router = APIRouter(prefix="/v1/handles", tags=["handles"])

    @router.get("")
    async def list_handles(
        caller: Annotated[Caller, needs("handles:read")],
        limit: Limit = PAGE,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
        updated_after: AwareDatetime | None = None,
    ) -> Page[HandleOut]:
        """The handles of your teams, by `updated_at` and slug."""
        after = decode_cursor(cursor)
        async with database.read() as session:
            found = await store.handles(session, caller.teams, limit=limit, after=after, updated_after=updated_after)
        page, next_cursor = cut(found, limit, lambda handle: (handle.updated_at, handle.slug))
        return Page(items=[_out(handle) for handle in page], next_cursor=next_cursor)

    @router.get("/{slug}")
    async def show_handle(
        slug: Slug, caller: Annotated[Caller, needs("handles:read")], response: Response
    ) -> HandleOut:
        """One handle, with its `ETag`."""
        async with database.read() as session:
            handle = await store.handle(session, slug, caller.teams)
        if handle is None:
            raise _no_handle(slug)
        response.headers["ETag"] = etag_of(handle.version)
        return _out(handle)

    @router.put("/{slug}", responses={201: {"model": HandleOut, "description": "Created"}})
    async def put_handle(
        slug: Slug,
        wanted: HandleIn,
        caller: Annotated[Caller, needs("handles:write")],
        response: Response,
        if_match: IfMatch = None,
    ) -> HandleOut:
        """Create the handle (201) or replace it. The same again changes nothing."""
        if not caller.sees(wanted.team):
            raise _no_team(wanted.team, caller)

        async def work(session: AsyncSession) -> tuple[Handle, bool]:
            known = await store.lock_handle(session, slug)
            if known is not None and not caller.sees(known.team):
                raise Problem(409, "name-taken", "This name is taken", fix="Choose another one.")
            check_if_match(if_match, known.version if known else 0)
            try:
                kept = await store.keep_handle(session, Handle(slug=slug, **wanted.model_dump()), known)
            except store.AccountTaken as error:
                raise _account_taken(error.holder, caller) from error
            return kept, known is None

        kept, created = await database.write(work)
        await directory.changed()
        response.status_code = 201 if created else 200
        response.headers["ETag"] = etag_of(kept.version)
        return _out(kept)

    @router.delete("/{slug}", status_code=204)
    async def remove_handle(
        slug: Slug, caller: Annotated[Caller, needs("handles:write")], if_match: IfMatch = None
    ) -> None:
        """Delete the handle; posts that name it go to `default` from now on."""

        async def work(session: AsyncSession) -> None:
            known = await store.lock_handle(session, slug)
            if known is None or not caller.sees(known.team):
                raise _no_handle(slug)
            check_if_match(if_match, known.version)
            await store.remove_handle(session, slug)

        await database.write(work)
        await directory.changed()

    return router


def _out(handle: Handle) -> HandleOut:
    return HandleOut(
        slug=handle.slug,
        network=handle.network,
        username=handle.username,
        external_id=handle.external_id,
        name=handle.name,
        purpose=handle.purpose,
        languages=list(handle.languages),
        team=handle.team,
        other_ways=list(handle.other_ways),
        version=handle.version,
        updated_at=handle.updated_at,
    )


def _no_handle(slug: str) -> Problem:
    return Problem(
        404, "no-such-handle", "There is no such handle", f"You have no handle {slug}.", "GET /v1/handles lists yours."
    )


def _no_team(team: str, caller: Caller) -> Problem:
    return Problem(
        404,
        "no-such-team",
        "There is no such team",
        f"This key acts for no team {team}.",
        f"It acts for {', '.join(sorted(caller.teams))}.",
    )


def _account_taken(holder: Handle, caller: Caller) -> Problem:
    who = f"The handle {holder.slug}" if caller.sees(holder.team) else "A handle of another team"
    return Problem(
        409,
        "account-taken",
        "Another handle has this account",
        f"{who} is @{holder.username} on {holder.network} already.",
        "Change that one, or delete it first.",
    )
