"""A responder with a real database and a network over real HTTP, called from all sides."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from libs.common.bus import Record
from libs.common.bus_local import LocalBus
from libs.common.db import Database, connect
from libs.common.events import Event, decode
from libs.common.keys import create_key
from libs.common.migrate import migrate
from libs.common.outbox import OUTBOX
from libs.common.process import Service
from services.responder.app import MIGRATIONS, build
from services.responder.domain.eligibility import Means
from services.responder.domain.posting import Pace
from services.responder.gateways.x import XGateway
from services.responder.handlers.closures import Closures
from services.responder.handlers.figures import Figures
from services.responder.handlers.mentions import Mentions
from services.responder.handlers.replies import Changes
from services.responder.handlers.sending import Sender
from services.responder.settings import ResponderSettings
from tests.buses import PATIENCE, Reader
from tests.integration.responder.mentions import routed
from tests.integration.responder.network import Sandbox, sandbox

PACE = Pace()  # as in production: the clock is moved instead

MEANS = Means(frozenset({"x"}), frozenset({"x"}))

_keys = (f"key-{n}" for n in itertools.count(1))


@dataclass
class World:
    """The responder's doors."""

    url: str
    service: Service
    bus: LocalBus
    database: Database
    http: httpx2.AsyncClient
    other_team: httpx2.AsyncClient
    supervisor: httpx2.AsyncClient
    sandbox: Sandbox
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.figures = Figures(self.registry)

    async def hears(self, *events: Event) -> None:
        """One batch, in one transaction."""
        async with self.database.begin() as session:
            await Mentions(self.figures, closures=Closures(MEANS)).on_work_items(events, session)

    async def told(self) -> list[Event]:
        """All that was told so far, in order."""
        async with self.database.read() as session:
            rows = await session.execute(sa.select(OUTBOX.c.type, OUTBOX.c.value).order_by(OUTBOX.c.id))
            events = [decode(row.type, row.value.encode()) for row in rows]
        return [event for event in events if event is not None]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table as it stands."""
        async with self.database.read() as session:
            found = await session.execute(sa.text(f"SELECT * FROM {table}"))
            return [dict(row._mapping) for row in found]

    async def ask(
        self, post_id: str = "1001", *, text: str = "On regarde ^Ana", key: str | None = None, **more: Any
    ) -> httpx2.Response:
        """Ask for a reply; `key` is the Idempotency-Key."""
        body = {"network": "x", "post_id": post_id, "text": text} | more
        return await self.http.post("/v1/replies", json=body, headers={"Idempotency-Key": key or next(_keys)})

    async def queued(self, post_id: str = "1001", **more: Any) -> str:
        """The id of a reply to a mention that can be answered."""
        await self.hears(routed(post_id))
        answer = await self.ask(post_id, **more)
        assert answer.status_code == 202, answer.text
        assert answer.json()["state"] == "queued"
        return str(answer.json()["id"])

    async def reply(self, id_: str) -> Any:
        """The reply as REST shows it."""
        answer = await self.http.get(f"/v1/replies/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    @asynccontextmanager
    async def sender(
        self,
        later: float = 0,
        pace: Pace = PACE,
        url: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> AsyncIterator[Sender]:
        """The sender of a process that runs so many seconds later."""
        database = connect(self.url, "responder", clock_offset=timedelta(seconds=later))
        gateway = XGateway(url or self.sandbox.url, "sandbox-{handle}", post_limit=pace.post_limit, transport=transport)
        try:
            yield Sender(
                database, {"x": gateway}, pace, Changes(), self.figures, at_once=8, poll_seconds=0.1, chance=lambda: 0.5
            )
        finally:
            await gateway.close()
            await database.close()

    async def sends(self, later: float = 0, pace: Pace = PACE, url: str | None = None) -> None:
        """One turn of a sender so many seconds later, to its end. The network's clock goes with it."""
        self.sandbox.later = timedelta(seconds=later)
        async with self.sender(later, pace, url) as sender:
            stop = asyncio.Event()
            await sender.turn()
            await sender.finish()
            stop.set()
            await sender.run(stop)  # raises what befell the turn

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All tasks of the service, as in a process."""
        stop = asyncio.Event()
        tasks = [asyncio.ensure_future(task(stop)) for task in self.service.tasks]
        try:
            yield
        finally:
            stop.set()
            done, late = await asyncio.wait(tasks, timeout=PATIENCE)
            assert not late, "a task does not stop"
            for task in done:
                task.result()

    async def on_topic(self, topic: str, n: int) -> list[Record]:
        """So many records of a topic, once they are there."""
        async with Reader(self.bus, topic, "test") as reader:
            await reader.has(n)
        return reader.finished


@pytest.fixture
async def network() -> AsyncIterator[Sandbox]:
    """A sandbox network on a port of its own."""
    async with sandbox() as made:
        yield made


@pytest.fixture
async def world(database_url: str, tmp_path: Path, network: Sandbox) -> AsyncIterator[World]:
    await migrate(database_url, "responder", MIGRATIONS)
    keys = tmp_path / "keys.toml"
    key = create_key(keys, name="test", role="admin", scopes=["*"], teams=["*"])
    stranger = create_key(keys, name="stranger", role="admin", scopes=["*"], teams=["nord"])
    boss = create_key(keys, name="boss", role="supervisor", scopes=["replies:read", "replies:write"], teams=["*"])
    settings = ResponderSettings.load(
        {},
        data=tmp_path,
        database_url=database_url,
        keys=keys,
        secret=SecretStr("a secret of this test"),
        x_base_url=network.url,
    )
    bus = LocalBus(":memory:")
    service = build(settings, bus)
    transport = httpx2.ASGITransport(app=service.app)
    database = connect(database_url, "responder")
    async with (
        httpx2.AsyncClient(
            transport=transport, base_url="http://responder", headers={"Authorization": f"Bearer {key}"}
        ) as http,
        httpx2.AsyncClient(
            transport=transport, base_url="http://responder", headers={"Authorization": f"Bearer {stranger}"}
        ) as other_team,
        httpx2.AsyncClient(
            transport=transport, base_url="http://responder", headers={"Authorization": f"Bearer {boss}"}
        ) as supervisor,
    ):
        yield World(database_url, service, bus, database, http, other_team, supervisor, network)
    await database.close()
    await service.close()
    await bus.close()
