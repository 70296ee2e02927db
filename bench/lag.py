"""How far the services are behind: what Kafka says of each group, and the router's outbox, while they work."""

import asyncio
import time
from types import TracebackType
from typing import NamedTuple, Self

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.posts import PARTITIONS
from libs.common.events import CLASSIFIED, RAW, WORK_ITEMS

GROUPS = {"classifier": RAW, "router": CLASSIFIED, "responder": WORK_ITEMS}
OUTBOX = "outbox"
SAMPLE_SECONDS = 1.0
QUIET_SAMPLES = 3  # so often nothing must wait, for between two topics it may be in nobody's books


class Sample(NamedTuple):
    """Records not yet handled, by service, and events not yet published."""

    at: float
    waiting: dict[str, int]

    @property
    def total(self) -> int:
        """Over all services."""
        return sum(self.waiting.values())


class Lag:
    """Asks Kafka; use it as an async context."""

    def __init__(self, bootstrap: str, database: str) -> None:
        self._url = database
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self.samples: list[Sample] = []

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        self._database = await asyncpg.connect(self._url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._database.close()
        await self._consumer.stop()
        await self._admin.close()

    async def sample(self) -> Sample:
        """Now."""
        waiting = {}
        for group, topic in GROUPS.items():
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            done = await self._admin.list_consumer_group_offsets(group, partitions=places)
            ends = await self._consumer.end_offsets(places)
            waiting[group] = sum(ends[place] - max(0, done[place].offset if place in done else 0) for place in places)
        if not any(waiting.values()):  # else the question, which the outbox's dead rows make dear, can wait
            waiting[OUTBOX] = await self._database.fetchval("SELECT count(*) FROM router.outbox")
        sample = Sample(time.perf_counter(), waiting)
        self.samples.append(sample)
        return sample

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def drained(self, limit_seconds: float, pause_seconds: float = 0.25) -> float | None:
        """When nothing waited any more (perf_counter), or None after the limit."""
        end = time.perf_counter() + limit_seconds
        quiet = 0
        first_quiet = 0.0
        while time.perf_counter() < end:
            sample = await self.sample()
            first_quiet = sample.at if quiet == 0 else first_quiet
            quiet = quiet + 1 if sample.total == 0 else 0
            if quiet == QUIET_SAMPLES:
                return first_quiet
            await asyncio.sleep(pause_seconds)
        return None
