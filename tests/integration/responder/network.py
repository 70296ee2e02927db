"""Apps on a real port, and a sandbox network whose clock the test holds."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from sandbox.app import sandbox_app
from sandbox.state import Limits, Network


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: those are the test runner's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free port of this machine; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve([listener]))
        await server.up.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


class Sandbox:
    """The judge: what the network got, and what befalls it."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.url = str(http.base_url)
        self.later = timedelta()
        self._http = http

    async def seed(self, *posts: Mapping[str, Any]) -> None:
        """Posts to answer to."""
        await self._post("posts", {"posts": posts})

    async def next(self, *faults: Mapping[str, Any]) -> None:
        """What befalls the next requests."""
        await self._post("faults", {"next": faults})

    async def received(self) -> list[dict[str, Any]]:
        """What it got, newest first."""
        answer = await self._get()
        items: list[dict[str, Any]] = answer["items"]
        assert answer["count"] == len(items)
        return items

    async def messages(self) -> list[str]:
        """The texts of the private messages it got, newest first."""
        return [each["text"] for each in (await self._get())["messages"]]

    async def per_mention(self) -> dict[str, int]:
        """How many answers it got to each post."""
        counts: dict[str, int] = (await self._get())["per_in_reply_to"]
        return counts

    async def attempts(self) -> int:
        """How many times somebody tried to post."""
        return int((await self._get())["attempts"])

    async def _get(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get("/sandbox/received?limit=10000")).json()
        return found

    async def _post(self, what: str, body: Mapping[str, Sequence[Any]]) -> None:
        answer = await self._http.post(f"/sandbox/{what}", json=body)
        assert answer.is_success, answer.text


@asynccontextmanager
async def sandbox(limits: Limits | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox network over real HTTP."""
    holder: list[Sandbox] = []
    network = Network(None, lambda: datetime.now(UTC) + holder[0].later, limits or Limits())
    async with (
        served(sandbox_app(network)) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as http,
    ):
        holder.append(Sandbox(http))
        yield holder[0]
