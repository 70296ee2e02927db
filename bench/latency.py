"""How long a mention takes from ingest to its queue, beside bare aiokafka and PostgreSQL."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import uvloop
from aiokafka import AIOKafkaProducer

from bench.house import Services, running
from bench.http import Paced, as_array, post
from bench.kafka import BATCH_BYTES, Held, Message, delete_topics, make_topics, send_all, times_since
from bench.lag import Lag
from bench.measure import Clock, Side, Turn, cut, interleaved, nearest_rank, own_cpu, process_cpu, quiet_gc, timed
from bench.options import Options
from bench.parts import Parts, real_parts, run_name
from bench.peers import FLOOR, make_tables, started, topics_of
from bench.posts import PARTITIONS, Posts
from bench.queue import COMMIT_TIMES, queued
from bench.results import Goal, Result, row_of
from libs.common.bus import partition_of

RATES = (100, 1_000)
REQUESTS_A_SECOND = 100  # at most: above, several mentions go in one request
GOAL_RATE, GOAL_P99_MS = 1_000, 100
WARM_UP_SECONDS = 40  # at the higher rate: so long Java compiles Kafka's code, on the cores that are measured
LIMIT_SECONDS = 60.0


def measure(options: Options) -> Result:
    """At 100 and at 1,000 mentions a second."""
    seconds, rounds = options.turn_seconds(5.0), options.rounds(2)
    with real_parts(
        kafka=True, postgres=True, bus=options.bus, database=options.database, postgres_settings=COMMIT_TIMES
    ) as parts:
        run = run_name()
        with (
            _topics(parts, run),
            running(parts) as services,
            started(parts, FLOOR, Path(sys.executable), run) as processes,
        ):
            floor_cpu: dict[str, Clock] = {
                "classifier": process_cpu(processes[0].pid),
                "router": process_cpu(processes[1].pid),
                "generator": own_cpu,
                **parts.cpu,
            }
            turns = uvloop.run(_measure(services, _Floor(parts, run, floor_cpu), options, seconds, rounds))
    waits = [wait for turn in turns[_name("four services", GOAL_RATE)] for wait in turn.waits_ms]
    found = round(nearest_rank(waits, 0.99), 1)
    return Result(
        name="latency",
        question="from ingest to the queue, at a fixed rate",
        unit="mentions",
        rows=[row_of(name, some) for name, some in turns.items()],
        goals=[Goal(text=f"p99 at {GOAL_RATE:,}/s", wanted=GOAL_P99_MS, found=found, at_most=True, unit=" ms")],
        settings={"rounds": rounds, "turn_seconds": seconds, "seed": options.seed},
        notes=[
            "ours: from received over HTTP to the commit of the router's transaction; the floor: from produced to "
            "produced again behind two bare processes with one insert a batch, no HTTP in front",
            f"at most {REQUESTS_A_SECOND} requests a second: at 1,000/s, ten mentions each",
        ],
        command=options.command("latency"),
    )


def _name(side: str, rate: int) -> str:
    return f"{side}, {rate:,}/s"


@contextmanager
def _topics(parts: Parts, run: str) -> Iterator[None]:
    """The floor's topics and tables."""
    asyncio.run(make_topics(parts.bootstrap, *topics_of(run)))
    asyncio.run(make_tables(parts.database))
    yield
    asyncio.run(delete_topics(parts.bootstrap, *topics_of(run)))


async def _measure(
    services: Services, floor: "_Floor", options: Options, seconds: float, rounds: int
) -> dict[str, list[Turn]]:
    posts, warm_up = Posts(options.seed), options.warm_up_seconds(WARM_UP_SECONDS)
    async with AsyncExitStack() as stack:
        lag = await stack.enter_async_context(Lag(services.parts.bootstrap, services.parts.database))
        await floor.turn(posts, GOAL_RATE, warm_up / 4)
        await _ours(services, lag, posts, GOAL_RATE, warm_up)
        sides: dict[str, Side] = {}
        for rate in RATES:
            sides[_name("floor", rate)] = partial(floor.turn, posts, rate, seconds)
            sides[_name("four services", rate)] = partial(_ours, services, lag, posts, rate, seconds)
        return await interleaved(sides, rounds, warm_up=False)


T = TypeVar("T")


def _in_ticks(things: Sequence[T], rate: int) -> tuple[list[Sequence[T]], int]:
    """What is sent together, and how many that are."""
    each = max(1, rate // REQUESTS_A_SECOND)
    return cut(things[: len(things) // each * each], each), each


async def _ours(services: Services, lag: Lag, posts: Posts, rate: int, seconds: float) -> Turn:
    ticks, each = _in_ticks(posts.payloads(int(rate * seconds)), rate)
    bodies = [as_array(some) if each > 1 else some[0] for some in ticks]
    requests = [post("/v1/mentions", body, services.key) for body in bodies]
    turn = Turn()
    since = datetime.now(UTC)
    with quiet_gc(), timed(turn, {"generator": own_cpu, **services.cpu}):
        await Paced(services.addresses["ingest"]).send(requests, each, rate)
    until = datetime.now(UTC)
    await lag.drained(LIMIT_SECONDS)
    services.check()
    found = await queued(services.parts.database, since, until)
    turn.done, turn.waits_ms = found.mentions, found.waits_ms
    return turn


class _Floor:
    """Two bare processes between three topics; a record's time is when it was produced."""

    def __init__(self, parts: Parts, run: str, cpu: Mapping[str, Clock]) -> None:
        self._bootstrap = parts.bootstrap
        self._raw, _, self._routed = topics_of(run)
        self._cpu = cpu

    async def turn(self, posts: Posts, rate: int, seconds: float) -> Turn:
        """At this rate, for so many seconds."""
        ticks, each = _in_ticks(posts.deliveries(int(rate * seconds)), rate)
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES
        )
        async with AsyncExitStack() as stack:
            await producer.start()
            stack.push_async_callback(producer.stop)
            await producer.partitions_for(self._raw)
            raw = await stack.enter_async_context(Held(self._bootstrap, self._raw))
            routed = await stack.enter_async_context(Held(self._bootstrap, self._routed))
            sent_before, routed_before = await raw.ends(), await routed.ends()
            turn = Turn(done=len(ticks) * each)
            with quiet_gc(), timed(turn, self._cpu):
                begun = time.perf_counter()
                for number, tick in enumerate(ticks):
                    await asyncio.sleep(max(0.0, begun + number * each / rate - time.perf_counter()))
                    await self._send(producer, [Message(key, value) for key, value in tick])
            wanted = sum(routed_before.values()) + turn.done
            if not await routed.reaches(wanted, LIMIT_SECONDS):
                raise RuntimeError("the floor did not get through")
            sent = await times_since(self._bootstrap, sent_before, turn.done)
            arrived = await times_since(self._bootstrap, routed_before, turn.done)
        turn.waits_ms = [float(at - sent[key]) for key, at in arrived.items()]
        return turn

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            by_partition.setdefault(partition_of(message.key, PARTITIONS), []).append(message)
        await asyncio.gather(
            *[send_all(producer, self._raw, partition, some) for partition, some in by_partition.items()]
        )
