"""HTTP: what one should know before writing an answer."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from libs.common.auth import Caller, needs
from services.responder.api.closures import ClosureAnswer
from services.responder.api.shapes import Needed, ReplyAnswer, refusal
from services.responder.domain.by_hand import answer_url
from services.responder.domain.eligibility import CanDm, CanReply, DmReason, Reason
from services.responder.handlers.options import Composer, Options
from services.responder.handlers.replies import NotThere


class BudgetAnswer(BaseModel):
    """What the network lets this handle still do."""

    operation: str = Field(description="`post`, or `message` where private messages are counted apart")
    limit: int
    remaining: int
    reset_at: datetime | None = Field(description="Null: a new window, of which the network has not said the end")


class AnswerInstead(BaseModel):
    """Another message of the same conversation."""

    network: str
    post_id: str


class ReplyOptions(BaseModel):
    """For one mention, at this moment."""

    network: str
    post_id: str
    handle: str
    private: bool
    conversation_id: str
    conversation_version: int = Field(description="With this message in it; newer ones may be there")
    can_reply: CanReply = Field(
        description="`api`: posted from here; `uncertain`: tried once, and a person's where the network refuses;"
        " `manual`: a person posts it on the network's own site; `no`: nobody can"
    )
    reason: Reason
    why: str = Field(description="The same in words")
    can_dm: CanDm = Field(description="`yes`: they wrote to this handle in private")
    dm_reason: DmReason
    answer_url: str | None = Field(description="Where a person can answer by hand")
    longest: int | None = Field(description="In the network's own unit; POST /v1/length counts in it")
    budget: BudgetAnswer | None = Field(description="Null: the network has said nothing yet")
    closure: ClosureAnswer | None = Field(description="Of its conversation")
    handoff: str | None = Field(
        description="Words, without a link, that ask this person in public to go on in private; null: they are there"
        " already, or cannot be answered there"
    )
    draft: ReplyAnswer | None = Field(description="The latest to this mention")
    reply: ReplyAnswer | None = Field(description="What it has already: name it in `follow_up_of` to say more")
    held_by: str | None = Field(description="The agent who has the conversation in hand")
    answer_instead: AnswerInstead | None = Field(description="Of a deleted one: the latest that is still there")

    @classmethod
    def of(cls, options: Options) -> Self:
        target, budget, gone = options.target, options.budget, options.gone
        there = gone.living if gone else None
        return cls(
            network=target.network,
            post_id=target.post_id,
            handle=target.handle,
            private=target.private,
            conversation_id=target.conversation_id,
            conversation_version=target.conversation_version,
            can_reply=options.verdict.can_reply,
            reason=options.verdict.reason,
            why=options.verdict.why,
            can_dm=options.dm[0],
            dm_reason=options.dm[1],
            answer_url=None
            if gone
            else answer_url(target.network, target.post_id, "", private=target.private, author_id=target.author_id),
            longest=options.longest,
            budget=BudgetAnswer(
                operation=budget.operation,
                limit=budget.limit,
                remaining=budget.left(options.now),
                reset_at=budget.reset_at if budget.reset_at and budget.reset_at > options.now else None,
            )
            if budget
            else None,
            closure=ClosureAnswer.of(options.closure) if options.closure else None,
            handoff=options.handoff,
            draft=ReplyAnswer.of(options.draft) if options.draft else None,
            reply=ReplyAnswer.of(options.reply) if options.reply else None,
            held_by=options.holder.agent if options.holder else None,
            answer_instead=AnswerInstead(network=there.network, post_id=there.post_id) if there else None,
        )


def option_routes(composer: Composer) -> APIRouter:
    """`/v1/reply-options`."""
    routes = APIRouter(prefix="/v1", tags=["replies"])

    @routes.get("/reply-options")
    async def show(
        caller: Annotated[Caller, needs("replies:read")],
        network: Annotated[Needed, Query()],
        post_id: Annotated[Needed, Query(description="The mention to answer")],
    ) -> ReplyOptions:
        """Whether and how a mention may be answered, what is left of the budget, and what is there already."""
        options = await composer.options(network, post_id, caller.teams)
        if options is None:
            raise refusal(NotThere(), network=network, post_id=post_id)
        return ReplyOptions.of(options)

    return routes
