"""HTTP: templates, and what they say about one mention."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, check_if_match, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.responder.api.replies import IfMatch
from services.responder.api.shapes import Needed, Word
from services.responder.domain.replies import wrong_with
from services.responder.domain.templates import FIELDS, Template, render, unknown_fields
from services.responder.store import mentions, rules
from services.responder.store import templates as store

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")]
_Plain = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class TemplateBody(BaseModel):
    """A text in several languages. What stands in braces is filled in; the fields are a fixed list."""

    model_config = ConfigDict(extra="forbid")

    name: _Plain = ""
    team: Needed = "main"
    texts: dict[Language, Annotated[str, StringConstraints(min_length=1, max_length=5000)]] = Field(
        min_length=1, max_length=40, examples=[{"fr": "Bonjour {author}, votre train a {delay} de retard. {link}"}]
    )


class TemplateOut(BaseModel):
    """One version of a template."""

    slug: str
    version: int
    team: str
    name: str
    texts: dict[str, str]

    @classmethod
    def of(cls, template: Template) -> Self:
        return cls.model_validate(template, from_attributes=True)


class Rendering(BaseModel):
    """For which mention, by whom, and the fields only the writer knows."""

    model_config = ConfigDict(extra="forbid")

    network: Needed
    post_id: Needed
    agent: Word = ""
    language: Language | None = Field(None, description="The mention's own unless written")
    fields: dict[str, _Plain] = Field({}, max_length=40)


class RenderedOut(BaseModel):
    """The text filled in; `missing` fields still stand in it."""

    template: str
    language: str
    text: str
    missing: list[str]


def template_routes(database: Database) -> APIRouter:
    """`/v1/templates`."""
    routes = APIRouter(prefix="/v1/templates", tags=["templates"])
    reads, writes = needs("templates:read"), needs("templates:write")

    @routes.get("")
    async def list_templates(
        caller: Annotated[Caller, reads], limit: Limit = PAGE, cursor: str | None = None
    ) -> Page[TemplateOut]:
        """The latest version of each, in the order in which they changed."""
        async with database.read() as session:
            found = await store.page(session, caller.teams, after=decode_cursor(cursor), most=limit + 1)
        shown, following = cut(found, limit, _mark)
        return Page(items=[TemplateOut.of(template) for template, _ in shown], next_cursor=following)

    @routes.get("/{slug}")
    async def show(
        slug: Slug,
        caller: Annotated[Caller, reads],
        response: Response,
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="An older one")] = None,
    ) -> TemplateOut:
        """One template."""
        async with database.read() as session:
            template = await _needed(session, slug, caller, version)
        response.headers["ETag"] = etag_of(template.version)
        return TemplateOut.of(template)

    @routes.put("/{slug}")
    async def put(
        slug: Slug, body: TemplateBody, caller: Annotated[Caller, writes], response: Response, if_match: IfMatch = None
    ) -> TemplateOut:
        """Write a template; each change is a new version, and the old ones stay readable."""
        _check(body)
        if not caller.sees(body.team):
            raise _no_such_team(body.team)

        async def keep(session: AsyncSession) -> Template:
            known = await store.latest(session, slug, caller.teams, lock=True)
            check_if_match(if_match, known.version if known else 0)
            if known and (known.team, known.name, dict(known.texts)) == (body.team, body.name, body.texts):
                return known
            new = Template(slug, known.version + 1 if known else 1, body.team, body.name, body.texts)
            await store.keep(session, new, caller.key_id, await db.now(session))
            return new

        template = await database.write(keep)
        response.headers["ETag"] = etag_of(template.version)
        return TemplateOut.of(template)

    @routes.delete("/{slug}", status_code=204)
    async def delete(slug: Slug, caller: Annotated[Caller, writes], if_match: IfMatch = None) -> None:
        """Take a template away; what was written from it still names it."""

        async def take_away(session: AsyncSession) -> None:
            known = await store.latest(session, slug, caller.teams, lock=True)
            if known is None or not known.texts:
                raise _no_such_template(slug)
            check_if_match(if_match, known.version)
            gone = Template(slug, known.version + 1, known.team, known.name, {})
            await store.keep(session, gone, caller.key_id, await db.now(session))

        await database.write(take_away)

    @routes.post("/{slug}/render")
    async def fill_in(
        slug: Slug,
        about: Rendering,
        caller: Annotated[Caller, reads],
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    ) -> RenderedOut:
        """The template for one mention, in its language. To be adapted before it is sent."""
        _check_fields({name: f"{{{name}}}" for name in about.fields}, "fields")
        async with database.read() as session:
            template = await _needed(session, slug, caller, version)
            target = await mentions.target(session, about.network, about.post_id, caller.teams)
            if target is None:
                raise Problem(404, "no-such-mention", "This mention is not known here")
            agent = await rules.of_agent(session, about.agent)
        values = {
            **about.fields,
            "author": f"@{target.author_username}" if target.author_username else "",
            "handle": f"@{target.handle}",
            "agent": about.agent,
            "initials": agent.initials,
        }
        rendered = render(template, about.language or target.language, values)
        return RenderedOut(
            template=template.label, language=rendered.language, text=rendered.text, missing=list(rendered.missing)
        )

    return routes


def _mark(row: tuple[Template, datetime]) -> tuple[datetime, str]:
    return row[1], row[0].slug


async def _needed(session: AsyncSession, slug: str, caller: Caller, version: int | None) -> Template:
    template = await store.latest(session, slug, caller.teams, version=version)
    if template is None or not template.texts:
        raise _no_such_template(slug)
    return template


def _check(body: TemplateBody) -> None:
    _check_fields(body.texts, "texts")
    for language, text in body.texts.items():
        if problem := wrong_with(text):
            raise Problem(422, "text-not-sendable", "This text cannot be sent", f"{language}: {problem}", "Change it.")


def _check_fields(texts: dict[str, str], where: str) -> None:
    """Raises: Problem, 422, that names each field there is not, and the nearest there is."""
    errors = [
        {
            "in": "body",
            "path": f"$.{where}.{key}",
            "field": name,
            "detail": f"There is no field {{{name}}}" + (f"; did you mean {{{near}}}?" if near else ""),
            "nearest": near or None,
        }
        for key, text in texts.items()
        for name, near in unknown_fields(text).items()
    ]
    if errors:
        raise Problem(
            422,
            "no-such-field",
            "A field of this template does not exist",
            "; ".join(str(error["detail"]) for error in errors[:3]),
            "The fields are " + ", ".join(f"{{{name}}}" for name in FIELDS) + ".",
            errors=errors,
        )


def _no_such_template(slug: str) -> Problem:
    return Problem(404, "no-such-template", "There is no such template", f"There is no template {slug} you may see.")


def _no_such_team(team: str) -> Problem:
    return Problem(403, "not-your-team", "This key does not act for that team", f"It may not write for {team}.")
