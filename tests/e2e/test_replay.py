"""The main job from end to end, on the embedded default and on real Kafka and PostgreSQL."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.proof.arithmetic import brands_in, expected
from tests.proof.house import ROOT, House
from tests.proof.replay import dead_letters, kill_of, outcome, replay, replay_under_fire
from tests.servers import KafkaCluster, Postgres

TRAFFIC = ROOT / "config" / "demo" / "traffic.ndjson"
WANTED = expected(TRAFFIC, brands_in(TRAFFIC.with_name("traffic_users.ndjson")))
POSTS = len(WANTED.mentions) + len(WANTED.own_posts)


@pytest.fixture(params=["one process", pytest.param("four on kafka", marks=[pytest.mark.kafka, pytest.mark.postgres])])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    if request.param == "one process":
        async with House(tmp_path, "local", f"sqlite:///{tmp_path}", one_process=True) as house:
            yield house
        return
    kafka: KafkaCluster = request.getfixturevalue("kafka_to_crash")
    postgres: Postgres = request.getfixturevalue("postgres_to_crash")
    url = postgres.create_database("guichet")
    async with House(tmp_path / "house", f"kafka://{kafka.bootstrap}", url, one_process=False) as house:
        yield house


@pytest.mark.slow
async def test_every_post_of_a_replay_is_kept_once_and_a_second_replay_changes_nothing(house: House) -> None:
    first = await replay(house, TRAFFIC, speed="max")
    once = await outcome(house, WANTED)
    await replay(house, TRAFFIC, speed="max", again=True)

    assert f"{POSTS} accepted" in first
    assert await outcome(house, WANTED) == once
    assert await dead_letters(house) == []


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_when_processes_are_killed_in_the_middle(house: House) -> None:
    chance = random.Random(20260302)

    strikes = [kill_of(house, chance) for _ in range(4)]

    struck = await replay_under_fire(house, TRAFFIC, strikes, speed="40/s", posts=POSTS)

    assert len(struck) == 4
    await outcome(house, WANTED)
    assert await dead_letters(house) == []
