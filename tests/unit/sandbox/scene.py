"""A sandbox network with a clock that stands still, and clients of it that need no port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from sandbox.app import sandbox_app
from sandbox.limits import Limits
from sandbox.state import Network

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

APP = {"key": "ck", "secret": "c secret", "bearer": "the-app", "client_id": "cid", "client_secret": "cs"}
USER = {
    "username": "acme",
    "oauth1_token": "tok",
    "oauth1_secret": "t+secret",
    "access_token": "access-1",
    "refresh_token": "refresh-1",
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def later(self, **span: float) -> None:
        """Time goes on."""
        self.now += timedelta(**span)


@dataclass
class Scene:
    """The network, and two hands: `http` is the account acme's, `stage` sets the scene and judges."""

    network: Network
    clock: Clock
    http: httpx2.AsyncClient
    stage: httpx2.AsyncClient

    async def seed(self, *posts: Mapping[str, Any]) -> list[str]:
        """Posts of people; their ids."""
        answer = await self.stage.post("/sandbox/posts", json={"posts": posts})
        assert answer.status_code == 201, answer.text
        ids: list[str] = answer.json()["ids"]
        return ids

    async def behave(self, **change: Any) -> None:
        """From now on like this."""
        answer = await self.stage.patch("/sandbox/behaviour", json=change)
        assert answer.status_code == 200, answer.text

    async def befall(self, **fault: Any) -> None:
        """What goes wrong next."""
        answer = await self.stage.post("/sandbox/faults", json={"next": [fault]})
        assert answer.status_code == 204, answer.text

    async def lock(self, *users: Mapping[str, Any]) -> None:
        """From now on keys and tokens are checked."""
        answer = await self.stage.put("/sandbox/credentials", json={"app": APP, "users": users or [USER]})
        assert answer.status_code == 204, answer.text

    async def reply(self, text: str, to: str) -> httpx2.Response:
        """As acme."""
        return await self.http.post("/2/tweets", json={"text": text, "reply": {"in_reply_to_tweet_id": to}})


@asynccontextmanager
async def scene(limits: Limits | None = None, clock: Clock | None = None) -> AsyncIterator[Scene]:
    """A network nobody has been on yet."""
    at = clock or Clock()
    network = Network(None, at, limits or Limits())
    app = sandbox_app(network)
    async with (
        client(app, "sandbox-acme") as http,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://sandbox") as stage,
    ):
        yield Scene(network, at, http, stage)


def client(app: Any, token: str) -> httpx2.AsyncClient:
    """Whoever holds this bearer token, at the address of the real network."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="https://api.x.com",
        headers={"Authorization": f"Bearer {token}"},
    )
