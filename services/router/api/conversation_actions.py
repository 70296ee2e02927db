"""What people do to a conversation over REST: resolve, reopen, snooze, hold, resume, dismiss, transfer, merge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.idempotency import OptionalKey
from services.router.api.conversation_shapes import (
    ConversationOut,
    DismissIn,
    HoldIn,
    MergeIn,
    SnoozeIn,
    TransferTo,
    conversation_out,
    once,
)
from services.router.domain.routing import Conversation
from services.router.handlers.conversations import By, Conversations
from services.router.handlers.moving import Moving
from services.router.store import conversations as store

_HELD = HoldIn(reason="")  # who says no more than that

Work = Callable[[AsyncSession, By], Awaitable[Conversation]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every action comes with."""

    request: Request
    caller: Caller
    key: str | None
    if_match: str | None


async def _asked(
    request: Request,
    caller: Annotated[Caller, needs("conversations:write")],
    key: OptionalKey,
    if_match: Annotated[str | None, Header(description="Only if it is still at this ETag")] = None,
) -> _Asked:
    return _Asked(request, caller, key, if_match)


Asked = Annotated[_Asked, Depends(_asked)]


def routes(database: Database, conversations: Conversations, moving: Moving) -> APIRouter:
    """Each takes `If-Match` and an `Idempotency-Key`, and answers with the conversation as it is then."""
    router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

    async def act(asked: _Asked, work: Work) -> Response:
        by = By(asked.caller.teams, asked.caller.key_id, asked.if_match)

        async def run(session: AsyncSession) -> ConversationOut:
            after = await work(session, by)
            row = await store.get_conversation(session, after.id, {"*"})  # it may be another team's by now
            assert row is not None
            return conversation_out(row)

        return await once(database, asked.request, asked.caller, asked.key, 200, run)

    @router.post("/{conversation_id}/resolve", response_model=ConversationOut)
    async def resolve(conversation_id: str, asked: Asked) -> Response:
        """Done: what waits is completed. It closes after 7 days; a message of the customer reopens it."""
        return await act(asked, lambda session, by: conversations.resolve(session, conversation_id, by))

    @router.post("/{conversation_id}/reopen", response_model=ConversationOut)
    async def reopen(conversation_id: str, asked: Asked) -> Response:
        """It needs an answer after all: a work item waits again."""
        return await act(asked, lambda session, by: conversations.reopen(session, conversation_id, by))

    @router.post("/{conversation_id}/snooze", response_model=ConversationOut)
    async def snooze(conversation_id: str, body: SnoozeIn, asked: Asked) -> Response:
        """Put it aside until a time: its agent keeps it, and it uses no capacity."""
        return await act(asked, lambda session, by: conversations.snooze(session, conversation_id, body.until, by))

    @router.post("/{conversation_id}/hold", response_model=ConversationOut)
    async def hold(conversation_id: str, asked: Asked, body: HoldIn = _HELD) -> Response:
        """It waits for a third party: its agent keeps it, and it uses no capacity. The clock goes on."""
        return await act(asked, lambda session, by: conversations.hold(session, conversation_id, body.reason, by))

    @router.post("/{conversation_id}/resume", response_model=ConversationOut)
    async def resume(conversation_id: str, asked: Asked) -> Response:
        """It goes on: with its agent if they are there and have room, else in its queue with its age."""
        return await act(asked, lambda session, by: conversations.resume(session, conversation_id, by))

    @router.post("/{conversation_id}/dismiss", response_model=ConversationOut)
    async def dismiss(conversation_id: str, body: DismissIn, asked: Asked) -> Response:
        """It needs no answer: what waits is canceled."""
        return await act(asked, lambda session, by: conversations.dismiss(session, conversation_id, body.reason, by))

    @router.post("/{conversation_id}/transfer", response_model=ConversationOut)
    async def transfer(conversation_id: str, body: TransferTo, asked: Asked) -> Response:
        """To a queue, a team or an agent, with its age. Another team sees this conversation from then on, no other."""

        def work(session: AsyncSession, by: By) -> Awaitable[Conversation]:
            if body.queue is not None:
                return moving.to_queue(session, conversation_id, body.queue, body.note, by)
            if body.team is not None:
                return moving.to_team(session, conversation_id, body.team, body.note, by)
            assert body.agent is not None
            return moving.to_agent(session, conversation_id, body.agent, body.note, by)

        return await act(asked, work)

    @router.post("/{conversation_id}/merge", response_model=ConversationOut)
    async def merge(conversation_id: str, body: MergeIn, asked: Asked) -> Response:
        """Its messages go on in another conversation, which is the answer; at most one open item stays there."""
        return await act(asked, lambda session, by: moving.merge(session, conversation_id, body.into, by))

    return router
