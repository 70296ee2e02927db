"""The set-up's doors, with a real database and a caller for each kind of key."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.auth import Keyring
from libs.common.db import Database, connect
from libs.common.keys import create_key, list_keys
from libs.common.metrics import Metrics
from libs.common.migrate import migrate
from libs.common.web import web_app
from services.router.api import business_hours, people, setup
from services.router.domain.setup import Setup
from services.router.handlers.setup import SettingUp
from services.router.store.tables import AGENTS, WORK_ITEMS

MIGRATIONS = Path(setup.__file__).parents[1] / "migrations"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = {"zone": "Europe/Paris", "week": {"mon-fri": ["09:00-18:00"]}}


class Office:
    """The set-up's doors, and what it told others."""

    def __init__(self, database: Database, callers: dict[str, httpx2.AsyncClient]) -> None:
        self.database = database
        self.callers = callers
        self.recomputed: list[tuple[str, str, int]] = []
        self.forgotten = 0

    async def recompute(self, session: AsyncSession, setup: Setup, kind: str, slug: str, now: datetime) -> None:
        """What moves running clocks."""
        self.recomputed.append((kind, slug, setup.revision))

    def forget(self) -> None:
        """The set-up is another one."""
        self.forgotten += 1

    async def call(
        self, method: str, path: str, body: Any = None, status: int = 200, *, by: str = "admin", if_match: str = ""
    ) -> Any:
        """What REST answers."""
        headers = {"If-Match": if_match} if if_match else {}
        answer = await self.callers[by].request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def get(self, path: str, status: int = 200, *, by: str = "admin") -> Any:
        """What stands there."""
        return await self.call("GET", path, status=status, by=by)

    async def put(self, path: str, body: dict[str, Any], status: int = 200, **more: Any) -> Any:
        """A change."""
        return await self.call("PUT", path, body, status, **more)

    async def agent(self, slug: str, **values: Any) -> None:
        """Somebody who answers."""
        row = {
            "slug": slug, "name": slug, "team": "main", "skills": {}, "capacity": 3, "used": 0, "presence": "offline",
            "presence_at": NOON, "version": 1, "updated_at": NOON, "teams": [], "queues": [], "hours": "",
            "timeouts": 0,
        }  # fmt: skip
        async with self.database.begin() as session:
            await session.execute(sa.insert(AGENTS).values(row | values))

    async def item(self, queue: str, state: str = "pending", number: int = 1) -> None:
        """Something that waits."""
        row = {
            "id": f"itm_{number}", "conversation_id": f"cnv_{number}", "queue": queue, "team": "main", "state": state,
            "urgency": "normal", "rank": 5, "enqueued_at": NOON, "agent": "", "opened_by": "1", "reason": "",
            "version": 1, "updated_at": NOON, "line": queue, "late": False, "sort_at": NOON, "weight": 1,
            "routing": {},
        }  # fmt: skip
        async with self.database.begin() as session:
            await session.execute(sa.insert(WORK_ITEMS).values(row))


@asynccontextmanager
async def office_of(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """One on a database of its own."""
    await migrate(database_url, "router", MIGRATIONS)
    keys = tmp_path / "keys.toml"
    secrets = {
        "admin": create_key(keys, name="everybody", role="admin", scopes=["*"], teams=["*"]),
        "nord": create_key(keys, name="up north", role="supervisor", teams=["nord"]),
        "agent": create_key(keys, name="an agent", role="agent", teams=["main"]),
        "queues": create_key(keys, name="a tool", role="service", scopes=["queues:write"], teams=["*"]),
    }
    database = connect(database_url, "router")
    office = Office(database, {})
    setting_up = SettingUp(database, office.recompute, [office.forget])
    keyring = Keyring(keys)
    app = web_app(
        "router",
        [
            *setup.routes(database, setting_up),
            business_hours.routes(database),
            people.routes(keyring, lambda: list_keys(keys)),
        ],
        metrics=Metrics(CollectorRegistry(), "router"),
        keyring=keyring,
        body_limits={"/v1/setup": setup.WHOLE_BYTES},
    )
    async with AsyncExitStack() as open_:
        for name, secret in secrets.items():
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app),
                base_url="http://router",
                headers={"Authorization": f"Bearer {secret}"},
            )
            office.callers[name] = await open_.enter_async_context(client)
        yield office
    await database.close()
