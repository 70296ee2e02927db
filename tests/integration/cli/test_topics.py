"""The topics on a real Kafka: made once, left alone after, and what is wrong with them is said."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from libs.common import topics
from libs.common.errors import Misconfigured, Unavailable
from libs.common.events import TOPICS
from tests.buses import PATIENCE
from tests.servers import KafkaCluster

pytestmark = pytest.mark.kafka

ALL = [*TOPICS, *(f"{name}.dlq" for name in TOPICS)]


@pytest.fixture
async def empty(kafka: KafkaCluster) -> str:
    """A broker without our topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    if there := sorted(set(ALL) & set(await admin.list_topics())):
        await admin.delete_topics(there)
        async with asyncio.timeout(PATIENCE):
            while set(ALL) & set(await admin.list_topics()):
                pass  # they go one by one, after the answer
    await admin.close()
    return kafka.bootstrap


async def test_missing_topics_are_made_once(empty: str) -> None:
    assert sorted((await topics.create(empty)).created) == sorted(ALL)
    again = await topics.create(empty)
    assert (again.created, sorted(again.kept), again.wrong) == ([], sorted(ALL), [])
    assert await topics.problems(empty) == []


async def test_a_wrong_number_of_partitions_is_said_and_left(empty: str) -> None:
    await topics.create(empty, partitions=3)
    (line,) = (await topics.create(empty, partitions=6)).wrong
    assert line.startswith("3 partitions instead of 6 in mentions.raw, ")
    assert await topics.problems(empty, partitions=3) == []


async def test_a_topic_somebody_else_made_is_told_its_wrong_settings(empty: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=empty)
    await admin.start()
    await admin.create_topics([NewTopic("replies", 12, 1, topic_configs={"retention.ms": "1000"})])
    await admin.close()
    report = await topics.create(empty)
    assert report.kept == ["replies"]
    assert "replies has retention.ms=1000 instead of 604800000: mend it with kafka-configs.sh" in report.wrong


async def test_missing_topics_are_named(empty: str) -> None:
    (line,) = await topics.problems(empty)
    assert line == f"no topic {', '.join(ALL)}: run `guichet topics`"


async def test_more_copies_than_brokers_are_refused_with_what_to_say(empty: str) -> None:
    with pytest.raises(Misconfigured, match="--replication 1"):
        await topics.create(empty, replication=3)


async def test_a_kafka_that_is_away_is_said_to_be() -> None:
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 is away: no broker answers"):
        await topics.create("127.0.0.1:1")
