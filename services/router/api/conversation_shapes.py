"""What conversations look like over REST, and how a change of one is answered once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller
from libs.common.db import Database
from libs.common.events import ReplyKind
from libs.common.idempotency import Stored, recall, remember
from libs.common.lists import etag_of
from services.router.api.queues import Slug
from services.router.domain.conversations import Dismissal

Row = dict[str, Any]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Remark = Annotated[str, Field(max_length=2000)]


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
    reason: str | None = Field(description="Why it is in this state, where somebody said so")
    opened_at: datetime
    last_message_at: datetime
    last_customer_at: datetime
    replied_at: datetime | None = Field(description="Our first answer of this cycle")
    agent: str | None = Field(description="Who answered last")
    urgency: str = Field(description="Of its last work item")
    private: bool = Field(description="The customer's latest message is")
    cycle: int = Field(description="Rises when it is reopened")
    wake_at: datetime | None = Field(description="When a snooze ends, it goes stale, or it closes")
    merged_into: str | None = Field(description="The conversation that has its messages now")
    version: int
    updated_at: datetime


def conversation_out(row: Row) -> ConversationOut:
    """A stored conversation as REST shows it."""
    empty = {name: row[name] or None for name in ("reason", "agent", "merged_into")}
    return ConversationOut(**{name: row[name] for name in ConversationOut.model_fields} | empty)


class Entry(BaseModel):
    """One line of a timeline. A message has a `side`; a change of an item or of the conversation a `state`."""

    kind: Literal["message", "note", "work_item", "conversation"]
    at: datetime
    side: Literal["customer", "brand"] | None = None
    network: str | None = None
    post_id: str | None = None
    text: str | None = None
    posted_at: datetime | None = None
    private: bool | None = None
    in_reply_to: str | None = None
    labels: Row | None = None
    answered_at: datetime | None = Field(None, description="By a reply that names this message")
    covered_at: datetime | None = Field(None, description="By a later one in this conversation")
    reply_id: str | None = Field(None, description="Of ours, where it was sent through us")
    written_as: ReplyKind | None = Field(None, description="Of ours, where it was sent through us")
    id: str | None = Field(None, description="Of a note, or of a work item")
    state: str | None = None
    reason: str | None = None
    queue: str | None = None
    agent: str | None = None
    actor: str | None = Field(None, description="The key that did it")
    why: Any = None


def entry(row: Row) -> Entry:
    """A line of a timeline as REST shows it."""
    kind = row["kind"]
    said = kind in ("customer", "brand")
    names = _OF_MESSAGES if said else _OF_CHANGES
    shown = {name: row[name] for name in names if row.get(name) not in (None, "")}
    if said:
        return Entry(kind="message", at=row["entry_at"], side=kind, **shown | {"text": row["text"]})
    if kind == "work_item":
        shown["id"] = row["item_id"]
    return Entry(kind=kind, at=row["entry_at"], **shown)


_OF_MESSAGES = (
    "network", "post_id", "posted_at", "private", "in_reply_to", "labels", "answered_at", "covered_at", "reply_id",
    "written_as", "agent",
)  # fmt: skip
_OF_CHANGES = ("id", "text", "state", "reason", "queue", "agent", "actor", "why")


class NoteIn(BaseModel):
    """What colleagues should know; customers never see it."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    agent: Slug | None = Field(None, description="Who wrote it, where not the key's holder")


class NoteOut(BaseModel):
    """A note."""

    id: str
    text: str
    agent: str | None
    actor: str
    created_at: datetime


class LeaseIn(BaseModel):
    """An agent is on it: send it again at least every 30 s."""

    model_config = ConfigDict(extra="forbid")

    agent: Slug
    draft: bool = Field(False, description="Their draft changed since they last said so")


class OnIt(BaseModel):
    """An agent who is on a conversation."""

    agent: str
    renewed_at: datetime
    draft_at: datetime | None
    expires_at: datetime


class Leases(BaseModel):
    """Who is on a conversation now, by name; `others`: without the one who asks."""

    items: list[OnIt]
    others: list[str]


class SnoozeIn(BaseModel):
    """Until when."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime


class HoldIn(BaseModel):
    """What it waits for."""

    model_config = ConfigDict(extra="forbid")

    reason: Remark = ""


class DismissIn(BaseModel):
    """Why it needs no answer."""

    model_config = ConfigDict(extra="forbid")

    reason: Dismissal


class TransferTo(BaseModel):
    """To whom: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    queue: Slug | None = None
    team: Slug | None = None
    agent: Slug | None = None
    note: Remark = ""

    @model_validator(mode="after")
    def _one(self) -> "TransferTo":
        if sum(name is not None for name in (self.queue, self.team, self.agent)) != 1:
            raise ValueError("name exactly one of queue, team, agent")
        return self


class MergeIn(BaseModel):
    """Where its messages go on."""

    model_config = ConfigDict(extra="forbid")

    into: str = Field(max_length=64)


class PersonOut(BaseModel):
    """One person over all handles that you see. What a message is stays with the message: nothing is kept here."""

    network: str
    author_id: str
    author_username: str
    handles: list[str]
    conversations_total: int
    conversations_by_state: dict[str, int]
    mentions: int
    answered: int
    first_at: datetime
    last_message_at: datetime
    last_answered_at: datetime | None
    conversations: list[ConversationOut] = Field(description="The latest, newest first")


async def once(
    database: Database,
    request: Request,
    caller: Caller,
    key: str | None,
    status: int,
    work: Callable[[AsyncSession], Awaitable[BaseModel]],
    location: str = "",
) -> Response:
    """The answer of `work`, in a transaction; under an `Idempotency-Key` that was used before, the answer of then.

    Args:
        location: where to find what was made, with `{id}` for its id.
    """
    body = await request.body()
    route = f"{request.method} {request.url.path}"

    async def run(session: AsyncSession) -> Response:
        if key is not None and (known := await recall(session, caller.key_id, key, route, body)):
            return known.as_response()
        shown = await work(session)
        text = shown.model_dump_json()
        where = location.format(id=getattr(shown, "id", ""))
        if key is not None:
            now = await db.now(session)
            await remember(session, caller.key_id, key, route, body, Stored(status, text, where), now=now)
        headers = {"ETag": etag_of(shown.version)} if isinstance(shown, ConversationOut) else {}
        headers |= {"Location": where} if where else {}
        return Response(text, status, headers, media_type="application/json")

    return await database.write(run)
