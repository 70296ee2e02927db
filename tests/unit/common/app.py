"""A small service on `web_app`, and a client that calls it in this process."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import httpx2
import structlog
from fastapi import APIRouter, FastAPI, Query, Request
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from libs.common.auth import Caller, Keyring, needs, public
from libs.common.errors import Raced, Rejected, Unavailable
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.trace import traceparent
from libs.common.web import web_app


class Author(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    follower_counts: list[int] = []


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    author: Author


class Filter(BaseModel):
    state: str = "open"
    queue: str | None = None


def a_router() -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/queues", dependencies=[public])
    async def queues(updated_after: str = "", sort: Annotated[str, Query(alias="sort_by")] = "") -> dict[str, str]:
        return {"updated_after": updated_after, "sort": sort}

    @routes.get("/v1/items", dependencies=[public])
    async def items(given: Annotated[Filter, Query()]) -> Filter:
        return given

    @routes.get("/v1/notes/{note_id}")
    async def read_note(note_id: int, caller: Annotated[Caller, needs("mentions:read")]) -> dict[str, Any]:
        return {"id": note_id, "by": caller.key_id, "teams": sorted(caller.teams)}

    @routes.post("/v1/notes", dependencies=[needs("conversations:write")], status_code=201)
    async def write_note(note: Note) -> dict[str, str]:
        return {"author": note.author.id}

    @routes.post("/v1/raw", dependencies=[public])
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @routes.get("/v1/context", dependencies=[public])
    async def context() -> Response:
        bound = structlog.contextvars.get_contextvars()
        return Response(f"{traceparent()} {bound['request_id']}", headers={"Cache-Control": "max-age=5"})

    @routes.get("/v1/fails/{how}", dependencies=[public])
    async def fails(how: str) -> None:
        raise {
            "away": Unavailable("kafka", "no leader"),
            "raced": Raced("an agent is full"),
            "rejected": Rejected("not a post"),
            "bug": ZeroDivisionError("with a customer's name"),
        }[how]

    return routes


def an_app(
    folder: Path, *, routers: Iterable[APIRouter] = (), metrics: Metrics | None = None, **options: Any
) -> FastAPI:
    keys = folder / "keys.toml"
    if not keys.exists():
        create_key(keys, name="nobody", role="service", scopes=[])
    return web_app(
        "router",
        [a_router(), *routers],
        metrics=metrics or Metrics(CollectorRegistry(), "router"),
        keyring=Keyring(keys),
        version="1.2.3",
        **options,
    )


def calls(app: FastAPI, secret: str | None = None) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test", headers=headers)
