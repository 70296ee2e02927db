"""Mentions over REST: what came, what it is, where it waits, what answered it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor
from services.router.handlers.desk import unknown_mention
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
    covered_at: datetime | None = Field(description="When the first reply after it came that names another message")
    covered_by: str | None
    team: str
    updated_at: datetime


def routes(database: Database) -> APIRouter:
    """The routes of mentions."""
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

    return router


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
    "posted_at", "received_at", "labels", "conversation_id", "answered_at", "answered_by", "covered_at",
    "covered_by", "team", "updated_at",
)  # fmt: skip
