"""Who calls: this key, and the keys there are."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel

from libs.common.auth import Caller, Keyring, needs, public
from libs.common.errors import Misconfigured, Unavailable
from libs.common.keys import Key, Role


class Me(BaseModel):
    """The key of a request and what it may do. `*` is all scopes, or all teams."""

    key: str
    role: Role
    scopes: list[str]
    teams: list[str]


class UserOut(BaseModel):
    """A person or a tool with a key. The key itself stands nowhere."""

    key: str
    name: str
    role: Role
    teams: list[str]
    expires_at: datetime | None


class UserList(BaseModel):
    """Those who act for a team of the caller's."""

    items: list[UserOut]


def routes(keyring: Keyring, keys: Callable[[], Sequence[Key]]) -> APIRouter:
    """The callers' routes; `keys` reads the file of keys."""
    router = APIRouter(prefix="/v1", tags=["users"])

    @router.get("/me", dependencies=[public], openapi_extra={"security": [{"key": []}]})
    async def get_me(request: Request) -> Me:
        """Who this key is. Any key may ask; without one it is a 401."""
        caller = keyring.caller_of(dict(request.scope["headers"]))
        return Me(key=caller.key_id, role=caller.role, scopes=sorted(caller.scopes), teams=sorted(caller.teams))

    @router.get("/users")
    async def list_users(caller: Annotated[Caller, needs("agents:read")]) -> UserList:
        """The people and tools with a key for a team of yours, in the order of their keys."""
        try:
            known = await asyncio.to_thread(keys)
        except Misconfigured as error:
            raise Unavailable("the keys file", str(error)) from error
        return UserList(
            items=[
                UserOut(key=key.id, name=key.name, role=key.role, teams=list(key.teams), expires_at=key.expires_at)
                for key in known
                if "*" in key.teams or any(caller.sees(team) for team in key.teams)
            ]
        )

    return router
