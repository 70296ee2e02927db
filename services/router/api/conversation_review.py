"""Many conversations at once over REST: the review of what went stale or was set aside."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.errors import Raced
from libs.common.problems import Problem
from services.router.domain.conversations import Dismissal
from services.router.domain.routing import Conversation
from services.router.handlers.conversations import By, Conversations

AT_ONCE = 200


class ReviewIn(BaseModel):
    """What a person decided about these conversations."""

    model_config = ConfigDict(extra="forbid")

    conversations: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(min_length=1, max_length=AT_ONCE)
    action: Literal["resolve", "reopen", "dismiss"]
    reason: Dismissal | None = Field(None, description="Why it needs no answer: with `dismiss` only")

    @model_validator(mode="after")
    def _reason_of_a_dismissal(self) -> "ReviewIn":
        if (self.action == "dismiss") != (self.reason is not None):
            raise ValueError("`dismiss` needs a reason, and the others have none")
        return self


class Refused(BaseModel):
    """One that stays as it is, and the problem that acting on it alone would have been answered with."""

    conversation_id: str
    problem: dict[str, Any]


class ReviewOut(BaseModel):
    """What became of each: those that are done, in the order asked, and those that could not be."""

    done: list[str]
    refused: list[Refused]


def routes(database: Database, conversations: Conversations) -> APIRouter:
    """The review's route."""
    router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

    @router.post("/reviews")
    async def review(body: ReviewIn, caller: Annotated[Caller, needs("conversations:write")]) -> ReviewOut:
        """Resolve, reopen or dismiss many. Each is done or refused by itself: repeating it harms nothing."""
        by = By(caller.teams, caller.key_id)
        out = ReviewOut(done=[], refused=[])
        for id_ in dict.fromkeys(body.conversations):
            try:
                await database.write(_work(conversations, body, id_, by))
                out.done.append(id_)
            except Problem as problem:
                out.refused.append(_refused(id_, problem))
            except Raced:
                again = Problem(409, "changed-since", "Somebody was quicker", "It changed meanwhile.", "Try it again.")
                out.refused.append(_refused(id_, again))
        return out

    return router


def _work(
    conversations: Conversations, body: ReviewIn, id_: str, by: By
) -> Callable[[AsyncSession], Awaitable[Conversation]]:
    if body.reason is not None:
        reason = body.reason
        return lambda session: conversations.dismiss(session, id_, reason, by)
    if body.action == "resolve":
        return lambda session: conversations.resolve(session, id_, by)
    return lambda session: conversations.reopen(session, id_, by)


def _refused(id_: str, problem: Problem) -> Refused:
    return Refused(conversation_id=id_, problem=problem.content)
