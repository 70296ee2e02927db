"""Work items over REST: take the next, claim, release, complete."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from libs.common.trace import traceparent
from services.router.api.mentions import ConversationOut, Cursor, MentionOut, UpdatedAfter, mention_out
from services.router.api.queues import Slug
from services.router.handlers import desk
from services.router.handlers.taking import Ask, Takers
from services.router.store import conversations, items
from services.router.store.items import WorkItem


class ItemOut(BaseModel):
    """The routable unit: this conversation needs an agent."""

    id: str
    conversation_id: str
    queue: str
    team: str
    state: str
    urgency: str
    enqueued_at: datetime
    due_at: datetime | None
    agent: str | None
    assigned_at: datetime | None
    reason: str | None
    version: int
    updated_at: datetime


class Change(BaseModel):
    """One step of an item's life."""

    version: int
    state: str
    reason: str
    actor: str
    agent: str | None
    at: datetime


class ItemWithHistory(ItemOut):
    """An item and every change of it, oldest first."""

    history: list[Change]


class Taken(BaseModel):
    """What an agent has in hand now."""

    item: ItemOut
    conversation: ConversationOut
    mention: MentionOut | None


class TakeNext(BaseModel):
    """Who takes, and from which queues (all of the caller's teams when none is named)."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug
    queues: list[Slug] = Field([], max_length=50)


class ClaimIn(BaseModel):
    """Who claims."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug


class ReleaseIn(BaseModel):
    """Why it goes back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")] = "released"


class CompleteIn(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")] = "done"


_RELEASED, _DONE = ReleaseIn(), CompleteIn()  # who says no more than that


def routes(database: Database, takers: Takers) -> APIRouter:
    """The work items' routes."""
    router = APIRouter(prefix="/v1/work-items", tags=["work items"])
    reads, writes = needs("work-items:read"), needs("work-items:write")

    @router.post("/take-next", response_model=Taken, responses={204: {"description": "Nothing waits"}})
    async def take_next(body: TakeNext, caller: Annotated[Caller, writes]) -> Any:
        """The first item by our order that no one has: urgency, then age."""

        ask = Ask(body.agent, tuple(body.queues), caller.teams, caller.key_id, traceparent())
        item = await takers.take(ask)
        return Response(status_code=204) if item is None else await _taken(database, item, caller)

    @router.post("/{item_id}/claim")
    async def claim(item_id: str, body: ClaimIn, caller: Annotated[Caller, writes]) -> Taken:
        """This very item."""
        item = await database.write(
            lambda session: desk.claim(session, item_id, body.agent, caller.teams, caller.key_id)
        )
        return await _taken(database, item, caller)

    @router.post("/{item_id}/release")
    async def release(item_id: str, caller: Annotated[Caller, writes], body: ReleaseIn = _RELEASED) -> ItemOut:
        """Back into its queue with its original age."""
        return _out(
            await database.write(
                lambda session: desk.release(session, item_id, caller.teams, caller.key_id, body.reason)
            )
        )

    @router.post("/{item_id}/complete")
    async def complete(item_id: str, caller: Annotated[Caller, writes], body: CompleteIn = _DONE) -> ItemOut:
        """Done without an answer of ours (a reply that went out completes it by itself)."""
        return _out(
            await database.write(
                lambda session: desk.complete(session, item_id, caller.teams, caller.key_id, body.reason)
            )
        )

    @router.get("")
    async def list_items(
        caller: Annotated[Caller, reads],
        queue: str | None = None,
        state: Literal["pending", "reserved", "assigned", "wrapping", "completed", "canceled"] | None = None,
        agent: str | None = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[ItemOut]:
        """Work items by the time they last changed."""
        async with database.read() as session:
            rows = await items.list_items(
                session, caller.teams, queue=queue, state=state, agent=agent, updated_after=updated_after,
                after=decode_cursor(cursor), limit=limit,
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda item: (item.updated_at, item.id))
        return Page(items=[_out(item) for item in page], next_cursor=next_cursor)

    @router.get("/{item_id}")
    async def get_item(item_id: str, caller: Annotated[Caller, reads]) -> ItemWithHistory:
        """One item with its history."""
        async with database.read() as session:
            item = await items.get_item(session, item_id, caller.teams)
            if item is None:
                raise desk.unknown("work item", item_id, "GET /v1/work-items lists them.")
            changes = await items.history(session, item_id)
        told = [Change(**{**change, "agent": change["agent"] or None}) for change in changes]
        return ItemWithHistory(**_out(item).model_dump(), history=told)

    return router


async def _taken(database: Database, item: WorkItem, caller: Caller) -> Taken:
    async with database.read() as session:
        conversation = await conversations.get_conversation(session, item.conversation_id, caller.teams)
        assert conversation is not None  # an item never outlives its conversation
        mention = await conversations.get_mention(session, conversation["network"], item.opened_by, caller.teams)
    return Taken(
        item=_out(item),
        conversation=ConversationOut(**conversation),
        mention=mention_out(mention) if mention else None,
    )


def _out(item: WorkItem) -> ItemOut:
    return ItemOut(
        id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        team=item.team,
        state=item.state,
        urgency=item.urgency,
        enqueued_at=item.enqueued_at,
        due_at=item.due_at,
        agent=item.agent or None,
        assigned_at=item.assigned_at,
        reason=item.reason or None,
        version=item.version,
        updated_at=item.updated_at,
    )
