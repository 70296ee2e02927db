"""A router with a real database, called from both sides: what it hears, and REST."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.bus_local import LocalBus
from libs.common.db import Database, connect
from libs.common.events import Event, decode
from libs.common.keys import create_key
from libs.common.migrate import migrate
from libs.common.outbox import OUTBOX
from services.router.app import MIGRATIONS, build
from services.router.handlers.dispatching import Dispatcher
from services.router.handlers.figures import Figures
from services.router.handlers.messages import Messages
from services.router.handlers.timers import Timers
from services.router.settings import RouterSettings
from services.router.store import setup
from services.router.store.lines import Lines
from services.router.store.setup import Setups


def figures() -> Figures:
    """Counters of their own."""
    return Figures(CollectorRegistry())


class World:
    """The router's doors."""

    def __init__(
        self,
        database_url: str,
        database: Database,
        another_replica: Database,
        http: httpx2.AsyncClient,
        other_team: httpx2.AsyncClient,
    ) -> None:
        self.database_url = database_url
        self.database = database
        self.another_replica = another_replica
        self.http = http
        self.other_team = other_team
        self.registry = CollectorRegistry()
        self.messages = Messages(Setups(), Lines(), Figures(self.registry))

    async def hears(self, *events: Event) -> None:
        """One batch, in one transaction."""
        async with self.database.begin() as session:
            await self.messages.on_messages(events, session)

    async def told(self) -> list[Event]:
        """All that was told so far, in order."""
        async with self.database.read() as session:
            rows = await session.execute(sa.select(OUTBOX.c.type, OUTBOX.c.value).order_by(OUTBOX.c.id))
            events = [decode(row.type, row.value.encode()) for row in rows]
        return [event for event in events if event is not None]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table as it stands."""
        async with self.database.read() as session:
            return [dict(row._mapping) for row in await session.execute(sa.text(f"SELECT * FROM {table}"))]

    async def get(self, path: str, status: int = 200) -> Any:
        """What REST answers."""
        answer = await self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def call(self, method: str, path: str, body: dict[str, Any], status: int = 200) -> Any:
        """What REST answers to a change."""
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def agent(self, slug: str, capacity: int = 3, presence: str = "available", **more: Any) -> None:
        """An agent who is there."""
        await self.call("PUT", f"/v1/agents/{slug}", {"name": slug.title(), "capacity": capacity, **more})
        await self.call("PUT", f"/v1/agents/{slug}/presence", {"presence": presence})

    async def set_up(self, kind: str, slug: str, **body: Any) -> None:
        """Something of the set-up."""

        async def work(session: AsyncSession) -> None:
            await setup.lock(session)
            team = body.get("team", "main")
            await setup.put(session, kind, slug, team, body, actor="test", now=await db.now(session))

        await self.database.write(work)

    @asynccontextmanager
    async def later(self, after: timedelta) -> AsyncIterator[Database]:
        """The same database when the clock is so much further."""
        database = connect(self.database_url, "router", clock_offset=after)
        yield database
        await database.close()

    async def time_passes(self, after: timedelta) -> int:
        """The timers look, so long from now; says how many rows they changed."""
        async with self.later(after) as database:
            return await Timers(database, Setups(), figures()).turn()

    async def dispatched(self, after: timedelta = timedelta()) -> int:
        """The dispatcher looks, so long from now; says how many items moved."""
        async with self.later(after) as database:
            return await Dispatcher(database, Setups(), figures()).turn()

    async def take(self, agent: str, queues: Sequence[str] = (), status: int = 200) -> Any:
        """The next item for an agent."""
        return await self.call("POST", "/v1/work-items/take-next", {"agent": agent, "queues": list(queues)}, status)


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    await migrate(database_url, "router", MIGRATIONS)
    keys = tmp_path / "keys.toml"
    key = create_key(keys, name="test", role="admin", scopes=["*"], teams=["*"])
    stranger = create_key(keys, name="stranger", role="admin", scopes=["*"], teams=["nord"])
    settings = RouterSettings(
        data=tmp_path, database_url=database_url, keys=keys, secret=SecretStr("a secret of this test"), port=0
    )
    bus = LocalBus(":memory:")
    service = build(settings, bus)
    transport = httpx2.ASGITransport(app=service.app)
    database, another_replica = connect(database_url, "router"), connect(database_url, "router")
    async with (
        httpx2.AsyncClient(
            transport=transport, base_url="http://router", headers={"Authorization": f"Bearer {key}"}
        ) as http,
        httpx2.AsyncClient(
            transport=transport, base_url="http://router", headers={"Authorization": f"Bearer {stranger}"}
        ) as other_team,
    ):
        yield World(database_url, database, another_replica, http, other_team)
    await another_replica.close()
    await database.close()
    await service.close()
    await bus.close()
