"""What only a real Kafka can show: groups that rebalance, members that come back, a broker that goes away."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence

import pytest

from libs.common.bus import MAX_BATCH, Record
from libs.common.bus_kafka import PUBLISH_SECONDS
from libs.common.bus_kafka_reading import KEEP_POLLING_SECONDS
from libs.common.errors import Misconfigured, Unavailable
from tests.builders import PARTITIONS, record
from tests.buses import OnKafka, Reader, a_name, joined, never, scanned
from tests.servers import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.fixture
async def log(kafka: KafkaCluster) -> AsyncIterator[OnKafka]:
    """Opens buses on the broker, each as a process of its own would."""
    opened = OnKafka(kafka.bootstrap)
    yield opened
    await opened.close()


# --- groups


async def test_two_consumers_share_the_partitions_and_nobody_gets_a_record_twice(log: OnKafka) -> None:
    topic, group, go_on = await log.topic(), a_name("group"), asyncio.Event()

    async def hold(batch: Sequence[Record]) -> None:
        await go_on.wait()

    first_bus, second_bus = await log.open(), await log.open()
    async with Reader(first_bus, topic, group, hold) as first:
        await first_bus.publish([record(topic, b"in hand %d" % n, partition=n) for n in range(PARTITIONS)])
        await first.given(1)
        async with Reader(second_bus, topic, group) as second:
            # the second may not have a partition before the first has finished what it holds
            assert await never(lambda: second.pulse.joined, within=3.5)
            go_on.set()
            await joined(second)
            for n in range(10):
                await first_bus.publish([record(topic, b"%d" % n, partition=p) for p in range(PARTITIONS)])
            total = PARTITIONS * 11
            await second.until(lambda: len(first.finished) + len(second.finished) >= total)
            assert await never(lambda: len(first.finished) + len(second.finished) > total, within=0.5)
    mine, theirs = ({(r.partition, r.offset) for r in reader.finished} for reader in (first, second))
    assert mine.isdisjoint(theirs)
    assert len({partition for partition, _ in theirs}) == PARTITIONS // 2


async def test_a_flood_comes_from_few_partitions_a_batch_and_holds_up_none(log: OnKafka) -> None:
    """The client alone would stay with each partition until its fetched megabyte is empty, here for four batches."""
    bus, topic, each = await log.open(partitions=12), await log.topic(partitions=12), 4 * MAX_BATCH
    flooded, quiet = range(0, 12, 2), range(1, 12, 2)
    await bus.publish([record(topic, b"flood", partition=n) for n in flooded for _ in range(each)])
    await bus.publish([record(topic, b"alone", partition=n) for n in quiet])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(len(flooded) * each + len(quiet))
    firsts = {n: next(i for i, batch in enumerate(reader.batches) if n in partitions(batch)) for n in range(12)}
    assert max(firsts.values()) <= len(flooded) + 1, firsts
    of_flood = [len(partitions(batch) & set(flooded)) for batch in reader.batches]
    assert sum(of_flood) <= 2 * len(of_flood), of_flood


async def test_a_restarted_member_takes_its_partitions_back_and_the_others_notice_nothing(
    log: OnKafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic, group = await log.topic(), a_name("group")
    zero, one = await log.open("0"), await log.open("1")
    caplog.set_level(logging.INFO, "aiokafka.consumer.group_coordinator")
    async with Reader(zero, topic, group) as stays:
        await joined(stays)
        async with Reader(one, topic, group) as before:
            await joined(before)
            await zero.publish([record(topic, b"1", partition=n) for n in range(PARTITIONS)])
            await stays.has(PARTITIONS // 2)
            await before.has(PARTITIONS // 2)
        joins = generations(caplog, group)
        again = await log.open("1")
        async with Reader(again, topic, group) as after:
            await joined(after, seconds=2)
            await zero.publish([record(topic, b"2", partition=n) for n in range(PARTITIONS)])
            await stays.has(PARTITIONS)
            await after.has(PARTITIONS // 2)
            # longer than a heartbeat, with which the member that stayed would hear of a rebalance
            assert await never(lambda: len(generations(caplog, group)) > len(joins) + 1, within=3.5)
    assert generations(caplog, group) == [*joins, joins[-1]]  # it joined, and the group is still the same
    assert partitions(after.finished) == partitions(before.finished)
    assert partitions(stays.finished).isdisjoint(partitions(after.finished))
    assert len(partitions(stays.finished)) == PARTITIONS // 2


async def test_a_handler_that_waits_keeps_its_membership_and_its_batch(
    log: OnKafka, caplog: pytest.LogCaptureFixture
) -> None:
    bus, topic, group, go_on = await log.open(), await log.topic(), a_name("group"), asyncio.Event()
    caplog.set_level(logging.INFO, "aiokafka.consumer.group_coordinator")

    async def waits(batch: Sequence[Record]) -> None:
        await go_on.wait()

    await bus.publish([record(topic, b"waited for")])
    async with Reader(bus, topic, group, waits) as reader:
        await reader.given(1)
        assert await never(lambda: len(generations(caplog, group)) != 1, within=KEEP_POLLING_SECONDS + 1.5)
        go_on.set()
        await reader.has(1)
        await bus.publish([record(topic, b"next")])
        await reader.has(2)
    async with Reader(bus, topic, group) as after:
        await joined(after)
        await bus.publish([record(topic, b"last")])
        await after.has(1)
    assert (reader.values, after.values) == ([b"waited for", b"next"], [b"last"])


# --- topics


async def test_a_consumer_waits_for_a_topic_that_is_not_there_and_says_so(log: OnKafka) -> None:
    bus, topic = await log.open(), a_name("topic")
    async with Reader(bus, topic, a_name("group")) as reader:
        assert not await never(lambda: reader.pulse.waiting_for is not None, within=5)
        waiting_for = reader.pulse.waiting_for
        await log.topic(topic)
        await bus.publish([record(topic, b"at last")])
        await reader.has(1)
        assert reader.pulse.waiting_for is None
    assert waiting_for == f"topic {topic}: run `guichet topics`"


async def test_a_topic_with_another_number_of_partitions_stops_the_consumer_with_one_line(log: OnKafka) -> None:
    bus, topic = await log.open(), await log.topic(partitions=PARTITIONS + 1)
    async with Reader(bus, topic, a_name("group")) as reader:
        with pytest.raises(Misconfigured, match=f"{topic} has {PARTITIONS + 1} partitions; the set-up says"):
            await reader.end()


async def test_a_scan_of_a_topic_that_is_not_there_is_empty(log: OnKafka) -> None:
    bus = await log.open()
    assert await scanned(bus, a_name("no-such-topic")) == []


# --- publishing together


async def test_what_one_publisher_gets_wrong_is_its_own_trouble_alone(log: OnKafka) -> None:
    bus, topic = await log.open(), await log.topic()
    await bus.publish([record(topic, b"connected")])
    ends = await asyncio.gather(
        bus.publish([record(topic, b"departs first")]),
        bus.publish([record(topic, b"1", key=b"one")]),
        bus.publish([record(topic, b"no such partition", partition=PARTITIONS + 7)]),
        bus.publish([record(topic, b"2", key=b"two"), record(topic, b"3", key=b"three")]),
        return_exceptions=True,
    )
    assert [type(end).__name__ for end in ends] == ["NoneType", "NoneType", "AssertionError", "NoneType"]
    assert {r.value for r in await scanned(bus, topic)} == {b"connected", b"departs first", b"1", b"2", b"3"}


async def test_a_publisher_that_gives_up_before_its_records_left_sends_none_of_them(log: OnKafka) -> None:
    bus, topic = await log.open(), await log.topic()
    flying = asyncio.create_task(bus.publish([record(topic, b"departs first")]))
    for _ in range(3):
        await asyncio.sleep(0)  # until it has departed
    given_up = asyncio.create_task(bus.publish([record(topic, b"given up")]))
    await asyncio.sleep(0)
    given_up.cancel()
    await flying
    await bus.publish([record(topic, b"last")])
    assert [r.value for r in await scanned(bus, topic)] == [b"departs first", b"last"]


# --- the broker away


async def test_with_the_broker_away_publishing_says_so_and_consumers_go_on_by_themselves_when_it_is_back(
    log: OnKafka, kafka: KafkaCluster
) -> None:
    bus, topic, loop = await log.open(), await log.topic(), asyncio.get_running_loop()
    async with Reader(bus, topic, a_name("group")) as was_there:
        await bus.publish([record(topic, b"before")])
        await was_there.has(1)

        kafka.pause(0)  # frozen: connections stay open and nothing answers
        try:
            began = loop.time()
            with pytest.raises(Unavailable, match="Kafka is away"):
                await bus.publish([record(topic, b"while frozen")])
            assert loop.time() - began < PUBLISH_SECONDS + 1
        finally:
            kafka.kill(0)

        try:
            began = loop.time()
            with pytest.raises(Unavailable, match="Kafka is away"):
                await bus.publish([record(topic, b"while dead")])
            with pytest.raises(Unavailable):
                await bus.ping()
            with pytest.raises(Unavailable):
                await scanned(bus, topic)
            assert loop.time() - began < 3 * PUBLISH_SECONDS
            async with Reader(bus, topic, a_name("group")) as came_later:
                assert not await never(lambda: came_later.pulse.waiting_for == "Kafka", within=5)
                kafka.restart(0)
                await bus.publish([record(topic, b"after")])
                await bus.ping()
                await was_there.until(lambda: b"after" in was_there.values, seconds=40)
                await came_later.until(lambda: b"after" in came_later.values, seconds=40)
                assert came_later.pulse.waiting_for is None
        finally:
            if not kafka.pids:
                kafka.restart(0)
    assert was_there.values[0] == came_later.values[0] == b"before"
    # what could not be acknowledged may be there or not, and nothing else is
    assert set(came_later.values) - {b"while frozen", b"while dead"} == {b"before", b"after"}


def generations(caplog: pytest.LogCaptureFixture, group: str) -> list[int]:
    """Of the group, one each time that a member of ours has joined it."""
    found = (re.match(r"Joined group '(.+)' \(generation (\d+)\)", line) for line in caplog.messages)
    return [int(match[2]) for match in found if match and match[1] == group]


def partitions(records: Sequence[Record]) -> set[int]:
    """Those that the records came from."""
    return {each.partition for each in records}
