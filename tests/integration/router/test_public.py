"""The expected wait, from items that were answered to what the public reads."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import pytest
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
from tests.integration.router.messages import mention, own_post

MINUTE = timedelta(minutes=1)
LOOK = timedelta(seconds=30)
STATUS = "/v1/public/acme/status"


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


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    await migrate(database_url, "router", MIGRATIONS)
    keys = tmp_path / "keys.toml"
    key = create_key(keys, name="test", role="admin", scopes=["*"], teams=["*"])
    one = Office(database_url, keys, key)
    yield one
    await one.database.close()


async def test_a_wait_is_known_once_twenty_were_answered(office: Office) -> None:
    await office.agent()
    await office.answered_before(19, 400)
    assert (await office.looks(LOOK))["fr"].seconds() is None

    await office.answered_before(1, 400, days_ago=2)
    await office.looks(2 * LOOK)
    known = (await office.looks(3 * LOOK))["fr"]  # what is said changes with the second look that sees it

    assert known.seconds() == (600, 600, 600)
    assert known.memory.shown[0].regime == "idle"


async def test_with_nobody_there_the_wait_is_unknown_never_nothing(office: Office) -> None:
    await office.answered_before(30, 400)

    wait = (await office.looks(LOOK))["fr"]

    assert (wait.memory.shown[3].state, wait.memory.shown[3].reason) == ("unknown", "nobody_available")


async def test_every_item_that_joins_is_promised_what_was_published_and_scored(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    begun = await office.now()

    await office.hears(LOOK, mention("1", at=begun + LOOK + timedelta(seconds=1)))
    await office.looks(2 * LOOK)
    [promise] = [row for row in await office.rows("promises") if not row["item_id"].startswith("old")]
    await office.hears(3 * MINUTE, own_post("o1", to="1", at=begun + 3 * MINUTE))
    await office.looks(3 * MINUTE + LOOK)
    [kept] = [row for row in await office.rows("promises") if row["item_id"] == promise["item_id"]]

    assert (promise["state"], promise["promised_seconds"], promise["kept"]) == ("known", 600, None)
    assert bool(promise["idle"])
    assert (bool(kept["kept"]), round(kept["waited_seconds"])) == (True, 149)


async def test_silence_breaks_a_promise_when_its_time_is_over(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    await office.hears(LOOK, mention("1", at=await office.now() + LOOK))
    await office.looks(2 * LOOK)

    await office.looks(12 * MINUTE)

    [row] = [row for row in await office.rows("promises") if not row["item_id"].startswith("old")]
    assert row["kept"] is not None
    assert not row["kept"]
    assert row["ended_at"] is None


async def test_two_replicas_promise_once(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    await office.hears(LOOK, mention("1", at=await office.now() + LOOK))

    first, second = await office.looks(2 * LOOK), await office.looks(2 * LOOK)

    assert first["fr"].memory == second["fr"].memory
    published = await office.rows("published_waits")
    assert len({(row["queue"], row["urgency"], row["at"]) for row in published}) == len(published)
    assert len([row for row in await office.rows("promises") if not row["item_id"].startswith("old")]) == 1


async def test_a_line_makes_the_wait_longer(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    free = (await office.looks(LOOK))["fr"].seconds()

    begun = await office.now()
    await office.hears(LOOK, *[mention(str(n), author=f"p{n}", at=begun) for n in range(8)])
    await office.looks(2 * LOOK)
    busy = (await office.looks(3 * LOOK))["fr"]

    assert free is not None
    assert busy.seconds(2) is None or busy.seconds(2) > free
    assert busy.memory.ahead[2] == 8


async def test_no_wait_is_promised_that_is_faster_than_the_network_lets_us_post(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    begun = await office.now()
    await office.hears(LOOK, *[mention(str(n), author=f"p{n}", at=begun) for n in range(8)])
    ours = {}
    for budget in (1_000, 1):  # a thousand replies in a quarter of an hour, then one
        for tick in (2, 3, 4):
            ours[budget] = await office.looks((tick + (budget < 1_000) * 4) * LOOK, {"x": budget})

    free, limited = (ours[budget]["fr"].memory.shown[2] for budget in (1_000, 1))
    assert (free.state, limited.state) == ("known", "known")
    assert free.p50 < 6 * 900 <= limited.p50, "six have to be begun before there is room"


async def test_while_closed_the_wait_rolls_over_to_the_opening(office: Office) -> None:
    await office.agent()
    now = await office.now()
    tomorrow = (now + timedelta(days=2)).date().isoformat()
    await office.set_up("business-hours", "once", zone="UTC", week={}, exceptions={tomorrow: ["09:00-18:00"]})
    await office.set_up("queues", "fr", languages=["fr"], hours="once")
    await office.answered_before(30, 400)
    opens = datetime.fromisoformat(f"{tomorrow}T09:00:00").replace(tzinfo=UTC)

    await office.looks(LOOK)
    wait = (await office.looks(2 * LOOK))["fr"]

    p80 = wait.seconds()[1]
    assert timedelta(0) <= wait.at + timedelta(seconds=p80) - opens < timedelta(minutes=40)


# --- what people read


async def test_a_handle_without_a_page_is_unknown(office: Office) -> None:
    answer = await office.asks(STATUS)

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:guichet:problem:no-such-page"


async def test_the_public_reads_the_wait_without_a_key(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.waits.look()
    await office.incident("Panne du site : nous y travaillons.")
    page = await office.page()

    answer = await office.asks(STATUS)

    assert page["served_by"] == "fr"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    said = answer.json()
    assert said.pop("as_of")
    assert said == {
        "handle": "acme",
        "open": True,
        "next_change_at": None,
        "zone": "Europe/Paris",
        "opening_text": "Ouvert en permanence.",
        "expected_wait": {
            "state": "known", "p50_seconds": 600, "p80_seconds": 600, "more_than_hours": None,
            "text": "Réponse d'une personne : 8 fois sur 10 en 10 minutes au plus.",
        },
        "incident": "Panne du site : nous y travaillons.",
        "other_ways": ["01 23 45 67 89"],
        "language": "fr",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?format=text&lang=en", {}), ("", {"Accept": "text/plain", "Accept-Language": "de, en;q=0.8, fr;q=0.2"})],
)
async def test_it_is_there_as_text_and_in_english(office: Office, query: str, headers: dict[str, str]) -> None:
    await office.page()

    answer = await office.asks(STATUS + query, headers=headers)

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == (
        "@acme\nAlways open.\nResponse time: not known yet.\n\nOther ways to reach us:\n- 01 23 45 67 89\n"
    )


async def test_a_browser_gets_a_page_that_runs_and_fetches_nothing(office: Office) -> None:
    await office.incident("Panne <b>du site</b> & plus")
    await office.page()

    answer = await office.asks(STATUS, headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for said in ('lang="fr"', "Panne &lt;b&gt;du", "Ouvert en permanence.", "?lang=en&amp;format=page"):
        assert said in answer.text
    assert re.search(r"<script|src=|https?://|@import|url\(", answer.text) is None
    assert (await office.asks(f"{STATUS}?format=page&lang=en")).text.count("Always open.") == 1


async def test_who_has_it_already_is_told_so(office: Office) -> None:
    await office.page()
    first = await office.asks(STATUS)

    again = await office.asks(STATUS, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("published", "days", "kept", "state"),
    [("auto", 15, 30, "known"), ("auto", 13, 30, "unknown"), ("auto", 15, 20, "unknown"), ("on", 1, 5, "known"),
     ("off", 15, 30, "unknown")],
)  # fmt: skip
async def test_it_is_published_after_fourteen_days_well_kept_or_by_a_supervisor(
    office: Office, published: str, days: int, kept: int, state: str
) -> None:
    await office.agent()
    await office.answered_before(1, 400, days_ago=days)
    await office.answered_before(kept, 400, days_ago=2)
    await office.answered_before(30 - kept, 400, days_ago=2.5, kept=False)
    await office.waits.look()
    await office.page(published=published)

    assert (await office.asks(STATUS)).json()["expected_wait"]["state"] == state


async def test_who_asks_too_often_is_told_when_to_come_back(office: Office) -> None:
    await office.page()
    answers = [(await office.asks(STATUS)).status_code for _ in range(101)]
    refused = await office.asks(STATUS)
    office.time += 2

    assert answers == [200] * 100 + [429]
    assert refused.headers["Retry-After"] == "2"
    assert refused.json()["type"] == "urn:guichet:problem:too-many"
    assert (await office.asks(STATUS)).status_code == 200


async def test_those_who_work_here_see_the_parts_and_the_score(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.waits.look()

    wait = await office.calls("/v1/queues/fr/expected-wait")

    assert [one["urgency"] for one in wait["urgencies"]] == ["critical", "high", "normal", "low"]
    assert wait["urgencies"][3]["p80_seconds"] == 600
    assert (wait["agents"], wait["open"]) == (1, True)
    assert (wait["score"]["kept"], wait["score"]["scored"], wait["score"]["published"]) == (30, 30, False)
    assert (await office.asks("/v1/queues/fr/expected-wait")).status_code == 401
    assert office.registry.get_sample_value("expected_wait_seconds", {"queue": "fr", "quantile": "0.8"}) == 600
    assert office.registry.get_sample_value("expected_wait_kept_ratio", {"queue": "fr"}) == 1


async def test_a_page_is_changed_on_what_it_is(office: Office) -> None:
    assert (await office.page())["version"] == 1
    assert (await office.page())["version"] == 1
    assert (await office.page(published="off"))["version"] == 2
    headers = {"Authorization": f"Bearer {office.key}", "If-Match": '"1"'}

    stale = await office.asks("/v1/public/acme", "PUT", headers=headers, json={})

    assert stale.status_code == 412
    await office.calls("/v1/public/acme", "PUT", 422, {"zone": "Paris"})
    await office.calls("/v1/public/acme", "PUT", 404, {"queue": "nowhere"})
