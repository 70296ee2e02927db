"""Private messages over the API."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator
from starlette.responses import JSONResponse, Response

from sandbox.api.reading import LARGEST, PostId
from sandbox.door import AccountOf, Door
from sandbox.messages import conversation_of
from sandbox.people import Account
from sandbox.refusals import invalid, refusal
from sandbox.shapes import message_event
from sandbox.state import Network

LONGEST = 10_000


class Attachment(BaseModel):
    media_id: str


class NewMessage(BaseModel):
    """A text, one attachment, or both."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None
    attachments: Annotated[list[Attachment], Field(min_length=1, max_length=1)] | None = None

    @model_validator(mode="after")
    def _something(self) -> "NewMessage":
        if self.text is None and self.attachments is None:
            raise ValueError("text or attachments")
        return self


def routes(network: Network) -> APIRouter:
    """`/2/dm_conversations` and `/2/dm_events`."""
    paths = APIRouter(route_class=Door)

    @paths.post("/2/dm_conversations/with/{participant_id}/messages")
    async def write_to(participant_id: PostId, new: NewMessage, account: AccountOf) -> Response:
        return _write(account, participant_id, new)

    @paths.post("/2/dm_conversations/{dm_conversation_id}/messages")
    async def write_in(dm_conversation_id: str, new: NewMessage, account: AccountOf) -> Response:
        return _write(account, _other(account, dm_conversation_id), new)

    @paths.get("/2/dm_conversations/with/{participant_id}/dm_events")
    async def with_one(
        participant_id: PostId,
        account: AccountOf,
        max_results: Annotated[int, Query(ge=1, le=100)] = 100,
        pagination_token: PostId = LARGEST,
        fields: Annotated[str, Query(alias="dm_event.fields")] = "",
    ) -> Response:
        conversation = conversation_of(account.id, participant_id)
        return _events(account, max_results, pagination_token, fields, conversation)

    @paths.get("/2/dm_conversations/{dm_conversation_id}/dm_events")
    async def in_one(
        dm_conversation_id: str,
        account: AccountOf,
        max_results: Annotated[int, Query(ge=1, le=100)] = 100,
        pagination_token: PostId = LARGEST,
        fields: Annotated[str, Query(alias="dm_event.fields")] = "",
    ) -> Response:
        _other(account, dm_conversation_id)
        return _events(account, max_results, pagination_token, fields, dm_conversation_id)

    @paths.get("/2/dm_events")
    async def all_of_them(
        account: AccountOf,
        max_results: Annotated[int, Query(ge=1, le=100)] = 100,
        pagination_token: PostId = LARGEST,
        fields: Annotated[str, Query(alias="dm_event.fields")] = "",
    ) -> Response:
        return _events(account, max_results, pagination_token, fields, None)

    @paths.delete("/2/dm_events/{event_id}")
    async def delete(event_id: PostId, account: AccountOf) -> Response:
        if not network.unsend(account, event_id):
            raise refusal("forbidden")
        return JSONResponse({"data": {"deleted": True}})

    def _write(account: Account, recipient_id: str, new: NewMessage) -> Response:
        message = network.write(account, recipient_id, new.text or "")
        ids = {"dm_conversation_id": message.conversation_id, "dm_event_id": message.id}
        return JSONResponse({"data": ids}, 201)

    def _events(account: Account, most: int, before: str, fields: str, conversation: str | None) -> Response:
        found, more = network.messages.events(account.id, network.now(), most, int(before), conversation)
        meta: dict[str, object] = {"result_count": len(found)}
        if not found:
            return JSONResponse({"meta": meta})
        if more:
            meta["next_token"] = found[-1].id
        wanted = frozenset(fields.split(","))
        return JSONResponse({"data": [message_event(each, wanted) for each in found], "meta": meta})

    return paths


def _other(account: Account, conversation_id: str) -> str:
    """Who the other one is; only those in a conversation may see it."""
    ids = conversation_id.split("-")
    if len(ids) != 2 or not all(id_.isdecimal() and len(id_) < 20 for id_ in ids):
        raise invalid("two ids with a hyphen between them", "dm_conversation_id", conversation_id)
    if account.id not in ids:
        raise refusal("forbidden")
    return ids[1] if ids[0] == account.id else ids[0]
