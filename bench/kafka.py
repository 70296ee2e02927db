"""What the benchmarks over Kafka share: filling a topic, and seeing how much one holds."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.measure import cut
from bench.posts import PARTITIONS
from libs.common.bus import Record, partition_of

BATCH_BYTES = 512 * 1024
FILL_AT_ONCE = 3000
READ_SECONDS = 30


class Message(NamedTuple):
    """What stands in a topic. The headers are a list, or aiokafka refuses them."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] | None = None


async def make_topics(bootstrap: str, *names: str, partitions: int = PARTITIONS) -> None:
    """Empty topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()


async def delete_topics(bootstrap: str, *names: str) -> None:
    """Take topics away again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def messages_of(records: Iterable[Record]) -> list[Message]:
    """Records as plain messages."""
    return [Message(record.key, record.value or b"", list(record.headers)) for record in records]


async def fill(bootstrap: str, topic: str, messages: Sequence[Message], partitions: int = PARTITIONS) -> None:
    """Publish the messages; each in the partition its key chooses."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        await producer.partitions_for(topic)
        for some in cut(messages, FILL_AT_ONCE):
            by_partition: dict[int, list[Message]] = {}
            for message in some:
                by_partition.setdefault(partition_of(message.key, partitions), []).append(message)
            await asyncio.gather(*[send_all(producer, topic, where, few) for where, few in by_partition.items()])
    finally:
        await producer.stop()


async def send_all(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[Message]) -> None:
    """One batch, or as many as it takes; returns when the broker holds them."""
    acknowledged = []
    batch = producer.create_batch()
    for key, value, headers in messages:
        if batch.append(key=key, value=value, timestamp=None, headers=headers or []) is None:
            batch.close()
            acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers or [])
    batch.close()
    acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledged)


class Held:
    """How many records a topic holds; to be asked often."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = PARTITIONS) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    async def __aenter__(self) -> "Held":
        await self._consumer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._consumer.stop()

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends now."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._places)
        return ends

    async def count(self) -> int:
        """So many now."""
        return sum((await self.ends()).values())

    async def reaches(self, wanted: int, limit_seconds: float, pause_seconds: float = 0.02) -> bool:
        """Wait until it holds so many."""
        try:
            async with asyncio.timeout(limit_seconds):
                while await self.count() < wanted:  # noqa: ASYNC110 - Kafka tells nobody when it grows
                    await asyncio.sleep(pause_seconds)
        except TimeoutError:
            return False
        return True


async def times_since(bootstrap: str, starts: Mapping[TopicPartition, int], count: int) -> dict[bytes, int]:
    """When each of so many records behind these places was produced (ms), by key."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    found: dict[bytes, int] = {}
    try:
        consumer.assign(list(starts))
        for place, offset in starts.items():
            consumer.seek(place, offset)
        async with asyncio.timeout(READ_SECONDS):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found |= {record.key: record.timestamp for record in records}
    finally:
        await consumer.stop()
    return found
