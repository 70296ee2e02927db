"""A router that only waits: its database, its looks at the expected wait, and its doors to the public."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Keyring
from libs.common.db import Database, bulk_insert, connect
from libs.common.events import Event
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.migrate import migrate
from libs.common.web import web_app
from services.router.api import expected_wait, incidents, public
from services.router.api.public import Buckets
from services.router.app import MIGRATIONS
from services.router.handlers.figures import Figures
from services.router.handlers.messages import Messages
from services.router.handlers.waits import Waits
from services.router.store import agents, setup
from services.router.store.lines import Lines
from services.router.store.setup import Setups
from services.router.store.wait_tables import PROMISES

MINUTE = timedelta(minutes=1)


class Office:
    """One router that only waits: its database, its looks, its doors."""

    def __init__(self, url: str, keys: Path, key: str) -> None:
        self.url = url
        self.key = key
        self.registry = CollectorRegistry()
        self.database = connect(url, "router")
        self.setups = Setups()
        self.waits = Waits(self.database, self.setups, self.registry)
        self.time = 0.0
        self.app = web_app(
            "router",
            [
                expected_wait.routes(self.database, self.setups, self.waits),
                public.routes(
                    self.database, self.setups, self.waits,
                    buckets=Buckets(burst=100, monotonic=lambda: self.time),
                ),
                incidents.routes(self.database, self.setups, Figures(CollectorRegistry())),
            ],
            metrics=Metrics(CollectorRegistry(), "router"),
            keyring=Keyring(keys),
        )  # fmt: skip
        self.messages = Messages(self.setups, Lines(), Figures(CollectorRegistry()))

    async def now(self) -> datetime:
        """The database's clock."""
        async with self.database.read() as session:
            return await db.now(session)

    @asynccontextmanager
    async def later(
        self, after: timedelta, budgets: Mapping[str, int] = MappingProxyType({})
    ) -> AsyncIterator[tuple[Database, Waits]]:
        """The same database when the clock is so much further, seen by a replica of its own."""
        database = connect(self.url, "router", clock_offset=after)
        yield database, Waits(database, Setups(), CollectorRegistry(), budgets)
        await database.close()

    async def looks(self, after: timedelta, budgets: Mapping[str, int] = MappingProxyType({})) -> dict[str, Any]:
        """A look so long from now."""
        async with self.later(after, budgets) as (_, waits):
            await waits.look()
            return dict(waits.now)

    async def hears(self, after: timedelta, *events: Event) -> None:
        """One batch, so long from now."""
        async with self.later(after) as (database, _), database.begin() as session:
            await self.messages.on_messages(events, session)

    async def agent(self, slug: str = "ana") -> None:
        """An agent who is there."""

        async def work(session: AsyncSession) -> None:
            now = await db.now(session)
            values = {"name": slug, "team": "main", "skills": {}, "capacity": 3, "teams": (), "queues": (), "hours": ""}
            agent = await agents.put_agent(session, None, slug, values, actor="test", now=now)
            await agents.set_presence(
                session, agent, "available", reason="declared", actor="test", now=now, relieve_at=None
            )

        await self.database.write(work)

    async def set_up(self, kind: str, slug: str, **body: Any) -> None:
        """Something of the set-up."""

        async def work(session: AsyncSession) -> None:
            await setup.lock(session)
            await setup.put(session, kind, slug, "main", body, actor="test", now=await db.now(session))

        await self.database.write(work)

    async def answered_before(self, n: int, waited: float, *, kept: bool = True, days_ago: float = 1) -> None:
        """The ledger's rows of so many items that were answered at once."""
        joined = await self.now() - timedelta(days=days_ago)
        rows = [
            {
                "item_id": f"old-{days_ago}-{kept}-{number}", "queue": "fr", "urgency": "low",
                "conversation_id": f"c-{number}", "joined_at": joined, "promised_at": joined, "state": "known",
                "promised_seconds": 900, "raw": [waited, waited, waited], "regime": "idle", "idle": True,
                "due_at": joined + 15 * MINUTE, "kept": kept, "answered_at": joined + timedelta(seconds=waited),
                "waited_seconds": waited, "handled_seconds": waited, "ended_at": joined,
            }
            for number in range(n)
        ]  # fmt: skip
        async with self.database.begin() as session:
            await bulk_insert(session, PROMISES, rows)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table as it stands."""
        async with self.database.read() as session:
            return [dict(row._mapping) for row in await session.execute(sa.text(f"SELECT * FROM {table}"))]

    async def asks(self, path: str, method: str = "GET", **more: Any) -> httpx2.Response:
        """Without a key, unless one is given in the headers."""
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://router") as http:
            return await http.request(method, path, **more)

    async def calls(self, path: str, method: str = "GET", status: int = 200, body: Any = None) -> Any:
        """With a key."""
        answer = await self.asks(path, method, headers={"Authorization": f"Bearer {self.key}"}, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def incident(self, said: str) -> None:
        """One is open, and the page says this of it."""
        body = {
            "incident": "line-13", "name": "Line 13", "matcher": {"topics": ["outage"]}, "banner": {"fr": said},
            "since": (await self.now()).isoformat(), "open": True,
        }  # fmt: skip
        await self.calls("/v1/incidents", "POST", 201, body)

    async def page(self, **more: Any) -> Any:
        """The public page of the handle."""
        body = {"languages": ["fr"], "zone": "Europe/Paris", "other_ways": ["01 23 45 67 89"], "published": "on"} | more
        return await self.calls("/v1/public/acme", "PUT", body=body)


@asynccontextmanager
async def office_of(database_url: str, folder: Path) -> AsyncIterator[Office]:
    """One, on an empty database; `folder` keeps its key."""
    await migrate(database_url, "router", MIGRATIONS)
    keys = folder / "keys.toml"
    key = create_key(keys, name="test", role="admin", scopes=["*"], teams=["*"])
    one = Office(database_url, keys, key)
    try:
        yield one
    finally:
        await one.database.close()
