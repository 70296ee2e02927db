"""What every bus promises: in memory, in a file, on Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import pytest

from libs.common.bus import MAX_BATCH, MAX_VALUE_BYTES, Bus, Record
from libs.common.errors import Rejected, Unavailable
from tests.builders import PARTITIONS, record
from tests.buses import Buses, Reader, a_name, joined, never, scanned

MANY = 2 * MAX_BATCH + 700

# --- what goes in comes out


async def test_a_record_comes_back_with_key_value_headers_and_partition(bus: Bus, topic: str) -> None:
    sent = Record(topic, 2, b"key \x00\xff", b"value \x00\xff", (("ce_type", b"a.b.v1"), ("bytes", b"\x00\xff\n")))
    async with Reader(bus, topic, a_name("group")) as reader:
        await bus.publish([sent])
        await reader.has(1)
    got = reader.finished[0]
    assert got[:5] == sent[:5]
    assert got.offset >= 0
    assert got.timestamp_ms > 1_700_000_000_000


async def test_a_new_group_begins_at_the_oldest_record(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"before anybody listened")])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(1)
    assert reader.values == [b"before anybody listened"]


async def test_records_of_one_key_come_in_order(bus: Bus, topic: str) -> None:
    keys = [f"person-{n}".encode() for n in range(9)]
    async with Reader(bus, topic, a_name("group")) as reader:
        for start in range(0, 900, 60):
            await bus.publish([record(topic, b"%d" % n, key=keys[n % 9]) for n in range(start, start + 60)])
        await reader.has(900)
    for key, records in by_key(reader.finished).items():
        numbers = [int(r.value or b"") for r in records]
        assert numbers == sorted(numbers), key
        assert all(before.offset < after.offset for before, after in pairwise(records))


async def test_publishers_at_the_same_time_each_keep_their_order(bus: Bus, topic: str) -> None:
    async def publisher(name: str) -> None:
        for n in range(10):
            await bus.publish([record(topic, b"%d" % n, key=name.encode())])

    await asyncio.gather(*(publisher(f"publisher-{n}") for n in range(12)))
    found = by_key(await scanned(bus, topic))
    assert {key: [r.value for r in records] for key, records in found.items()} == {
        f"publisher-{n}".encode(): [b"%d" % i for i in range(10)] for n in range(12)
    }


async def test_a_tombstone_comes_back_without_a_value(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"there", key=b"k"), record(topic, None, key=b"k")])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(2)
    assert reader.values == [b"there", None]


async def test_publishing_nothing_is_done_at_once(bus: Bus) -> None:
    async with asyncio.timeout(1):
        await bus.publish([])
    assert bus.partitions == PARTITIONS


async def test_a_record_that_is_too_large_is_rejected_and_none_is_sent(bus: Bus, topic: str) -> None:
    with pytest.raises(Rejected, match=str(MAX_VALUE_BYTES)):
        await bus.publish([record(topic, b"small"), record(topic, b"x" * (MAX_VALUE_BYTES + 1), key=b"other")])
    assert await scanned(bus, topic) == []


async def test_the_largest_record_allowed_goes_through(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"x" * MAX_VALUE_BYTES), record(topic, b"next")])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(2)
    assert [len(value or b"") for value in reader.values] == [MAX_VALUE_BYTES, 4]


async def test_dead_letters_take_records_that_are_larger(bus: Bus, buses: Buses) -> None:
    letters = await buses.topic(f"{a_name('topic')}.dlq")
    large = b"\x00" * (3 << 19)  # 1.5 MiB
    await bus.publish([record(letters, b"small"), record(letters, large), record(letters, b"small again")])
    assert [r.value for r in await scanned(bus, letters)] == [b"small", large, b"small again"]


# --- batches


async def test_a_batch_has_a_limit(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"%d" % n, key=b"%d" % n) for n in range(MANY)])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(MANY)
    assert max(len(batch) for batch in reader.batches) == MAX_BATCH
    assert sorted(int(value or b"") for value in reader.values) == list(range(MANY))


async def test_a_batch_is_what_is_there_over_all_partitions(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"%d" % n, partition=n % PARTITIONS) for n in range(40)])
    async with Reader(bus, topic, a_name("group")) as reader:
        await reader.has(40)
    assert len(reader.batches) == 1
    assert {r.partition for r in reader.batches[0]} == set(range(PARTITIONS))


async def test_a_batch_never_waits_to_grow(bus: Bus, topic: str) -> None:
    async with Reader(bus, topic, a_name("group")) as reader:
        await bus.publish([record(topic, b"0")])
        await reader.has(1)
        for n in range(1, 5):
            await bus.publish([record(topic, b"%d" % n)])
            await reader.has(n + 1, seconds=1)
    assert [len(batch) for batch in reader.batches] == [1] * 5


async def test_one_batch_is_in_hand_at_a_time(bus: Bus, topic: str) -> None:
    in_hand = most = 0
    go_on = asyncio.Event()

    async def handle(batch: Sequence[Record]) -> None:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        await go_on.wait()
        in_hand -= 1

    async with Reader(bus, topic, a_name("group"), handle) as reader:
        await bus.publish([record(topic, b"first", partition=0)])
        await reader.given(1)
        await bus.publish([record(topic, b"more", partition=n) for n in range(PARTITIONS)])
        assert await never(lambda: len(reader.batches) > 1, within=0.3)
        go_on.set()
        await reader.has(1 + PARTITIONS)
    assert most == 1


async def test_one_consumer_reads_several_topics(bus: Bus, buses: Buses) -> None:
    topics = [await buses.topic() for _ in range(3)]
    async with Reader(bus, topics, a_name("group")) as reader:
        for name in topics:
            await bus.publish([record(name, b"%d" % n) for n in range(20)])
        await reader.has(60)
    for name in topics:
        assert [r.value for r in reader.finished if r.topic == name] == [b"%d" % n for n in range(20)]


async def test_a_flood_in_one_topic_does_not_hold_up_another(bus: Bus, buses: Buses) -> None:
    flooded, quiet = await buses.topic(), await buses.topic()
    await bus.publish([record(flooded, b"%d" % n, key=b"%d" % n) for n in range(2 * MANY)])
    await bus.publish([record(quiet, b"urgent")])
    async with Reader(bus, [flooded, quiet], a_name("group")) as reader:
        await reader.has(2 * MANY + 1)
    when = next(i for i, batch in enumerate(reader.batches) if any(r.topic == quiet for r in batch))
    assert when <= 2, [len(batch) for batch in reader.batches]


# --- finished, unfinished, again


async def test_what_a_handler_failed_on_comes_again_to_the_next_of_its_group(bus: Bus, topic: str) -> None:
    group = a_name("group")

    async def fails(batch: Sequence[Record]) -> None:
        raise ValueError("our own")

    await bus.publish([record(topic, b"1"), record(topic, b"2")])
    async with Reader(bus, topic, group, fails) as reader:
        with pytest.raises(ValueError, match="our own"):
            await reader.end()
    async with Reader(bus, topic, group) as after:
        await after.has(2)
    assert after.values == [b"1", b"2"]


@pytest.mark.parametrize("error", [OSError("no such file"), TimeoutError(), Unavailable("something else")])
async def test_whatever_a_handler_raises_ends_the_consuming(bus: Bus, topic: str, error: Exception) -> None:
    async def fails(batch: Sequence[Record]) -> None:
        raise error

    await bus.publish([record(topic)])
    async with Reader(bus, topic, a_name("group"), fails) as reader:
        with pytest.raises(type(error)) as caught:
            await reader.end()
    assert caught.value is error
    assert len(reader.batches) == 1


async def test_a_group_reads_each_record_once_across_restarts(buses: Buses) -> None:
    bus, topic, group = await buses.open(), await buses.topic(), a_name("group")
    seen: list[bytes | None] = []
    for life in range(3):
        await bus.publish([record(topic, b"%d" % (life * 10 + n), key=b"%d" % n) for n in range(10)])
        async with Reader(bus, topic, group) as reader:
            await reader.has(10)
        seen += reader.values
        bus = await buses.reopen(bus)
    assert sorted(int(value or b"") for value in seen) == list(range(30))


async def test_a_restart_goes_on_in_the_middle_of_a_backlog(bus: Bus, topic: str) -> None:
    group = a_name("group")
    await bus.publish([record(topic, b"%d" % n, key=b"%d" % n) for n in range(1200)])
    seen: list[bytes | None] = []

    async def stop_after_this(batch: Sequence[Record]) -> None:
        reader.pulse.stop.set()

    while len(seen) < 1200:
        async with Reader(bus, topic, group, stop_after_this) as reader:
            await reader.end()
        assert len(reader.batches) == 1
        seen += reader.values
    assert sorted(int(value or b"") for value in seen) == list(range(1200))


async def test_two_groups_each_read_everything(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"%d" % n) for n in range(5)])
    async with Reader(bus, topic, a_name("group")) as one:
        await one.has(5)
    async with Reader(bus, topic, a_name("group")) as other:
        await other.has(5)
        await bus.publish([record(topic, b"5")])
        await other.has(6)
    assert one.values == [b"%d" % n for n in range(5)]
    assert other.values == [b"%d" % n for n in range(6)]


# --- stopping, and how the consumer is doing


async def test_an_idle_consumer_stops_within_two_seconds(bus: Bus, topic: str) -> None:
    async with Reader(bus, topic, a_name("group")) as reader:
        await joined(reader)
        await reader.stop(seconds=2)
    assert reader.pulse.joined is False


async def test_stopping_waits_for_the_batch_in_hand_and_finishes_it(bus: Bus, topic: str) -> None:
    group, go_on = a_name("group"), asyncio.Event()

    async def handle(batch: Sequence[Record]) -> None:
        await go_on.wait()

    await bus.publish([record(topic, b"in hand")])
    async with Reader(bus, topic, group, handle) as reader:
        await reader.given(1)
        with pytest.raises(TimeoutError):
            await reader.stop(seconds=0.3)
        await bus.publish([record(topic, b"not taken any more")])
        go_on.set()
        await reader.end()
    async with Reader(bus, topic, group) as after:
        await after.has(1)
    assert (reader.values, after.values) == ([b"in hand"], [b"not taken any more"])


async def test_the_pulse_tells_what_waits_beyond_the_batch_in_hand(bus: Bus, topic: str) -> None:
    lags: list[int] = []

    async def handle(batch: Sequence[Record]) -> None:
        lags.append(reader.pulse.lag[topic])

    await bus.publish([record(topic, b"%d" % n, partition=1) for n in range(2 * MAX_BATCH + 200)])
    async with Reader(bus, topic, a_name("group"), handle) as reader:
        await reader.has(2 * MAX_BATCH + 200)
    assert lags == [MAX_BATCH + 200, 200, 0]


async def test_a_hanging_handler_is_seen_by_the_pulse_and_an_idle_consumer_is_not(bus: Bus, topic: str) -> None:
    go_on = asyncio.Event()

    async def handle(batch: Sequence[Record]) -> None:
        await go_on.wait()

    async with Reader(bus, topic, a_name("group"), handle) as reader:
        await joined(reader)
        idle = await never(lambda: reader.pulse.stalled(2.0) is not None, within=2.5)
        await bus.publish([record(topic)])
        await reader.given(1)
        hanging = not await never(lambda: reader.pulse.stalled(0.5) is not None, within=3)
        go_on.set()
    assert (idle, hanging) == (True, True)


# --- looking


async def test_a_scan_gives_everything_oldest_first_and_ends(bus: Bus, topic: str) -> None:
    sent = [record(topic, b"%d" % n, key=b"%d" % (n % 7)) for n in range(2100)]
    await bus.publish(sent)
    found = await scanned(bus, topic)
    assert sorted(int(r.value or b"") for r in found) == list(range(2100))
    for records in by_key(found).values():
        numbers = [int(r.value or b"") for r in records]
        assert numbers == sorted(numbers)


async def test_a_scan_of_an_empty_topic_ends(bus: Bus, topic: str) -> None:
    assert await scanned(bus, topic) == []


async def test_a_scan_ends_with_what_was_there_when_it_began(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, b"%d" % n) for n in range(3)])
    values = []
    async for found in bus.scan(topic):
        values.append(found.value)
        await bus.publish([record(topic, b"while scanning")])
    assert values == [b"0", b"1", b"2"]


async def test_a_scan_moves_no_groups_position(bus: Bus, topic: str) -> None:
    group = a_name("group")
    await bus.publish([record(topic, b"1")])
    async with Reader(bus, topic, group) as reader:
        await reader.has(1)
        await bus.publish([record(topic, b"2")])
        await reader.has(2)
    await bus.publish([record(topic, b"3")])
    assert [r.value for r in await scanned(bus, topic)] == [b"1", b"2", b"3"]
    async with Reader(bus, topic, group) as after:
        await after.has(1)
    assert after.values == [b"3"]


async def test_a_log_that_is_there_answers(bus: Bus) -> None:
    async with asyncio.timeout(5):
        await bus.ping()
    assert isinstance(bus.partitions, int)


def by_key(records: Sequence[Record]) -> dict[bytes, list[Record]]:
    """In the order given."""
    found: dict[bytes, list[Record]] = defaultdict(list)
    for each in records:
        found[each.key].append(each)
    return found
