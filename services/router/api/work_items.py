"""Work items over REST: take the next, claim, release, complete."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from libs.common.trace import traceparent
from services.router.api.conversation_shapes import ConversationOut, conversation_out
from services.router.api.mentions import Cursor, MentionOut, UpdatedAfter, mention_out
from services.router.api.procedures import ProcedureOut, procedures_of
from services.router.api.queues import Slug
from services.router.domain.eligibility import parse_line
from services.router.domain.words import Urgency
from services.router.handlers import explaining
from services.router.handlers.desk import Desk, unknown
from services.router.handlers.taking import Ask, Takers
from services.router.store import conversations, items
from services.router.store.items import WorkItem
from services.router.store.setup import Setups


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
    reasons: list[str]
    late: bool
    rank: int
    weight: int
    followup: bool
    step: int
    requires: dict[str, int]
    policy: str | None
    rule: str | None
    sla: str | None
    declined_by: list[str]
    incident: str | None


class Change(BaseModel):
    """One step of an item's life."""

    version: int
    state: str
    reason: str
    actor: str
    agent: str | None
    at: datetime
    why: Any = None


class ItemWithHistory(ItemOut):
    """An item and every change of it, oldest first."""

    history: list[Change]
    procedures: list[ProcedureOut]


class Taken(BaseModel):
    """What an agent has in hand now."""

    item: ItemOut
    conversation: ConversationOut
    mention: MentionOut | None
    procedures: list[ProcedureOut]


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


class EscalateIn(BaseModel):
    """Why the supervisors are asked."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=2000)


class TransferIn(BaseModel):
    """Where it goes, and why."""

    model_config = ConfigDict(extra="forbid")

    queue: Slug
    note: str = Field("", max_length=2000)


class UrgencyIn(BaseModel):
    """How urgent a person says it is, and why they say so."""

    model_config = ConfigDict(extra="forbid")

    urgency: Urgency
    note: str = Field(min_length=1, max_length=2000)


class NotNow(BaseModel):
    """An agent who did not get it, or could not now, and why."""

    agent: str
    why: str


class Explained(BaseModel):
    """Why an item is where it is: what decided, what happened, and who could have it at this moment."""

    item: ItemOut
    now: datetime
    in_words: str
    candidates: list[str]
    others: list[NotNow]
    ahead: int
    history: list[Change]


_ESCALATED = EscalateIn(note="")
_RELEASED, _DONE = ReleaseIn(), CompleteIn()  # who says no more than that


def routes(database: Database, takers: Takers, desk: Desk, setups: Setups) -> APIRouter:
    """The work items' routes."""
    router = APIRouter(prefix="/v1/work-items", tags=["work items"])
    reads, writes = needs("work-items:read"), needs("work-items:write")

    @router.post("/take-next", response_model=Taken, responses={204: {"description": "Nothing waits"}})
    async def take_next(body: TakeNext, caller: Annotated[Caller, writes]) -> Any:
        """The first item by our order that no one has: urgency, then age."""

        ask = Ask(body.agent, tuple(body.queues), caller.teams, caller.key_id, traceparent())
        item = await takers.take(ask)
        return Response(status_code=204) if item is None else await _taken(database, setups, item, caller)

    @router.post("/{item_id}/claim")
    async def claim(item_id: str, body: ClaimIn, caller: Annotated[Caller, writes]) -> Taken:
        """This very item."""
        item = await database.write(
            lambda session: desk.claim(session, item_id, body.agent, caller.teams, caller.key_id)
        )
        return await _taken(database, setups, item, caller)

    @router.post("/{item_id}/release")
    async def release(item_id: str, caller: Annotated[Caller, writes], body: ReleaseIn = _RELEASED) -> ItemOut:
        """Back into its queue with its original age."""
        return item_out(
            await database.write(
                lambda session: desk.release(session, item_id, caller.teams, caller.key_id, body.reason)
            )
        )

    @router.post("/{item_id}/complete")
    async def complete(item_id: str, caller: Annotated[Caller, writes], body: CompleteIn = _DONE) -> ItemOut:
        """Done without an answer of ours (a reply that went out completes it by itself)."""
        return item_out(
            await database.write(
                lambda session: desk.complete(session, item_id, caller.teams, caller.key_id, body.reason)
            )
        )

    @router.post("/{item_id}/escalate")
    async def escalate(item_id: str, caller: Annotated[Caller, writes], body: EscalateIn = _ESCALATED) -> ItemOut:
        """To the supervisors of its queue, with its age."""
        return item_out(
            await database.write(
                lambda session: desk.escalate(session, item_id, caller.teams, caller.key_id, body.note)
            )
        )

    @router.post("/{item_id}/transfer")
    async def transfer(item_id: str, body: TransferIn, caller: Annotated[Caller, writes]) -> ItemOut:
        """Into another queue, with its age."""
        return item_out(
            await database.write(
                lambda session: desk.transfer(session, item_id, body.queue, caller.teams, caller.key_id, body.note)
            )
        )

    @router.post("/{item_id}/urgency")
    async def set_urgency(item_id: str, body: UrgencyIn, caller: Annotated[Caller, writes]) -> ItemOut:
        """Raise or lower it, with a reason; its deadline follows."""
        return item_out(
            await database.write(
                lambda session: desk.set_urgency(session, item_id, body.urgency, caller.teams, caller.key_id, body.note)
            )
        )

    @router.get("/{item_id}/explain")
    async def explain(item_id: str, caller: Annotated[Caller, reads]) -> Explained:
        """Why it is where it is, who could have it now, and why each other agent could not."""
        async with database.read() as session:
            found = await explaining.explain(session, setups, item_id, caller.teams)
        return Explained(
            item=item_out(found.work),
            now=found.now,
            in_words=found.in_words,
            candidates=found.candidates,
            others=[NotNow(agent=agent, why=why) for agent, why in found.others],
            ahead=found.ahead,
            history=[_change(change) for change in found.history],
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
        page, next_cursor = cut(rows, limit, lambda work: (work.updated_at, work.item.id))
        return Page(items=[item_out(item) for item in page], next_cursor=next_cursor)

    @router.get("/{item_id}")
    async def get_item(item_id: str, caller: Annotated[Caller, reads]) -> ItemWithHistory:
        """One item with its history."""
        async with database.read() as session:
            item = await items.get_item(session, item_id, caller.teams)
            if item is None:
                raise unknown("work item", item_id, "GET /v1/work-items lists them.")
            changes = await items.history(session, item_id)
            conversation = await conversations.get_conversation(session, item.item.conversation_id, {"*"})
            setup = await setups.current(session)
        assert conversation is not None  # an item never outlives its conversation
        return ItemWithHistory(
            **item_out(item).model_dump(),
            history=[_change(change) for change in changes],
            procedures=procedures_of(item.item, conversation["author_id"], setup),
        )

    return router


async def _taken(database: Database, setups: Setups, work: WorkItem, caller: Caller) -> Taken:
    async with database.read() as session:
        setup = await setups.current(session)
        conversation = await conversations.get_conversation(session, work.item.conversation_id, caller.teams)
        assert conversation is not None  # an item never outlives its conversation
        mention = await conversations.get_mention(session, conversation["network"], work.item.opened_by, caller.teams)
    return Taken(
        item=item_out(work),
        conversation=conversation_out(conversation),
        mention=mention_out(mention) if mention else None,
        procedures=procedures_of(work.item, conversation["author_id"], setup),
    )


def _change(row: dict[str, Any]) -> Change:
    return Change(**{**row, "agent": row["agent"] or None})


def item_out(work: WorkItem) -> ItemOut:
    """A work item as REST shows it."""
    item, routing = work.item, work.item.routing
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
        reason=work.reason or None,
        version=item.version,
        updated_at=work.updated_at,
        reasons=list(routing.reasons),
        late=item.late,
        rank=item.rank,
        weight=item.weight,
        followup=routing.followup,
        step=routing.step,
        requires=dict(parse_line(item.line)[2]),
        policy=routing.policy or None,
        rule=routing.rule or None,
        sla=routing.sla or None,
        declined_by=list(routing.declined_by),
        incident=routing.incident or None,
    )
