"""Rehearsals over REST: what is stored, under the set-up in force and under a changed one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from libs.common.auth import Keyring
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.web import web_app
from services.router.api import simulations as api
from services.router.handlers.simulations import Rehearsals
from services.router.store.setup import Setups
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention

DAY = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}


@asynccontextmanager
async def door(
    world: World, keys: Path, scopes: Sequence[str] = ("*",), teams: Sequence[str] = ("*",), **limits: int
) -> AsyncIterator[httpx2.AsyncClient]:
    """The route alone, for a key with these scopes, with limits a test can reach."""
    key = create_key(keys, name="rehearses", role="service", scopes=list(scopes), teams=list(teams))
    routes = api.routes(Rehearsals(world.database, Setups(), **limits))
    app = web_app("router", [routes], metrics=Metrics(CollectorRegistry(), "router"), keyring=Keyring(keys))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://router", headers={"Authorization": f"Bearer {key}"}
    ) as http:
        yield http


async def rehearse(http: httpx2.AsyncClient, status: int = 200, **body: Any) -> Any:
    """What REST answers; a report has the shape that the document promises."""
    answer = await http.post("/v1/simulations", json=DAY | body)
    assert answer.status_code == status, answer.text
    if status == 200:
        api.SimulationOut.model_validate_json(answer.content, strict=False)
        assert set(answer.json()["report"]) == set(api.ReportOut.model_fields)
        assert set(answer.json()["report"]["total"]) == set(api.FiguresOut.model_fields)
    return answer.json()


@pytest.fixture
async def busy(world: World) -> World:
    """An afternoon in two languages, and one agent."""
    await world.agent("ana", presence="offline")
    await world.hears(
        *(
            mention(f"{n:02}", author=f"jo{n}", at=NOON + n * MINUTE, language="fr" if n % 3 else "en")
            for n in range(30)
        )
    )
    return world


async def test_what_is_in_force_is_rehearsed_on_what_is_stored(busy: World, tmp_path: Path) -> None:
    async with door(busy, tmp_path / "k.toml") as http:
        found = await rehearse(http, handling_seconds=60, handling_spread=0, promise="72% in 1h", items=True)
    report = found["report"]
    assert found["before"] is None
    assert (report["messages"], report["total"]["items"]) == (30, 30)
    assert [each["agent"] for each in report["agents"]] == ["ana"]  # offline now, and there in a rehearsal
    assert report["total"]["elapsed"] == {"p50_seconds": 60, "p80_seconds": 60, "p90_seconds": 60}
    assert (report["kept"], report["promise"]) == (True, {"share": 0.72, "within_seconds": 3600})
    assert len(report["got"]) == 30
    assert {each["agent"] for each in report["got"]} == {"ana"}


async def test_before_and_after_a_change(busy: World, tmp_path: Path) -> None:
    await busy.set_up("queues", "english", languages=["en"])
    kept = await busy.rows("setup")
    async with door(busy, tmp_path / "k.toml") as http:
        found = await rehearse(
            http,
            setup={
                "queues": {
                    "en": None,
                    "english": {"languages": ["en-GB"], "version": 3, "updated_at": "2026-01-01T00:00:00Z"},
                }
            },
            agents={"tom": {"name": "Tom", "skills": ["lang:en"], "used": 2, "presence": "away"}},
        )
    before, after = found["before"], found["report"]
    assert [(each["key"], each["items"]) for each in before["queues"]] == [("en", 10), ("fr", 20)]
    assert [(each["key"], each["items"]) for each in after["queues"]] == [("default", 10), ("fr", 20)]
    assert found["moved_queue"] == 10
    assert found["moved_agent"] > 0
    assert after["total"]["elapsed"]["p90_seconds"] < before["total"]["elapsed"]["p90_seconds"]
    assert await busy.rows("setup") == kept


async def test_the_same_seed_gives_the_same_answer(busy: World, tmp_path: Path) -> None:
    async with door(busy, tmp_path / "k.toml", at_once=7) as http:
        first, second = await asyncio.gather(rehearse(http, seed=4), rehearse(http, seed=4))
        other = await rehearse(http, seed=5)
    assert first == second != other


async def test_deleted_and_corrected_mentions_are_as_they_are_now(busy: World, tmp_path: Path) -> None:
    await busy.hears(deleted("01", author="jo1"))
    labels = {"urgency": "critical"}
    await busy.call("POST", "/v1/corrections", {"network": "x", "post_id": "02", "labels": labels}, 201)
    async with door(busy, tmp_path / "k.toml") as http:
        report = (await rehearse(http))["report"]
    assert report["messages"] == 29
    assert [(each["key"], each["items"]) for each in report["urgencies"]] == [("critical", 1), ("normal", 28)]


async def test_a_team_rehearses_its_own(busy: World, tmp_path: Path) -> None:
    async with door(busy, tmp_path / "k.toml", teams=["nord"]) as http:
        problem = await rehearse(http, 422, agents={"nils": {"team": "main"}})
    assert problem["type"].endswith("no-agents")  # as it is, that team has none
    await busy.call("PUT", "/v1/agents/nils", {"name": "Nils", "team": "main"})
    async with door(busy, tmp_path / "k2.toml", teams=["main"]) as http:
        assert (await rehearse(http))["report"]["messages"] == 30


async def test_it_takes_the_scope_of_who_sets_up(busy: World, tmp_path: Path) -> None:
    async with door(busy, tmp_path / "k.toml", scopes=["queues:read", "mentions:read"]) as http:
        assert (await rehearse(http, 403))["missing_scope"] == "queues:write"


@pytest.mark.parametrize(
    ("body", "slug", "says"),
    [
        ({"to": "2026-03-01T00:00:00Z"}, "no-time", "later"),
        ({"from": "2027-03-01T00:00:00Z", "to": "2027-03-02T00:00:00Z"}, "no-mentions", "order=newest"),
        ({"promise": "soon"}, "bad-promise", "72% in 1h"),
        ({"zone": "Paris"}, "bad-zone", "Europe/Paris"),
        ({"setup": {"queus": {}}}, "invalid", 'Did you mean "queues"?'),
        ({"setup": {"queues": {"fr": {"langages": []}}}}, "invalid", 'Did you mean "languages"?'),
        ({"setup": {"queues": {"fr": {"hours": "desk"}}}}, "invalid", "leave `hours` out"),
        ({"agents": {"tom": {"capacity": 1000}}}, "invalid", "at most 100"),
        ({"agents": {"ana": None}}, "no-agents", "PUT /v1/agents"),
    ],
)
async def test_what_cannot_be_says_what_to_do(
    busy: World, tmp_path: Path, body: dict[str, Any], slug: str, says: str
) -> None:
    async with door(busy, tmp_path / "k.toml") as http:
        problem = await rehearse(http, 422, **body)
    assert problem["type"] == f"urn:guichet:problem:{slug}"
    assert says in problem["fix"]


async def test_too_much_is_refused_before_all_of_it_is_read(busy: World, tmp_path: Path) -> None:
    async with door(busy, tmp_path / "k.toml", most=20, at_once=5) as http:
        problem = await rehearse(http, 422)
    assert problem["type"].endswith("too-many-mentions")
    assert "More than 20 mentions" in problem["detail"]
    assert "shorter time" in problem["fix"]


async def test_only_what_was_posted_in_that_time_counts(busy: World, tmp_path: Path) -> None:
    time: dict[str, Any] = {"from": NOON.isoformat(), "to": (NOON + timedelta(minutes=10)).isoformat()}
    async with door(busy, tmp_path / "k.toml") as http:
        found = await rehearse(http, **time)
    assert found["report"]["messages"] == 10
