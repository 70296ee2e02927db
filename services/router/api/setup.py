"""The set-up over REST: queues, policies, targets, hours, skills, teams and procedures, one by one or all at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query
from pydantic import AwareDatetime, WithJsonSchema
from starlette.responses import Response

from libs.common.auth import Caller, forbidden, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, cut, decode_cursor
from libs.common.web import KIB
from services.router.api.setup_shapes import (
    SetupChanged,
    answer_schema,
    answers,
    body_schema,
    json_answer,
    read_many,
    read_one,
    schema_of,
    shown,
    shown_change,
    shown_changes,
)
from services.router.domain.configured import KINDS
from services.router.domain.words import DEFAULT_TEAM
from services.router.handlers.setup import SettingUp, unknown_thing
from services.router.store import setup as store
from services.router.store import setup_whole
from services.router.store.setup import Kept

WHOLE_BYTES = 2048 * KIB
"""What `PATCH /v1/setup` takes; one thing is never so large."""

IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]
DryRun = Annotated[bool, Query(description="Change nothing, say what would change")]
_Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"
_SKILL = r"^[a-z0-9][a-zA-Z0-9:_.-]{0,62}$"


@dataclass(frozen=True)
class _Kind:
    """How one kind stands in the API."""

    kind: str
    word: str  # its path parameter
    a: str  # as a sentence names one
    reads: str
    writes: str
    pattern: str = _SLUG
    listed: bool = True  # queues are listed with how they stand, elsewhere


_KINDS = (
    _Kind("queues", "queue", "a queue", "queues:read", "queues:write", listed=False),
    _Kind("routing-policies", "policy", "a routing policy", "queues:read", "queues:write"),
    _Kind("sla-policies", "policy", "a policy of targets", "queues:read", "queues:write"),
    _Kind("business-hours", "hours", "business hours", "queues:read", "queues:write"),
    _Kind("skills", "skill", "a skill", "queues:read", "queues:write", _SKILL),
    _Kind("teams", "team", "a team", "agents:read", "agents:write"),
    _Kind("procedures", "procedure", "a procedure", "templates:read", "templates:write"),
)
_BY_KIND = {each.kind: each for each in _KINDS}


def routes(database: Database, setting_up: SettingUp) -> list[APIRouter]:
    """A router for each kind, and one for all at once."""
    return [*(_of_kind(each, database, setting_up) for each in _KINDS), _of_all(database, setting_up)]


def _of_kind(of: _Kind, database: Database, setting_up: SettingUp) -> APIRouter:
    """List, read, put, delete, and every version there was."""
    kind, name = of.kind, of.kind.replace("-", " ")
    router = APIRouter(prefix=f"/v1/{kind}", tags=[name])
    one, path = f"/{{{of.word}}}", Path(alias=of.word, pattern=of.pattern, max_length=63)
    reads, writes = needs(of.reads), needs(of.writes)
    body_is = body_schema(kind)

    if of.listed:
        _list_route(router, of, database)

    @router.get(
        one, name=f"get_{of.word}_of_{kind}", description=f"{_capital(of.a)}, with its `ETag`.",
        responses={200: answers(answer_schema(kind))}, response_model=None,
    )  # fmt: skip
    async def get_one(slug: Annotated[str, path], caller: Annotated[Caller, reads]) -> Response:
        kept = await _kept(database, kind, slug, caller)
        return json_answer(shown(kept), version=kept.version)

    @router.put(
        one, name=f"put_{of.word}_of_{kind}", response_model=None,
        description=f"Create (201) or replace {of.a}. The same again changes nothing. `warnings` say what is strange.",
        responses={200: answers(answer_schema(kind, changed=True)),
                   201: answers(answer_schema(kind, changed=True), "Created")},
    )  # fmt: skip
    async def put_one(
        slug: Annotated[str, path],
        body: Annotated[dict[str, Any], *body_is],
        caller: Annotated[Caller, writes],
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> Response:
        wanted = {(kind, slug): read_one(kind, slug, body)}
        outcome = await setting_up.change(wanted, caller, if_match=if_match, dry_run=dry_run)
        [change] = outcome.changes
        assert change.after is not None
        created = change.done == "created" and not dry_run
        etag = None if dry_run and change.done != "same" else change.after.version
        return json_answer(shown_change(outcome), 201 if created else 200, etag)

    @router.delete(
        one, status_code=204, name=f"delete_{of.word}_of_{kind}", response_model=None,
        description=f"Take {of.a} out. 409 while something names it"
        + (" or it holds items; the default queue stays." if kind == "queues" else "."),
    )  # fmt: skip
    async def delete_one(
        slug: Annotated[str, path], caller: Annotated[Caller, writes], if_match: IfMatch = None, dry_run: DryRun = False
    ) -> None:
        await setting_up.change({(kind, slug): None}, caller, if_match=if_match, dry_run=dry_run)

    @router.get(
        f"{one}/versions", name=f"versions_of_{of.word}_of_{kind}", response_model=None,
        description=f"Every version {of.a} had, oldest first; `deleted` where it was taken out.",
        responses={200: answers(_VERSIONS)},
    )  # fmt: skip
    async def get_versions(slug: Annotated[str, path], caller: Annotated[Caller, reads]) -> Response:
        async with database.read() as session:
            kept = await store.get(session, kind, slug)
            rows = await store.versions(session, kind, slug)
        bodies = [row["body"] for row in rows if row["body"] is not None]
        team = kept.team if kept else slug if kind == "teams" else _team_of(bodies[-1] if bodies else {})
        if not rows or not caller.sees(team):
            raise unknown_thing(kind, slug)
        return json_answer({"items": [_version(row) for row in rows]})

    return router


def _list_route(router: APIRouter, of: _Kind, database: Database) -> None:
    kind, name, reads = of.kind, of.kind.replace("-", " "), needs(of.reads)
    schema = {"items": {"type": "array", "items": answer_schema(kind)}, "next_cursor": {"type": ["string", "null"]}}

    async def listed(
        caller: Caller, limit: int, cursor: str | None, since: datetime | None, keep: Callable[[Kept], bool]
    ) -> Response:
        after = decode_cursor(cursor)
        async with database.read() as session:
            found = await store.list_kind(session, kind, caller.teams)
        found = [each for each in found if keep(each) and (since is None or each.updated_at > since)]
        in_order = sorted(found, key=lambda each: (each.updated_at, each.slug))
        rest = [each for each in in_order if after is None or (each.updated_at, each.slug) > after]
        page, next_cursor = cut(rest[: limit + 1], limit, lambda each: (each.updated_at, each.slug))
        return json_answer({"items": [shown(each) for each in page], "next_cursor": next_cursor})

    whose = "Your teams" if kind == "teams" else f"All {name} of your teams"
    about: dict[str, Any] = {
        "name": f"list_{kind}", "response_model": None,
        "responses": {200: answers({"type": "object", "properties": schema})},
        "description": f"{whose}, by the time they last changed.",
    }  # fmt: skip
    if kind == "procedures":

        @router.get("", **about)
        async def list_procedures(
            caller: Annotated[Caller, reads],
            topic: Annotated[str | None, Query(max_length=100, description="Only those for this topic")] = None,
            intent: Annotated[str | None, Query(max_length=100, description="Only those for this intent")] = None,
            limit: Limit = PAGE,
            cursor: _Cursor = None,
            updated_after: AwareDatetime | None = None,
        ) -> Response:
            def fits(kept: Kept) -> bool:
                return (topic is None or topic in kept.body.get("topics", ())) and (
                    intent is None or intent in kept.body.get("intents", ())
                )

            return await listed(caller, limit, cursor, updated_after, fits)

        return

    @router.get("", **about)
    async def list_all(
        caller: Annotated[Caller, reads],
        limit: Limit = PAGE,
        cursor: _Cursor = None,
        updated_after: AwareDatetime | None = None,
    ) -> Response:
        return await listed(caller, limit, cursor, updated_after, lambda _: True)


def _of_all(database: Database, setting_up: SettingUp) -> APIRouter:
    router = APIRouter(prefix="/v1/setup", tags=["set-up"])
    whole = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            kind: {"type": "object", "additionalProperties": {"anyOf": [schema_of(kind), {"type": "null"}]}}
            for kind in KINDS
        },
    }
    body_is = (Body(), WithJsonSchema(whole))

    @router.get("", response_model=None, responses={200: answers(whole)})
    async def get_setup(caller: Annotated[Caller, needs("queues:read")]) -> Response:
        """The set-up of your teams by kind and slug, as far as your key may read; its `ETag` is its revision."""
        async with database.read() as session:
            revision = await setup_whole.revision(session)
            kept = await setup_whole.whole(session)
        found: dict[str, dict[str, Any]] = {kind: {} for kind, of in _BY_KIND.items() if caller.may(of.reads)}
        for each in kept.values():
            if each.kind in found and caller.sees(each.team):
                found[each.kind][each.slug] = shown(each)
        return json_answer({"revision": revision, **found}, version=revision)

    @router.patch("", response_model=SetupChanged)
    async def patch_setup(
        body: Annotated[dict[str, Any], *body_is],
        caller: Annotated[Caller, needs("queues:write")],
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> Response:
        """Bring many things there at once, all or none; `null` takes one out, what is not named stays.

        They may name each other in any order. Each kind takes the scope that it takes alone.
        """
        for kind in body:
            if kind in _BY_KIND and not caller.may(_BY_KIND[kind].writes):
                raise forbidden(caller, _BY_KIND[kind].writes)
        outcome = await setting_up.change(read_many(body), caller, if_match=if_match, dry_run=dry_run, whole=True)
        return json_answer(shown_changes(outcome), version=outcome.revision)

    return router


async def _kept(database: Database, kind: str, slug: str, caller: Caller) -> Kept:
    async with database.read() as session:
        kept = await store.get(session, kind, slug)
    if kept is None or not caller.sees(kept.team):
        raise unknown_thing(kind, slug)
    return kept


def _team_of(body: dict[str, Any]) -> str:
    return str(body.get("team", DEFAULT_TEAM))


def _version(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": row["version"],
        "deleted": row["body"] is None,
        "body": row["body"],
        "actor": row["actor"],
        "at": row["at"],
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_VERSIONS = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "version": {"type": "integer"},
                    "deleted": {"type": "boolean"},
                    "body": {"type": ["object", "null"]},
                    "actor": {"type": "string"},
                    "at": {"type": "string", "format": "date-time"},
                },
            },
        }
    },
}
