"""HTTP: surveys with their answers, and who wants no message that a machine writes."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from libs.common.problems import Problem
from services.responder.api.shapes import utc
from services.responder.domain.surveys import State, Survey
from services.responder.handlers.surveys import Surveys
from services.responder.store import machines
from services.responder.store import surveys as store
from services.responder.store.machines import Stop

_WORD = r"^[\x21-\x7e\u00a1-\ud7ff]+$"
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=_WORD)]
Handle = Annotated[str, Query(min_length=1, max_length=200, pattern=_WORD, description="Whose messages they mean")]
Team = Annotated[str, Query(min_length=1, max_length=200, pattern=_WORD, description="That of the handle")]


class SurveyAnswer(BaseModel):
    """One customer asked about one conversation, and what they said."""

    conversation_id: str
    network: str
    handle: str
    author_id: str
    team: str
    queue: str
    language: str
    intent: str
    agent: str = Field(description="Who answered last")
    state: State
    reason: str = Field(description="Why it was suppressed")
    resolved_at: datetime
    due_at: datetime = Field(description="To be sent, or, once it is sent, to expire")
    reply_id: str = Field(description="Its message: GET /v1/replies/{id}")
    sent_at: datetime | None
    rating: int | None = Field(description="1..5")
    comment: str
    answered_at: datetime | None
    updated_at: datetime

    @classmethod
    def of(cls, survey: Survey) -> Self:
        return cls.model_validate(survey, from_attributes=True)


class StopAnswer(BaseModel):
    """Somebody who wants no message of a machine from this handle."""

    network: str
    author_id: str
    handle: str
    team: str
    stopped_at: datetime

    @classmethod
    def of(cls, stop: Stop) -> Self:
        return cls.model_validate(stop, from_attributes=True)


def survey_routes(database: Database, surveys: Surveys) -> APIRouter:
    """`/v1/surveys`."""
    routes = APIRouter(prefix="/v1/surveys", tags=["surveys"])
    reads, writes = needs("replies:read"), needs("replies:write")

    @routes.get("")
    async def list_surveys(
        caller: Annotated[Caller, reads],
        state: State | None = None,
        handle: str | None = None,
        updated_after: AwareDatetime | None = None,
        limit: Limit = PAGE,
        cursor: str | None = None,
    ) -> Page[SurveyAnswer]:
        """Surveys in the order in which they changed."""
        async with database.read() as session:
            found = await store.page(
                session,
                caller.teams,
                state=state,
                handle=handle,
                updated_after=utc(updated_after, "updated_after") if updated_after else None,
                after=decode_cursor(cursor),
                most=limit + 1,
            )
        shown, following = cut(found, limit, lambda survey: (survey.updated_at, survey.conversation_id))
        return Page(items=[SurveyAnswer.of(survey) for survey in shown], next_cursor=following)

    @routes.get("/{conversation_id}")
    async def show(conversation_id: Name, caller: Annotated[Caller, reads]) -> SurveyAnswer:
        """The survey of one conversation."""
        async with database.read() as session:
            survey = await store.find(session, conversation_id, caller.teams)
        if survey is None:
            raise _no_such_survey(conversation_id)
        return SurveyAnswer.of(survey)

    @routes.post("/{conversation_id}/cancel")
    async def cancel(conversation_id: Name, caller: Annotated[Caller, writes]) -> SurveyAnswer:
        """Do not send a survey that is scheduled. Twice is the same as once."""

        async def take_back(session: AsyncSession) -> Survey:
            survey, canceled = await surveys.cancel(session, conversation_id, caller.teams)
            if survey is None:
                raise _no_such_survey(conversation_id)
            if not canceled:
                raise Problem(
                    409,
                    "too-late",
                    "It is too late to take this survey back",
                    f"It is {survey.state}" + (", and its message is on its way." if survey.reply_id else "."),
                    "Only what is scheduled can be taken back.",
                    survey_state=survey.state,
                )
            return survey

        return SurveyAnswer.of(await database.write(take_back))

    return routes


def stop_routes(database: Database, surveys: Surveys) -> APIRouter:
    """`/v1/stops`."""
    routes = APIRouter(prefix="/v1/stops", tags=["surveys"])
    reads, writes = needs("replies:read"), needs("replies:write")

    @routes.get("")
    async def list_stops(
        caller: Annotated[Caller, reads], limit: Limit = PAGE, cursor: str | None = None
    ) -> Page[StopAnswer]:
        """Who wants no message that a machine writes, in the order in which they said so."""
        async with database.read() as session:
            found = await machines.page(session, caller.teams, after=decode_cursor(cursor), most=limit + 1)
        shown, following = cut(found, limit, lambda stop: (stop.stopped_at, machines.who(stop)))
        return Page(items=[StopAnswer.of(stop) for stop in shown], next_cursor=following)

    @routes.put("/{network}/{author_id}", status_code=204)
    async def stop(
        network: Name, author_id: Name, handle: Handle, caller: Annotated[Caller, writes], team: Team = "main"
    ) -> None:
        """Note that somebody wants none, who said so elsewhere: no acknowledgement, no survey. Twice is once."""
        if not caller.sees(team):
            raise Problem(403, "not-your-team", "This key does not act for that team", f"It may not for {team}.")

        async def keep(session: AsyncSession) -> None:
            await surveys.stop(session, Stop(network, author_id, handle, team, await db.now(session)))

        await database.write(keep)

    @routes.delete("/{network}/{author_id}", status_code=204)
    async def go_on(network: Name, author_id: Name, handle: Handle, caller: Annotated[Caller, writes]) -> None:
        """They want them again."""
        person = network, author_id, handle
        if not await database.write(lambda session: machines.go_on(session, person, caller.teams)):
            words = f"Not to {handle}, as far as you may see."
            raise Problem(404, "no-such-stop", "This person did not say stop", words)

    return routes


def _no_such_survey(conversation_id: str) -> Problem:
    return Problem(
        404,
        "no-such-survey",
        "There is no survey about this conversation",
        f"There is none about {conversation_id[:80]} that you may see.",
    )
