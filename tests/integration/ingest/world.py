"""Ingest as a whole, on a database of its own and an in-memory log, called over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from libs.common.bus import Record
from libs.common.bus_local import LocalBus
from libs.common.errors import Unavailable
from libs.common.events import RAW, Event, MentionReceived, OwnPostReceived, decode
from libs.common.keys import create_key
from libs.common.migrate import migrate
from libs.common.process import Service
from services.ingest.app import MIGRATIONS, build
from services.ingest.settings import IngestSettings
from tests.builders import PARTITIONS

PATIENCE = 10.0
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


class FlakyBus(LocalBus):
    """A log in memory that can be away."""

    def __init__(self) -> None:
        super().__init__(":memory:", PARTITIONS)
        self.away = False

    async def publish(self, records: Sequence[Record]) -> None:
        if self.away:
            raise Unavailable("Kafka", "no leader")
        await super().publish(records)

    async def ping(self) -> None:
        if self.away:
            raise Unavailable("Kafka", "no leader")
        await super().ping()


class World:
    """One ingest, its callers, and what it told."""

    def __init__(self, bus: FlakyBus, settings: IngestSettings) -> None:
        self.bus = bus
        self.settings = settings
        self.stop = asyncio.Event()
        self.admin = _key(settings, "admin", teams=("*",))
        self.of_main = _key(settings, "main")
        self.of_others = _key(settings, "others", teams=("others",))
        self.reader = _key(settings, "reader", scopes=("handles:read",))
        self.service: Service = build(settings, bus)
        self._tasks: list[asyncio.Task[None]] = []

    async def call(
        self, method: str, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None, **sent: Any
    ) -> httpx2.Response:
        """One request, as the administrator unless `key` says who."""
        transport = httpx2.ASGITransport(self.service.app)
        given = {"Authorization": f"Bearer {key or self.admin}", **(headers or {})}
        async with httpx2.AsyncClient(transport=transport, base_url="http://ingest", headers=given) as client:
            return await client.request(method, path, **sent)

    async def post(self, body: Any, path: str = "/v1/mentions", **more: Any) -> httpx2.Response:
        """Hand in mentions: bytes go as they are, anything else as JSON."""
        if isinstance(body, bytes):
            return await self.call("POST", path, content=body, headers={**JSON, **more.pop("headers", {})}, **more)
        return await self.call("POST", path, json=body, **more)

    async def has_handle(self, slug: str, **fields: Any) -> None:
        """Create a handle."""
        answer = await self.call("PUT", f"/v1/handles/{slug}", json={"network": "x", "username": slug, **fields})
        assert answer.status_code == 201, answer.text

    async def records(self) -> list[Record]:
        """What stands in the log."""
        return [record async for record in self.bus.scan(RAW)]

    async def told(self) -> list[Event]:
        """The events in the log, in order."""
        events = [decode(record.header("ce_type"), record.value or b"") for record in await self.records()]
        return [event for event in events if event is not None]

    async def mentions(self) -> list[MentionReceived]:
        """The mentions among them."""
        return [event for event in await self.told() if isinstance(event, MentionReceived)]

    async def own_posts(self) -> list[OwnPostReceived]:
        """Our own posts among them."""
        return [event for event in await self.told() if isinstance(event, OwnPostReceived)]

    def start(self) -> None:
        """Begin its tasks."""
        self._tasks = [asyncio.ensure_future(task(self.stop)) for task in self.service.tasks]

    async def is_ready(self) -> None:
        """Wait until it says so."""
        await self.until("/readyz", lambda answer: answer.status_code == 200)

    async def until(self, path: str, holds: Any) -> httpx2.Response:
        """Ask again until `holds(answer)`; nothing but its answers tells what goes on inside."""
        async with asyncio.timeout(PATIENCE):
            while not holds(answer := await self.call("GET", path)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return answer

    async def end(self) -> None:
        """Stop its tasks and close it; an error of a task is raised."""
        self.stop.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)
        await self.service.close()


@asynccontextmanager
async def world_of(
    folder: Path,
    database_url: str,
    *,
    bus: FlakyBus | None = None,
    migrated: bool = True,
    ready: bool = True,
    **settings: Any,
) -> AsyncIterator[World]:
    """An ingest that runs; ready, unless its tables are left out."""
    log = bus or FlakyBus()
    given = IngestSettings(
        data=folder,
        database_url=database_url,
        port=0,
        secret=SecretStr("a secret of the tests"),
        keys=folder / "keys.toml",
        stop_pause=timedelta(0),
        partitions=PARTITIONS,
        **settings,
    )
    if migrated:
        await migrate(given.database, "ingest", MIGRATIONS)
    world = World(log, given)
    world.start()
    if migrated and ready:
        await world.is_ready()
    try:
        yield world
    finally:
        log.away = False
        await world.end()
        if bus is None:
            await log.close()


def item(id_: str | int = "A-1", text: str = "Where is my parcel?", **fields: Any) -> dict[str, Any]:
    """A mention in the shape any tool can send."""
    return {"network": "crm", "id": id_, "text": text, "author": {"id": "c9"}, **fields}


def x_post(id_: str = "19", text: str = "@acme hi", **fields: Any) -> dict[str, Any]:
    """A post as X writes it."""
    return {"id": id_, "text": text, "author_id": "222", "created_at": "2025-06-02T12:00:00.000Z", **fields}


def _key(
    settings: IngestSettings, name: str, *, scopes: Sequence[str] = ("*",), teams: Sequence[str] = ("main",)
) -> str:
    return create_key(settings.keys, name=name, role="service", scopes=scopes, teams=teams)
