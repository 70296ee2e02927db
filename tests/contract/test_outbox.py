"""What is told leaves if and only if the rows are kept: the outbox and its relay, on SQLite and on PostgreSQL."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from libs.common import faults, outbox
from libs.common.bus import MAX_VALUE_BYTES, Bus, Record, partition_of
from libs.common.bus_local import LocalBus
from libs.common.db import Database, connect
from libs.common.errors import Raced, Rejected, Unavailable
from libs.common.events import Event, decode
from libs.common.outbox import INBOX, OUTBOX, RELAY_BATCH, Relay, emit, first_seen
from tests.builders import NOON, PARTITIONS, assigned, figure, make_tables, metrics
from tests.buses import PATIENCE, Away, InMemory, Reader, Through, scanned

metadata = sa.MetaData()
ITEM = sa.Table("item", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("turn", sa.Integer))


class World:
    """A service's database, a log, and as many relays as asked for."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus
        self.metrics = metrics()

    def relay(self, bus: Bus | None = None) -> Relay:
        """One replica's."""
        return Relay(self.database, bus or self.bus, "tests", self.metrics)

    async def tell(self, *events: Event) -> None:
        """In a transaction that keeps nothing else."""
        async with self.database.begin() as session:
            emit(session, events)

    async def told(self) -> list[Record]:
        """What the log holds."""
        return await scanned(self.bus, "work.items")

    async def waiting(self) -> int:
        """Rows still in the outbox."""
        async with self.database.read() as session:
            return (await session.execute(sa.select(sa.func.count()).select_from(OUTBOX))).scalar_one()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Empty tables, and a log in memory."""
    database = connect(database_url, "tests", pool_size=20, partitions=PARTITIONS)
    await make_tables(database, "tests", metadata, outbox.metadata)
    buses = InMemory()
    yield World(database, await buses.open())
    await buses.close()
    await database.close()


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """The relay beside the test, told to stop at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await task


def event_ids(records: Sequence[Record]) -> list[str]:
    """In the order of the log."""
    return [record.header("ce_id") for record in records]


# --- if and only if


async def test_what_a_committed_transaction_told_leaves(world: World) -> None:
    async with world.database.begin() as session:
        await session.execute(sa.insert(ITEM).values(id="a"))
        emit(session, [assigned("e-1")])
        emit(session, [assigned("e-2")])
    assert await world.relay().turn() == 2
    assert event_ids(await world.told()) == ["e-1", "e-2"]
    assert await world.waiting() == 0


async def test_what_a_rolled_back_transaction_told_does_not(world: World) -> None:
    async def work() -> None:
        async with world.database.begin() as session:
            await session.execute(sa.insert(ITEM).values(id="a"))
            emit(session, [assigned("e-1")])
            raise Raced("somebody was quicker")

    with pytest.raises(Raced):
        await work()
    assert await world.relay().turn() == 0
    assert await world.told() == []


async def test_an_event_leaves_whole_and_in_its_partition(world: World) -> None:
    event = assigned("e-1", key="someone", agent="zoë \U0001f469")
    told = type(event)(**{**{f: getattr(event, f) for f in event.__struct_fields__}, "traceparent": "00-a-b-01"})
    await world.tell(told)
    await world.relay().turn()
    (record,) = await world.told()
    assert decode(record.header("ce_type"), record.value or b"") == told
    assert (record.topic, record.key, record.partition) == (
        "work.items",
        b"someone",
        partition_of(b"someone", PARTITIONS),
    )
    assert {name: value.decode() for name, value in record.headers} == {
        "ce_specversion": "1.0",
        "ce_type": "work_item.assigned.v1",
        "ce_source": "/guichet/tests",
        "ce_id": "e-1",
        "content-type": "application/json",
        "traceparent": "00-a-b-01",
    }


async def test_an_effect_stays_in_the_partition_of_its_cause(world: World) -> None:
    async with world.database.begin() as session:
        session.info["partitions"] = {"someone": 3}
        emit(session, [assigned(key="someone"), assigned(key="another")])
    await world.relay().turn()
    assert {r.key: r.partition for r in await world.told()} == {
        b"someone": 3,
        b"another": partition_of(b"another", PARTITIONS),
    }


async def test_telling_nothing_writes_nothing_and_wakes_nobody(world: World) -> None:
    woken: list[bool] = []
    world.database.after_commit.append(lambda: woken.append(True))
    await world.tell()
    assert (await world.waiting(), woken) == (0, [])


async def test_an_event_that_the_log_would_refuse_is_rejected_and_none_is_told(world: World) -> None:
    with pytest.raises(Rejected, match="e-large"):
        await world.tell(assigned("e-1"), assigned("e-large", agent="x" * MAX_VALUE_BYTES))
    assert await world.waiting() == 0


# --- the relay


async def test_a_running_relay_is_woken_by_a_commit(world: World) -> None:
    async with running(world.relay()), Reader(world.bus, "work.items", "hears") as reader:
        await world.tell(assigned("e-1"))
        await reader.has(1, seconds=0.4)  # sooner than it polls
        await world.tell(assigned("e-2"))
        await reader.has(2, seconds=0.4)


async def test_a_running_relay_finds_what_another_process_told(world: World, database_url: str) -> None:
    other = connect(database_url, "tests", partitions=PARTITIONS)
    async with running(world.relay()), Reader(world.bus, "work.items", "hears") as reader:
        async with other.begin() as session:
            emit(session, [assigned("e-1")])
        await reader.has(1)
    await other.close()
    assert event_ids(reader.finished) == ["e-1"]


async def test_a_relay_that_is_told_to_stop_carries_what_was_told_last(world: World) -> None:
    relay, stop = world.relay(), asyncio.Event()
    stop.set()
    await world.tell(assigned("e-1"))
    async with asyncio.timeout(PATIENCE):
        await relay.run(stop)
    assert event_ids(await world.told()) == ["e-1"]


async def test_more_than_a_batch_leaves_in_order(world: World) -> None:
    ids = [f"e-{n:05}" for n in range(2 * RELAY_BATCH + 10)]
    await world.tell(*(assigned(id_, key=f"person-{n % 9}") for n, id_ in enumerate(ids)))
    relay = world.relay()
    assert [await relay.turn() for _ in range(4)] == [RELAY_BATCH, RELAY_BATCH, 10, 0]
    assert event_ids(await world.told()) == ids


async def test_what_left_is_counted_and_the_oldest_age_known(world: World) -> None:
    await world.tell(assigned(), assigned())
    relay = world.relay()
    told_at = await relay.oldest_at()
    await relay.turn()
    assert told_at is not None
    assert await relay.oldest_at() is None
    assert figure(world.metrics, "events_published_total", type="work_item.assigned.v1") == 2
    assert figure(world.metrics, "outbox_oldest_age_seconds") == 0


async def test_order_per_key_is_kept_with_many_writers(world: World) -> None:
    keys = [f"person-{n}" for n in range(8)]
    async with world.database.begin() as session:
        await session.execute(sa.insert(ITEM), [{"id": key, "turn": 0} for key in keys])
    async with running(world.relay()), Reader(world.bus, "work.items", "hears") as reader:
        await asyncio.gather(*(writer(world.database, keys, seed, 25) for seed in range(6)))
        await reader.has(150)
    assert_in_order(reader.finished, 150)


@pytest.mark.postgres
async def test_a_relay_takes_the_dead_rows_of_what_it_carried_away(postgres_url: str) -> None:
    database = connect(postgres_url, "tests", partitions=PARTITIONS)
    await make_tables(database, "tests", metadata, outbox.metadata)
    bus = LocalBus(":memory:", PARTITIONS)
    relay = Relay(database, bus, "tests", metrics(), vacuum_rows=2)
    async with running(relay), Reader(bus, "work.items", "hears") as reader:
        await World(database, bus).tell(assigned("e-1"), assigned("e-2"))
        await reader.has(2)
    async with database.read() as session:
        asked = sa.text("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'outbox'")
        assert (await session.execute(asked)).scalars().all() == [1]
    await bus.close()
    await database.close()


@pytest.mark.postgres
async def test_several_relays_neither_reorder_a_key_nor_lose_nor_invent(postgres_url: str) -> None:
    database = connect(postgres_url, "tests", pool_size=20, partitions=PARTITIONS)
    await make_tables(database, "tests", metadata, outbox.metadata)
    keys = [f"person-{n}" for n in range(12)]
    async with database.begin() as session:
        await session.execute(sa.insert(ITEM), [{"id": key, "turn": 0} for key in keys])
    bus = LocalBus(":memory:", PARTITIONS)
    world, replicas = World(database, bus), [Slow(bus, seed) for seed in range(3)]
    async with (
        running(world.relay(replicas[0])),
        running(world.relay(replicas[1])),
        running(world.relay(replicas[2])),
        Reader(bus, "work.items", "hears") as reader,
    ):
        await asyncio.gather(*(writer(database, keys, seed, 40) for seed in range(10)))
        await reader.has(400)
    assert_in_order(reader.finished, 400)
    assert await world.waiting() == 0
    assert all(replica.published for replica in replicas), "one relay did all the work: nothing was shown"
    await bus.close()
    await database.close()


async def writer(database: Database, keys: Sequence[str], seed: int, times: int) -> None:
    """Takes turns of random conversations, each row locked first as a handler does, and tells of each."""
    chance = random.Random(seed)
    for _ in range(times):
        key = chance.choice(keys)
        async with database.begin() as session:
            mine = sa.select(ITEM.c.turn).where(ITEM.c.id == key).with_for_update()
            turn = (await session.execute(mine)).scalar_one()
            await session.execute(sa.update(ITEM).values(turn=turn + 1).where(ITEM.c.id == key))
            emit(session, [assigned(f"{key}/{turn}", key=key)])


def assert_in_order(records: Sequence[Record], n: int) -> None:
    """Each turn of each key once, in order."""
    by_key: dict[bytes, list[str]] = defaultdict(list)
    for record in records:
        by_key[record.key].append(record.header("ce_id"))
    assert sum(map(len, by_key.values())) == n
    for key, found in by_key.items():
        assert found == [f"{key.decode()}/{turn}" for turn in range(len(found))]


# --- something away


class Slow(Through):
    """A bus whose acknowledgements take a random moment, as a network's do."""

    def __init__(self, bus: Bus, seed: int) -> None:
        super().__init__(bus)
        self.published = 0
        self._chance = random.Random(seed)

    async def publish(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(self._chance.random() * 0.01)
        await super().publish(records)
        self.published += len(records)
        await asyncio.sleep(self._chance.random() * 0.01)


async def test_the_relay_waits_while_the_log_is_away_and_goes_on_when_it_is_back(world: World) -> None:
    away = Away(world.bus)
    away.before = True
    relay = world.relay(away)
    async with running(relay), Reader(world.bus, "work.items", "hears") as reader:
        await world.tell(assigned("e-1"))
        await reader.until(lambda: away.tries >= 2 or bool(reader.finished))
        assert relay.ready() == "the relay waits: Kafka is away"
        assert (await world.waiting(), reader.finished) == (1, [])
        await world.tell(assigned("e-2"))
        away.before = False
        await reader.has(2)
        await reader.until(lambda: relay.ready() is None)
    assert event_ids(reader.finished) == ["e-1", "e-2"]


async def test_what_may_have_been_published_is_published_again(world: World) -> None:
    away = Away(world.bus)
    away.after = True
    relay = world.relay(away)
    await world.tell(assigned("e-1"), assigned("e-2"))
    with pytest.raises(Unavailable):
        await relay.turn()
    assert await world.waiting() == 2
    away.after = False
    assert await relay.turn() == 2
    assert event_ids(await world.told()) == ["e-1", "e-2", "e-1", "e-2"]


async def test_a_failure_between_publishing_and_committing_publishes_again_and_loses_nothing(world: World) -> None:
    def fails() -> None:
        raise Unavailable("the database", "it went during the commit")

    await world.tell(assigned("e-1"))
    faults.plant("relay_before_commit", fails)
    relay = world.relay()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await relay.turn()
    assert faults.hits["relay_before_commit"] == 2
    faults.clear()
    assert await relay.turn() == 1
    assert Counter(event_ids(await world.told())) == {"e-1": 3}
    assert await world.waiting() == 0


# --- the inbox


async def test_an_event_is_seen_first_once(world: World) -> None:
    one, two, three = assigned("e-1"), assigned("e-2"), assigned("e-3")
    async with world.database.begin() as session:
        assert await first_seen(session, [two, one]) == [two, one]
    async with world.database.begin() as session:
        assert await first_seen(session, [one, three, two, three]) == [three]
    async with world.database.begin() as session:
        assert await first_seen(session, [one, two, three]) == []
        assert await first_seen(session, []) == []


async def test_what_a_rolled_back_transaction_saw_is_seen_first_again(world: World) -> None:
    event = assigned("e-1")

    async def work() -> None:
        async with world.database.begin() as session:
            assert await first_seen(session, [event]) == [event]
            raise Raced("somebody was quicker")

    with pytest.raises(Raced):
        await work()
    async with world.database.begin() as session:
        assert await first_seen(session, [event]) == [event]


async def test_two_at_once_do_not_both_see_an_event_first(world: World) -> None:
    async def see(event: Event) -> int:
        async with world.database.begin() as session:
            return len(await first_seen(session, [event]))

    events = [assigned(f"e-{n}") for n in range(5)]
    seen = await asyncio.gather(*(see(event) for event in events for _ in range(3)))
    assert sum(seen) == len(events)


async def test_the_inbox_knows_when_each_event_occurred(world: World) -> None:
    at = NOON - timedelta(days=2, microseconds=1)
    async with world.database.begin() as session:
        await first_seen(session, [assigned("e-1", at=at)])
    async with world.database.read() as session:
        assert (await session.execute(sa.select(INBOX.c.occurred_at))).scalar_one() == at
