"""The log or the database away: ingest says so, takes nothing it cannot keep, and goes on by itself."""

import contextlib
import sqlite3
from pathlib import Path

from libs.common.migrate import migrate
from services.ingest.app import MIGRATIONS
from tests.integration.ingest.world import FlakyBus, World, item, world_of


async def test_with_the_log_away_the_caller_is_told_to_come_again(world: World) -> None:
    world.bus.away = True

    answer = await world.post([item("1"), item("2")])

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:guichet:problem:unavailable"
    world.bus.away = False
    assert await world.told() == []
    assert (await world.post([item("1"), item("2")])).status_code == 202


async def test_readiness_says_that_the_log_is_away_and_liveness_stays(tmp_path: Path) -> None:
    bus = FlakyBus()
    bus.away = True
    async with world_of(tmp_path, "", bus=bus, ready=False) as world:
        said = await world.until("/readyz", lambda answer: "Kafka is away" in answer.text)
        assert said.status_code == 503
        assert (await world.call("GET", "/livez")).status_code == 200
        bus.away = False
        await world.is_ready()
    await bus.close()


async def test_without_its_tables_it_waits_unready_and_takes_nothing(tmp_path: Path) -> None:
    async with world_of(tmp_path, "", migrated=False) as world:
        said = await world.until("/readyz", lambda answer: "guichet migrate" in answer.text)
        assert said.status_code == 503
        assert (await world.post(item())).status_code == 503
        assert (await world.call("GET", "/v1/handles")).status_code == 503

        await migrate(world.settings.database, "ingest", MIGRATIONS)
        await world.is_ready()
        assert (await world.post(item())).status_code == 202


async def test_it_takes_mentions_without_its_database_once_it_has_read_its_handles(world: World) -> None:
    await world.has_handle("acme")
    with contextlib.closing(sqlite3.connect(world.settings.data / "ingest.db")) as connection:
        connection.execute("DROP TABLE handles")
    assert (await world.call("GET", "/v1/handles")).status_code == 503

    assert (await world.post(item(handle="acme"))).status_code == 202
    assert (await world.call("GET", "/readyz")).status_code == 200
