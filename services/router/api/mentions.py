"""Mentions and conversations over REST: what came, what it is, where it waits, what was said."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from libs.common.problems import Problem
from services.router.handlers.desk import unknown, unknown_mention
from services.router.store import conversations as store

Row = dict[str, Any]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
UpdatedAfter = Annotated[AwareDatetime | None, Query(description="Only what changed after this")]


class ItemOfMention(BaseModel):
    """The work item a mention waits in, or waited in."""

    id: str
    state: str
    agent: str | None
    urgency: str
    due_at: datetime | None


class CorrectionOfMention(BaseModel):
    """The correction a mention's labels are from."""

    version: int
    actor: str
    corrected_at: datetime


class MentionOut(BaseModel):
    """A mention: what it says, what it is, where it waits."""

    network: str
    post_id: str
    version: int
    handle: str
    also_named: list[str]
    author_id: str
    author_username: str
    text: str
    private: bool
    posted_at: datetime
    received_at: datetime
    labels: dict[str, Any]
    corrected: CorrectionOfMention | None = Field(description="By whom the labels are, where not the model's alone")
    state: Literal["opened", "joined", "set_aside", "answered", "deleted"]
    queue: str | None
    item: ItemOfMention | None
    conversation_id: str
    in_reply_to: str | None
    answered_at: datetime | None
    answered_by: str | None
    team: str
    updated_at: datetime


class ConversationOut(BaseModel):
    """All messages with one author and one handle in one thread, or within 72 h of the last."""

    id: str
    network: str
    author_id: str
    author_username: str
    handle: str
    team: str
    language: str
    state: str
    opened_at: datetime
    last_message_at: datetime
    last_customer_at: datetime
    version: int
    updated_at: datetime


class Said(BaseModel):
    """One message of a conversation."""

    side: Literal["customer", "brand"]
    network: str
    post_id: str
    text: str
    posted_at: datetime
    in_reply_to: str | None
    agent: str | None = None
    reply_id: str | None = None
    labels: dict[str, Any] | None = None


class Timeline(BaseModel):
    """What was said, oldest first."""

    items: list[Said]


def routes(database: Database) -> APIRouter:
    """The routes of mentions and conversations."""
    router = APIRouter(prefix="/v1", tags=["mentions"])

    @router.get("/mentions")
    async def list_mentions(
        caller: Annotated[Caller, needs("mentions:read")],
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
        order: Annotated[Literal["updated", "newest"], Query(description="newest: the latest first")] = "updated",
    ) -> Page[MentionOut]:
        """Mentions by the time they last changed."""
        async with database.read() as session:
            rows = await store.list_mentions(
                session, caller.teams, updated_after=updated_after, after=decode_cursor(cursor), limit=limit,
                newest_first=order == "newest",
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda row: (row["updated_at"], row["post_id"]))
        return Page(items=[mention_out(row) for row in page], next_cursor=next_cursor)

    @router.get("/mentions/{network}/{post_id:path}")
    async def get_mention(network: str, post_id: str, caller: Annotated[Caller, needs("mentions:read")]) -> MentionOut:
        """One mention."""
        async with database.read() as session:
            row = await store.get_mention(session, network, post_id, caller.teams)
        if row is None:
            raise unknown_mention(network, post_id)
        return mention_out(row)

    @router.get("/conversations")
    async def list_conversations(
        caller: Annotated[Caller, needs("mentions:read")],
        author: Annotated[str | None, Query(description="network:author id, such as x:222")] = None,
        state: str | None = None,
        handle: str | None = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[ConversationOut]:
        """Conversations by the time they last changed."""
        network, _, author_id = (author or "").partition(":")
        if author is not None and not (network and author_id):
            raise Problem(
                400, "bad-author", "This is not an author", f"author={author!r}",
                "Write the network, a colon and the author's id: author=x:222.",
            )  # fmt: skip
        async with database.read() as session:
            rows = await store.list_conversations(
                session, caller.teams, author=(network, author_id) if author else None, state=state, handle=handle,
                updated_after=updated_after, after=decode_cursor(cursor), limit=limit,
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda row: (row["updated_at"], row["id"]))
        return Page(items=[ConversationOut(**row) for row in page], next_cursor=next_cursor)

    @router.get("/conversations/{conversation_id}")
    async def get_conversation(
        conversation_id: str, caller: Annotated[Caller, needs("mentions:read")]
    ) -> ConversationOut:
        """One conversation."""
        return ConversationOut(**await _conversation(database, conversation_id, caller))

    @router.get("/conversations/{conversation_id}/timeline")
    async def get_timeline(
        conversation_id: str, caller: Annotated[Caller, needs("mentions:read")], limit: Limit = PAGE
    ) -> Timeline:
        """What was said, both sides, public and private, oldest first."""
        await _conversation(database, conversation_id, caller)
        async with database.read() as session:
            rows = await store.timeline(session, conversation_id, limit)
        return Timeline(items=[_said(row) for row in rows])

    return router


async def _conversation(database: Database, conversation_id: str, caller: Caller) -> Row:
    async with database.read() as session:
        row = await store.get_conversation(session, conversation_id, caller.teams)
    if row is None:
        raise unknown("conversation", conversation_id, "GET /v1/conversations lists them.")
    return row


def mention_out(row: Row) -> MentionOut:
    """A stored mention as REST shows it."""
    item = None
    if row["item_id"] and row["item_state"]:
        item = ItemOfMention(
            id=row["item_id"],
            state=row["item_state"],
            agent=row["item_agent"] or None,
            urgency=row["item_urgency"],
            due_at=row["item_due_at"],
        )
    corrected = None
    if row["corrected_at"]:
        corrected = CorrectionOfMention(
            version=row["correction"], actor=row["corrected_by"], corrected_at=row["corrected_at"]
        )
    return MentionOut(
        **{name: row[name] for name in _SAME},
        state=row["outcome"],
        queue=row["queue"] or None,
        item=item,
        corrected=corrected,
        in_reply_to=row["in_reply_to"] or None,
    )


_SAME = (
    "network", "post_id", "version", "handle", "also_named", "author_id", "author_username", "text", "private",
    "posted_at", "received_at", "labels", "conversation_id", "answered_at", "answered_by", "team", "updated_at",
)  # fmt: skip


def _said(row: Row) -> Said:
    return Said(
        side=row["from"],
        network=row["network"],
        post_id=row["post_id"],
        text=row["text"],
        posted_at=row["posted_at"],
        in_reply_to=row["in_reply_to"] or None,
        agent=row.get("agent") or None,
        reply_id=row.get("reply_id") or None,
        labels=row.get("labels"),
    )
