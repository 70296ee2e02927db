"""Routing from end to end: three routers on real Kafka and PostgreSQL, sixty people, and a kill -9 in the middle."""

from pathlib import Path

import pytest

from tests.proof.routing.judging import judge
from tests.proof.routing.story import Wanted, play
from tests.servers import KafkaCluster, Postgres

SMALL = Wanted(mentions=3_000, kills=1, given=200, speed=120)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
async def test_nothing_is_lost_given_twice_or_out_of_order_while_routers_are_killed(
    kafka_to_crash: KafkaCluster, postgres_with_commit_times: Postgres, tmp_path: Path
) -> None:
    url = postgres_with_commit_times.create_database("guichet")

    played = await play(SMALL, f"kafka://{kafka_to_crash.bootstrap}", url, tmp_path / "house", print)
    verdicts = await judge(url, played, print)

    broken = {verdict.promise: verdict.examples for verdict in verdicts if verdict.broken}
    assert broken == {}
    assert [verdict.promise for verdict in verdicts if not verdict.looked_at] == []
