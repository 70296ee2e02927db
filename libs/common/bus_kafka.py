"""The bus on Apache Kafka: everything aiokafka's defaults would get wrong stands here, and only here."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from libs.common.bus import MAX_VALUE_BYTES, HandleBatch, Pulse, Record
from libs.common.bus_kafka_reading import POLL_MS, Reading, as_record, limited, reason_of
from libs.common.errors import Misconfigured, Rejected, Unavailable
from libs.common.events import TOPICS
from libs.common.kafka_login import IN_THE_OPEN, Login, why_not

log = structlog.get_logger()

PUBLISH_SECONDS = 10
CONNECT_SECONDS = 15
CLOSE_SECONDS = 10
LEAVE_SECONDS = 1
ABANDON_SECONDS = 30  # an abandoned producer gives up its last batch after two of its request time limits
AWAY_SECONDS = (0.2, 5.0)  # first and longest wait while Kafka is away

CONSUMER: Mapping[str, Any] = MappingProxyType(
    {
        "enable_auto_commit": False,  # auto-commit commits what was handed out, handled or not
        "auto_offset_reset": "earliest",  # latest skips at first start and on new partitions
        "isolation_level": "read_committed",
        "partition_assignment_strategy": (RangePartitionAssignor,),  # round robin parts one person's topics
        "session_timeout_ms": 15_000,
        "heartbeat_interval_ms": 3_000,
        "rebalance_timeout_ms": 20_000,
        "request_timeout_ms": 40_000,  # must exceed the rebalance by 10 s, or joining never succeeds
        "max_poll_interval_ms": 120_000,
        "max_partition_fetch_bytes": 1 << 20,
        "fetch_max_wait_ms": 100,  # what comes to partitions just emptied waits for it: decision 0034
        "fetch_min_bytes": 1,
    }
)
PRODUCER: Mapping[str, Any] = MappingProxyType(
    {
        "acks": "all",
        "enable_idempotence": False,  # an idempotent batch never expires; repeats are recognised anyway
        "request_timeout_ms": 8_000,
        "max_batch_size": 512 * 1024,
        "max_request_size": 3 << 20,  # dead letters may be larger than what services publish
        "linger_ms": 0,
    }
)


def parse(address: str) -> str:
    """`kafka://host:port,host:port` -> the bootstrap servers; anything else is `Misconfigured`."""
    servers = address.removeprefix("kafka://")
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        if not address.startswith("kafka://") or not host or not port.isdigit():
            raise Misconfigured(f"the bus address {address!r} is not kafka://HOST:PORT[,HOST:PORT...]")
    return servers


class _NoTopic(KafkaError):  # type: ignore[misc]
    """A topic is missing: somebody has to make it, and we wait for that."""


class KafkaBus:
    """See `Bus`. `instance` names a consumer for ever, so that a restart takes its partitions back at once."""

    def __init__(
        self, bootstrap: str, partitions: int = 12, instance: str | None = None, *, login: Login = IN_THE_OPEN
    ) -> None:
        self.partitions = partitions
        self._login = login
        self._bootstrap = bootstrap
        self._instance = instance
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._abandoned: set[asyncio.Future[None]] = set()
        self._boarding: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._flying: asyncio.Task[None] | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        """See `Bus`. What is published while a flight is under way goes together in the next one: a partition takes
        one batch a round trip, and a crowd of small ones would queue for as many.
        """
        for record in records:
            if len(record.value or b"") > MAX_VALUE_BYTES and not record.topic.endswith(".dlq"):
                raise Rejected(f"a record of {len(record.value or b'')} bytes; {MAX_VALUE_BYTES} are allowed")
        if not records:
            return
        landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._boarding.append((records, landed))
        if self._flying is None or self._flying.done():
            self._flying = asyncio.create_task(self._fly())
        try:
            await limited(landed, PUBLISH_SECONDS)
        except TimeoutError as error:
            raise Unavailable("Kafka", f"no answer in {PUBLISH_SECONDS} s") from error

    async def _fly(self) -> None:
        while self._boarding:
            aboard = [(records, landed) for records, landed in self._boarding if not landed.done()]
            self._boarding = []
            failed = await self._deliver([record for records, _ in aboard for record in records])
            for records, landed in aboard:
                if landed.done():  # its publisher has given up
                    continue
                errors = [failed[place] for r in records if (place := (r.topic, r.partition)) in failed]
                if errors:
                    landed.set_exception(_away(errors[0]))
                else:
                    landed.set_result(None)

    async def _deliver(self, records: Sequence[Record]) -> dict[tuple[str, int], Exception]:
        """Send them all; gives the topics and partitions that failed, so that nobody suffers for another's."""
        by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, record.partition].append(record)
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                producer = await self._connected()
                sends = [self._send(producer, where, some) for where, some in by_partition.items()]
                ends = await asyncio.gather(*sends, return_exceptions=True)
            failed = {where: end for where, end in zip(by_partition, ends, strict=True) if isinstance(end, Exception)}
        except Exception as error:
            failed = dict.fromkeys(by_partition, error)
        if failed and producer is not None:
            self._abandon(producer)
        return failed

    async def _send(self, producer: AIOKafkaProducer, where: tuple[str, int], records: Sequence[Record]) -> None:
        topic, partition = where
        futures = []
        batch = producer.create_batch()
        for record in records:
            fields: dict[str, Any] = {
                "key": record.key,
                "value": record.value,
                "timestamp": None,
                "headers": list(record.headers),
            }
            if batch.append(**fields) is None:  # full
                batch.close()
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if batch.append(**fields) is None:
                    futures.append(
                        await producer.send(
                            topic, record.value, record.key, partition=partition, headers=list(record.headers)
                        )
                    )
                    batch = producer.create_batch()
        batch.close()
        if batch.record_count():
            futures.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*futures)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, **self._login, **PRODUCER)
                try:
                    await producer.start()
                except BaseException:
                    with contextlib.suppress(Exception):
                        await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    def _abandon(self, producer: AIOKafkaProducer) -> None:
        """After any error the next publish builds a new producer: what the old one still holds is unknown."""
        leaving = asyncio.ensure_future(_quietly(producer.stop(), ABANDON_SECONDS))
        self._abandoned.add(leaving)
        leaving.add_done_callback(self._abandoned.discard)
        if self._producer is producer:
            self._producer = None

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        pause, longest = AWAY_SECONDS
        while not pulse.stop.is_set():
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=group,
                group_instance_id=f"{group}-{self._instance}" if self._instance is not None else None,
                client_id=f"guichet-{group}",
                **self._login,
                **CONSUMER,
            )
            reading = Reading(consumer, handle, pulse, topics)
            try:
                await limited(consumer.start(), CONNECT_SECONDS)
                await limited(self._check(consumer, topics), CONNECT_SECONDS)
                consumer.subscribe(topics=list(topics), listener=reading)
                await reading.run()
            except (KafkaError, TimeoutError, OSError) as error:
                if error is reading.failed:  # the handler's, not ours
                    raise
                pause = AWAY_SECONDS[0] if pulse.joined else pause
                log.warning("kafka_away", group=group, reason=reason_of(error), seconds=pause)
                pulse.waits(str(error.args[0]) if isinstance(error, _NoTopic) else "Kafka")
                await _stop_or(pulse.stop, pause + random.uniform(0, pause / 4))  # noqa: S311
                pause = min(pause * 2, longest)
            finally:
                pulse.joined = False
                await _quietly(consumer.stop(), CLOSE_SECONDS)

    async def _check(self, consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
        known = await consumer.topics()
        if missing := sorted(set(topics) - known):
            raise _NoTopic(f"topic {', '.join(missing)}: run `guichet topics`")
        producer = await self._connected()
        for topic in topics:
            self._agree(topic, len(await producer.partitions_for(topic)))

    async def scan(self, topic: str) -> AsyncIterator[Record]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, **self._login, **CONSUMER)
        try:
            await limited(consumer.start(), CONNECT_SECONDS)
            if topic not in await limited(consumer.topics(), CONNECT_SECONDS):
                return
            producer = await limited(self._connected(), CONNECT_SECONDS)
            partitions = await limited(producer.partitions_for(topic), CONNECT_SECONDS)
            places = [TopicPartition(topic, n) for n in sorted(partitions)]
            starts = await limited(consumer.beginning_offsets(places), CONNECT_SECONDS)
            ends = await limited(consumer.end_offsets(places), CONNECT_SECONDS)
            open_ = {place for place in places if ends[place] > starts[place]}
            if open_:
                consumer.assign(list(open_))  # from here on it fetches, from the beginning: other questions would wait
            silent = 0
            while open_:
                found = await limited(consumer.getmany(*open_, timeout_ms=POLL_MS), CONNECT_SECONDS)
                for place, records in found.items():
                    for record in records:
                        if record.offset < ends[place]:
                            yield as_record(record)
                # a position moves without a record too, where compaction has taken the last ones away
                left = {place for place in open_ if await consumer.position(place) < ends[place]}
                silent = 0 if found or left != open_ else silent + 1
                if silent * POLL_MS > CONNECT_SECONDS * 1000:
                    raise TimeoutError
                open_ = left
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable("Kafka", reason_of(error)) from error
        finally:
            await leave(consumer)

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                producer = await self._connected()
                there = await producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError) as error:
            if reason := await why_not(self._bootstrap, self._login):
                raise Misconfigured(reason) from error
            raise Unavailable("Kafka", reason_of(error)) from error
        for topic in TOPICS:
            self._agree(topic, len(there.partitions_for_topic(topic) or ()) or self.partitions)

    def _agree(self, topic: str, found: int) -> None:
        if found != self.partitions:
            raise Misconfigured(f"topic {topic} has {found} partitions; the set-up says {self.partitions}")

    async def close(self) -> None:
        if self._flying is not None:
            await asyncio.wait({self._flying}, timeout=CLOSE_SECONDS)
        if self._producer is not None:
            last = self._producer
            self._producer = None
            await _quietly(last.stop(), CLOSE_SECONDS)
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=CLOSE_SECONDS)


def _away(error: Exception) -> Exception:
    """Kafka's own errors in the house's words; any other is a bug of the publisher, and stays what it is."""
    if not isinstance(error, KafkaError | OSError):  # a time limit's error is one of the latter
        return error
    away = Unavailable("Kafka", reason_of(error))
    away.__cause__ = error
    return away


async def _stop_or(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await limited(stop.wait(), seconds)


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stop what only looked: it has nothing to lose, and over TLS uvloop may wait 30 s for the broker's good-bye."""
    await _quietly(consumer.stop(), LEAVE_SECONDS)


async def _quietly(awaitable: Awaitable[Any], seconds: float) -> None:
    """Close something that may already be broken; with the broker away it would wait for ever."""
    with contextlib.suppress(Exception):
        await limited(awaitable, seconds)
