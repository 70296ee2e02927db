"""What one hop over Kafka costs through the bus and the worker, beside aiokafka alone."""

import asyncio
from collections.abc import Sequence

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import CollectorRegistry

from bench.kafka import Message, delete_topics, fill, make_topics, messages_of, send_all
from bench.measure import Clock, Turn, interleaved, own_cpu, profiled, quiet_gc, timed
from bench.options import Options
from bench.parts import Parts, real_parts, run_name
from bench.posts import PARTITIONS, Posts, partition
from bench.results import Result, cpu_ratio, ratio, row_of
from libs.common.bus import MAX_BATCH, Record
from libs.common.bus_kafka import KafkaBus
from libs.common.events import Event
from libs.common.metrics import Metrics
from libs.common.outbox import record_of
from libs.common.worker import Worker

EXPECTED = 20_000  # messages a second: so many are in the topic for each second of a turn
LIMIT_SECONDS = 60


def measure(options: Options) -> Result:
    """From topic A to topic B."""
    count = int(EXPECTED * options.turn_seconds(1.5))
    rounds = options.rounds(5)
    with real_parts(kafka=True, bus=options.bus) as parts:
        turns = uvloop.run(_measure(parts, options, count, rounds))
    ours, floor = turns["bus and worker"], turns["floor, aiokafka alone"]
    size = turns["bus and worker"][0].done
    return Result(
        name="hop",
        question="one hop from topic to topic: consumed, decoded, handled, published, committed",
        unit="messages",
        rows=[row_of(name, some) for name, some in turns.items()],
        settings={
            "messages": size,
            "batch": MAX_BATCH,
            "partitions": PARTITIONS,
            "rounds": rounds,
            "seed": options.seed,
        },
        notes=[
            "ours decodes, copies and encodes each event, with its headers, traceparent, metrics and dead-letter "
            "watch; the floor passes bytes on: as many at a time, send_batch, one commit a batch",
            f"of the floor's rate: {ratio(ours, floor):.2f}; of its CPU: {cpu_ratio(ours, floor):.2f}",
        ],
        command=options.command("hop"),
    )


class _Hop:
    """One turn: a fresh group reads all of A, a fresh B takes it."""

    def __init__(self, parts: Parts, source: str, count: int) -> None:
        self.bootstrap, self.source, self.count = parts.bootstrap, source, count
        self.cpu: dict[str, Clock] = {"client": own_cpu, **parts.cpu}
        self._turns = 0

    async def ours(self, profile: str = "") -> Turn:
        target = await self._target()
        bus = _Watched(self.bootstrap, self.count)
        metrics = Metrics(CollectorRegistry(), "bench")
        worker = Worker(bus, target, metrics, pure={self.source: bus.handle}, tells=target)
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        turn = await self._timed(bus.begun, bus.ended, running, profile)
        stop.set()
        await running
        await bus.close()
        await delete_topics(self.bootstrap, target)
        return turn

    async def floor(self) -> Turn:
        target = await self._target()
        begun, ended = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(self._pass_on(target, begun, ended))
        turn = await self._timed(begun, ended, running)
        await running
        await delete_topics(self.bootstrap, target)
        return turn

    async def _target(self) -> str:
        self._turns += 1
        target = f"{self.source}.{self._turns}"
        await make_topics(self.bootstrap, target)
        return target

    async def _timed(
        self, begun: asyncio.Event, ended: asyncio.Event, running: "asyncio.Task[None]", profile: str = ""
    ) -> Turn:
        """From the first batch in hand to the last one published."""
        turn = Turn()
        async with asyncio.timeout(LIMIT_SECONDS):
            await _or_failed(begun, running)
            with quiet_gc(), profiled(profile), timed(turn, self.cpu):
                await _or_failed(ended, running)
        turn.done = self.count
        return turn

    async def _pass_on(self, target: str, begun: asyncio.Event, ended: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            self.source,
            bootstrap_servers=self.bootstrap,
            group_id=target,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1 << 20,
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=0, max_batch_size=512 * 1024
        )
        await consumer.start()
        await producer.start()
        await producer.partitions_for(target)
        passed = 0
        while passed < self.count:
            found = await consumer.getmany(timeout_ms=1000, max_records=MAX_BATCH)
            if not found:
                continue
            begun.set()
            await asyncio.gather(
                *[
                    send_all(producer, target, place.partition, [Message(r.key, r.value) for r in records])
                    for place, records in found.items()
                ]
            )
            await consumer.commit({place: records[-1].offset + 1 for place, records in found.items()})
            passed += sum(map(len, found.values()))
        ended.set()
        await consumer.stop()
        await producer.stop()


class _Watched(KafkaBus):
    """The bus, and when the first batch came and the last one went."""

    def __init__(self, bootstrap: str, count: int) -> None:
        super().__init__(bootstrap, PARTITIONS)
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self._left = count

    async def handle(self, events: Sequence[Event]) -> Sequence[Event]:
        """The handler: everything goes on as it is."""
        self.begun.set()
        return events

    async def publish(self, records: Sequence[Record]) -> None:
        await super().publish(records)
        self._left -= len(records)
        if self._left <= 0:
            self.ended.set()


async def _or_failed(event: asyncio.Event, running: "asyncio.Task[None]") -> None:
    """Wait for the event; what runs must not end badly before it."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
        if not event.is_set():
            running.result()
            raise RuntimeError("ended before its last message")
    finally:
        waiting.cancel()


async def _measure(parts: Parts, options: Options, count: int, rounds: int) -> dict[str, list[Turn]]:
    source = f"{run_name()}.hop"
    await make_topics(parts.bootstrap, source)
    try:
        events = Posts(options.seed).received(count)
        records = [record_of(event, "bench", partition(event.key), topic=source) for event in events]
        await fill(parts.bootstrap, source, messages_of(records))
        hop = _Hop(parts, source, count)
        turns = await interleaved({"floor, aiokafka alone": hop.floor, "bus and worker": hop.ours}, rounds)
        if options.profile:
            await hop.ours(profile="bus and worker")
        return turns
    finally:
        await delete_topics(parts.bootstrap, source)
