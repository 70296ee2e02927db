"""HTTP: what a brand asks of its replies: signatures, whose replies somebody reads first, what a machine writes."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import check_if_match, etag_of
from libs.common.problems import Problem
from services.responder.api.replies import IfMatch
from services.responder.api.shapes import Needed
from services.responder.domain.handoff import has_link
from services.responder.domain.machines import FIELDS, unfillable
from services.responder.store import rules as store
from services.responder.store import templates

Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[\x21-\x7e\u00a1-\ud7ff]+$")]
Signature = Annotated[str, StringConstraints(max_length=40, pattern=r"^[^\x00{}]*\{initials\}[^\x00{}]*$")]
Slug = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")]
Initials = Annotated[str, StringConstraints(max_length=10, pattern=r"^[^\x00{}\s]*$")]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    team: Needed = "main"
    approval: bool = Field(False, description="Somebody else reads each reply before it goes")


class HandleRuleBody(_Rule):
    """Of one handle."""

    sign: bool = Field(False, description="The agent's initials stand at the end of each reply")
    signature: Signature = "^{initials}"
    acknowledgement: Slug = Field(
        "", description="Template of an automatic acknowledgement; in public only if `automated`", examples=["received"]
    )
    automated: bool = Field(False, description="The account is labelled as automated on its network")
    survey: Slug = Field("", description="Template of a survey after a private conversation", examples=["how-was-it"])
    survey_cooldown_days: int = Field(90, ge=1, le=3650, description="Between two surveys to one person")
    handoff: Slug = Field(
        "", description="Template that asks in public to go on in private, without a link; else words of ours"
    )


class AgentRuleBody(_Rule):
    """Of one agent."""

    initials: Initials = Field("", examples=["AB"])


def rule_routes(database: Database) -> APIRouter:
    """`/v1/reply-rules`. A rule that was never written asks for nothing, and is at version 0."""
    routes = APIRouter(prefix="/v1/reply-rules", tags=["reply rules"])

    @routes.get("/handles/{network}/{handle}")
    async def show_handle(
        network: Name, handle: Name, caller: Annotated[Caller, needs("handles:read")], response: Response
    ) -> HandleRuleBody:
        """Whether replies of this handle are signed, and read first, and what a machine writes."""
        kept = await _read("handle", f"{network}:{handle}", caller, response)
        return (
            HandleRuleBody.model_validate({"team": kept.team, **kept.body})
            if kept
            else HandleRuleBody.model_validate({})
        )

    @routes.put("/handles/{network}/{handle}")
    async def put_handle(
        network: Name,
        handle: Name,
        rule: HandleRuleBody,
        caller: Annotated[Caller, needs("handles:write")],
        response: Response,
        if_match: IfMatch = None,
    ) -> HandleRuleBody:
        """From the next reply on. What a machine writes is named by a template that it can fill by itself."""
        async with database.read() as session:
            await _check_templates(session, rule, caller)
        await _write("handle", f"{network}:{handle}", rule, caller, response, if_match)
        return rule

    @routes.get("/agents/{agent}")
    async def show_agent(
        agent: Name, caller: Annotated[Caller, needs("agents:read")], response: Response
    ) -> AgentRuleBody:
        """An agent's initials, and whether their replies are read first."""
        kept = await _read("agent", agent, caller, response)
        return (
            AgentRuleBody.model_validate({"team": kept.team, **kept.body}) if kept else AgentRuleBody.model_validate({})
        )

    @routes.put("/agents/{agent}")
    async def put_agent(
        agent: Name,
        rule: AgentRuleBody,
        caller: Annotated[Caller, needs("agents:write")],
        response: Response,
        if_match: IfMatch = None,
    ) -> AgentRuleBody:
        """From the next reply on."""
        await _write("agent", agent, rule, caller, response, if_match)
        return rule

    async def _read(kind: store.Kind, name: str, caller: Caller, response: Response) -> store.Kept | None:
        async with database.read() as session:
            kept = await store.find(session, kind, name, caller.teams)
        response.headers["ETag"] = etag_of(kept.version if kept else 0)
        return kept

    async def _write(
        kind: store.Kind, name: str, rule: _Rule, caller: Caller, response: Response, if_match: str | None
    ) -> None:
        if not caller.sees(rule.team):
            raise Problem(403, "not-your-team", "This key does not act for that team", f"It may not for {rule.team}.")
        body = rule.model_dump(exclude={"team"}, exclude_defaults=True)

        async def keep(session: AsyncSession) -> int:
            known = await store.find(session, kind, name, caller.teams)
            version = known.version if known else 0
            check_if_match(if_match, version)
            await store.keep(session, kind, name, store.Kept(rule.team, version + 1, body), await db.now(session))
            return version + 1

        response.headers["ETag"] = etag_of(await database.write(keep))

    return routes


async def _check_templates(session: AsyncSession, rule: HandleRuleBody, caller: Caller) -> None:
    """Raises: Problem, 422, that names the template there is not, or the fields that no machine can fill."""
    for field in ("acknowledgement", "survey", "handoff"):
        slug = getattr(rule, field)
        template = await templates.latest(session, slug, caller.teams) if slug else None
        if not slug:
            continue
        if template is None or not template.texts:
            raise Problem(
                422,
                "no-such-template",
                "There is no such template",
                f"There is no template {slug} that you may see.",
                f"Write it first: PUT /v1/templates/{slug}.",
                errors=[{"in": "body", "path": f"$.{field}", "detail": f"there is no template {slug}"}],
            )
        if wrong := unfillable(template):
            named = "; ".join(f"{tag}: {', '.join(f'{{{name}}}' for name in names)}" for tag, names in wrong.items())
            raise Problem(
                422,
                "not-for-a-machine",
                "A machine cannot fill this template",
                f"{slug} has fields that only a person can fill ({named}).",
                "A machine fills " + " and ".join(f"{{{name}}}" for name in FIELDS) + "; leave the others out.",
                errors=[{"in": "body", "path": f"$.{field}", "detail": f"{slug} has {named}"}],
            )
        if field == "handoff" and (link := has_link(template)):
            raise Problem(
                422,
                "has-a-link",
                "This template has a link",
                f"{slug} has {link}: X counts a post with a link twenty times, and people pass over it.",
                "Ask in words; the network shows them where to write.",
                errors=[{"in": "body", "path": "$.handoff", "detail": f"{slug} has {link}"}],
            )
