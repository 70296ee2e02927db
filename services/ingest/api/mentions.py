"""`POST /v1/mentions`: the hot, batched door; answers once the log holds what it took."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from libs.common.auth import Caller, needs
from libs.common.problems import Problem
from services.ingest.domain import Refused
from services.ingest.gateways.items import BadBody, items, lines
from services.ingest.handlers import GENERIC, Ingest, Taken, x_shape

MENTIONS_BYTES = 3 * 512 * 1024

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_UNREADABLE = {"urn:guichet:problem:malformed-json", "urn:guichet:problem:invalid-utf-8"}

_ID = {"oneOf": [{"type": "string", "maxLength": 200}, {"type": "integer"}], "description": "A number becomes a text"}
_COUNT = {"type": "integer", "minimum": 0}
_REACH = dict.fromkeys(("followers", "reposts", "quotes", "likes", "replies"), _COUNT)
_ITEM: dict[str, Any] = {
    "type": "object",
    "description": "Fields that are not listed here are ignored. U+FFFD takes the place of NUL and of half a surrogate "
    "pair in any text.",
    "required": ["network", "id", "text", "author"],
    "properties": {
        "network": {"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"},
        "id": _ID,
        "text": {"type": "string", "minLength": 1, "maxLength": 25000},
        "author": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": _ID,
                "username": {"type": "string", "maxLength": 200},
                "name": {"type": "string"},
                "followers": _COUNT,
                "verified": {"type": "boolean"},
            },
        },
        "handle": {
            "type": "string",
            "description": "Slug of the handle it concerns; without it the handle is found by who is named in the text "
            "or answered, and `default` takes the rest",
        },
        "posted_at": {
            "type": "string",
            "format": "date-time",
            "description": "The network's time, with its zone; without it the present",
        },
        "language": {"type": "string", "maxLength": 35, "description": "BCP 47, where the network says it"},
        "in_reply_to": {**_ID, "description": "The post it answers"},
        "in_reply_to_user_id": {**_ID, "description": "The author of that post"},
        "thread_id": _ID,
        "private": {"type": "boolean", "default": False},
        "reach": {"type": "object", "properties": {**_REACH, "verified": {"type": "boolean"}}},
        "version": {"type": "integer", "minimum": 1, "default": 1},
        "summoned": {
            "enum": ["named", "quoted", "implied", "not"],
            "description": "How a public post calls the handle, where you know better than its text says: its words "
            "name it, it quotes a post of it, it stands in a thread with it, none of these",
        },
        "edit_of": {**_ID, "description": "The first id of an edited post; needs `version`, from 2"},
    },
    "example": {
        "network": "crm",
        "id": "A-17",
        "text": "Where is my parcel?",
        "author": {"id": "c9"},
        "handle": "support-en",
        "posted_at": "2025-06-02T12:00:00Z",
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_ITEM, {"type": "array", "minItems": 1, "maxItems": 1000, "items": _ITEM}]}
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One object a line, 64 KiB a line, 1,000 lines"}
            },
        },
    }
}


class RejectedItem(BaseModel):
    """An item that was not taken, and what to do about it."""

    index: int
    id: str | None = None
    type: str
    path: str = ""
    detail: str
    fix: str = ""


class Accepted(BaseModel):
    """What became of a request. `duplicates` are repeats within it; others drop out later."""

    accepted: int
    duplicates: int
    rejected: list[RejectedItem]


def routes(ingest: Ingest) -> APIRouter:
    """The mentions' route."""
    router = APIRouter(tags=["mentions"])

    @router.post("/v1/mentions", status_code=202, response_model=Accepted, openapi_extra=_BODY)
    async def receive(
        request: Request,
        caller: Annotated[Caller, needs("mentions:write")],
        shape: Annotated[
            Literal["generic", "x"], Query(description="`x`: items are posts as X API v2 writes them")
        ] = "generic",
        network: Annotated[
            str | None, Query(pattern=r"^[a-z0-9_-]{1,32}$", description="With `shape=x`: the network, if it is not x")
        ] = None,
    ) -> Response:
        """Hand in one mention, up to 1,000 in an array, or as many lines of NDJSON.

        202 says that the log holds every accepted item. Repeating a request is safe: a mention is known by its
        network, id and version. One bad item does not keep the others out.
        """
        if network is not None and shape != "x":
            raise Problem(
                422,
                "network-in-item",
                "This network cannot be used",
                "`network` is only for `shape=x`.",
                "Write it in each item: `network`.",
            )
        read = lines if _is_ndjson(request) else items
        body = await request.body()
        try:
            batch: Sequence[msgspec.Raw | Refused] = read(body)
        except BadBody as error:
            raise Problem(error.status, error.type, "This body cannot be taken", error.detail, error.fix) from error
        chosen = GENERIC if shape == "generic" else x_shape(network or "x")
        taken = await ingest.on_received(batch, chosen, teams=caller.teams)
        if not taken.accepted:
            raise _all_refused(taken)
        return Response(msgspec.json.encode(taken._asdict()), 202, media_type="application/json")

    @router.delete("/v1/mentions/{network}/{post_id:path}", status_code=202)
    async def delete(
        network: Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,32}$")],
        post_id: Annotated[str, Path(min_length=1, max_length=200)],
        caller: Annotated[Caller, needs("mentions:write")],
        author: Annotated[
            str | None, Query(max_length=200, description="Its author's id, where known: keeps the order")
        ] = None,
    ) -> Response:
        """Its author or the network took the post away: its text goes here too, and nobody has to answer it.

        202 says that the log holds it. A post that is not known yet stays unknown when it comes. Whose it is cannot be
        told here, so the key has to act for every team that has a handle.
        """
        if not all(caller.sees(team) for team in ingest.teams):
            raise Problem(
                403,
                "not-your-team",
                "This key does not act for every team",
                "Whose mention this is cannot be told before it is gone.",
                "Use the key of the connector or tool that hands in mentions of every team.",
            )
        await ingest.on_deleted(network, post_id, author or "")
        return Response(status_code=202)

    return router


def _is_ndjson(request: Request) -> bool:
    sent = request.headers.get("content-type", "")
    kind = sent.partition(";")[0].strip().lower()
    if kind in _NDJSON:
        return True
    if kind and "json" not in kind:
        raise Problem(
            415,
            "not-json",
            "The body is not marked as JSON",
            f"Content-Type is {sent}.",
            "Send the header `Content-Type: application/json`, or `application/x-ndjson` for one object a line.",
        )
    return False


def _all_refused(taken: Taken) -> Problem:
    first = taken.rejected[0]
    unreadable = all(each.type in _UNREADABLE for each in taken.rejected)
    return Problem(
        400 if unreadable else 422,
        first.type.rpartition(":")[2] if unreadable else "all-refused",
        "No item could be taken",
        f"Item {first.index}: {first.path}: {first.detail}" if first.path else f"Item {first.index}: {first.detail}",
        "Correct what `rejected` names and send it again.",
        accepted=0,
        duplicates=taken.duplicates,
        rejected=msgspec.to_builtins(taken.rejected),
    )
