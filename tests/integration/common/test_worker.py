"""A worker with a database: rows and events together, once each in effect, also when it is killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import outbox
from libs.common.bus import Bus
from libs.common.bus_local import LocalBus
from libs.common.db import Database, bulk_insert, connect
from libs.common.errors import Rejected
from libs.common.events import CLASSIFIED, REPLIES, WORK_ITEMS, Event
from libs.common.outbox import Relay, emit, first_seen
from libs.common.worker import Worker
from tests.builders import PARTITIONS, assigned, classified, make_tables, metrics, published
from tests.buses import PATIENCE, scanned, until
from tests.lines import QUICK
from tests.processes import Program

metadata = sa.MetaData()
EFFECT = sa.Table(
    "effect", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("event_id", sa.Text, nullable=False)
)


class Room:
    """A service of one handler: writes a row for each event, and tells of it."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus
        self.batches: list[list[str]] = []
        self.fails_on: set[str] = set()
        self.rejects: set[str] = set()
        figures = metrics()
        self.worker = Worker(
            bus,
            "room",
            figures,
            database=database,
            writing={CLASSIFIED: self.on_classified, REPLIES: self.on_classified},
            patience=QUICK,
        )
        self.relay = Relay(database, bus, "room", figures)

    async def on_classified(self, events: Sequence[Event], session: AsyncSession) -> None:
        """No natural key guards the row: only the inbox does."""
        self.batches.append([event.event_id for event in events])
        new = await first_seen(session, events)
        await bulk_insert(session, EFFECT, [{"event_id": event.event_id} for event in new])
        emit(session, [assigned(f"of-{event.event_id}", key=event.key) for event in new])
        for event in events:
            if event.event_id in self.fails_on:
                raise ValueError("ours")
            if event.event_id in self.rejects:
                raise Rejected("not a post", event.event_id)

    async def effects(self) -> list[str]:
        """What was written, in order."""
        async with self.database.read() as session:
            return list((await session.execute(sa.select(EFFECT.c.event_id).order_by(EFFECT.c.id))).scalars())

    async def told(self) -> list[str]:
        """What the log holds of it."""
        return [record.header("ce_id") for record in await scanned(self.bus, WORK_ITEMS)]

    async def runs_until_told(self, n: int) -> None:
        """Worker and relay, until so many different events have left."""
        stop = asyncio.Event()
        parts = [asyncio.create_task(self.worker.run(stop)), asyncio.create_task(self.relay.run(stop))]
        try:
            async with asyncio.timeout(PATIENCE):
                while len(set(await self.told())) < n:
                    assert not any(part.done() for part in parts)
                    await asyncio.sleep(0.02)
        finally:
            stop.set()
            await asyncio.gather(*parts)


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    database, bus = connect(database_url, "room", partitions=PARTITIONS), LocalBus(":memory:", PARTITIONS)
    await make_tables(database, "room", metadata, outbox.metadata)
    yield Room(database, bus)
    await bus.close()
    await database.close()


async def test_a_batch_is_one_transaction_and_its_events_leave(room: Room) -> None:
    await room.bus.publish([published(classified(f"e-{n}")) for n in range(5)])
    await room.runs_until_told(5)
    assert room.batches == [[f"e-{n}" for n in range(5)]]
    assert await room.effects() == [f"e-{n}" for n in range(5)]
    assert await room.told() == [f"of-e-{n}" for n in range(5)]


async def test_two_topics_share_the_transaction(room: Room) -> None:
    await room.bus.publish(
        [published(classified("e-1")), published(classified("e-2"), topic=REPLIES), published(classified("e-3"))]
    )
    await room.runs_until_told(3)
    assert sorted(room.batches) == [["e-1", "e-3"], ["e-2"]]
    assert sorted(await room.effects()) == ["e-1", "e-2", "e-3"]


async def test_an_event_delivered_twice_has_its_effect_once(room: Room) -> None:
    again = published(classified("e-1"))
    await room.bus.publish([again, published(classified("e-2")), again])
    await room.runs_until_told(2)
    await room.bus.publish([again, published(classified("e-3"))])
    await room.runs_until_told(3)
    assert sorted(await room.effects()) == ["e-1", "e-2", "e-3"]
    assert sorted(await room.told()) == ["of-e-1", "of-e-2", "of-e-3"]


async def test_what_a_failed_try_wrote_and_told_is_not_kept(room: Room) -> None:
    room.fails_on = {"e-2"}
    await room.bus.publish([published(classified(f"e-{n}")) for n in range(4)])
    await room.runs_until_told(3)
    assert await room.effects() == ["e-0", "e-1", "e-3"]
    assert await room.told() == ["of-e-0", "of-e-1", "of-e-3"]
    (letter,) = await scanned(room.bus, f"{CLASSIFIED}.dlq")
    assert letter.header("ce_id") == "e-2"


async def test_what_is_rejected_leaves_nothing_behind(room: Room) -> None:
    room.rejects = {"e-1"}
    await room.bus.publish([published(classified(f"e-{n}")) for n in range(3)])
    await room.runs_until_told(2)
    assert await room.effects() == ["e-0", "e-2"]
    assert [letter.header("ce_id") for letter in await scanned(room.bus, f"{CLASSIFIED}.dlq")] == ["e-1"]


async def test_an_effect_is_told_in_the_partition_of_its_cause(room: Room) -> None:
    await room.bus.publish([published(classified("e-1", key="someone"), partition=3)])
    await room.runs_until_told(1)
    assert [record.partition for record in await scanned(room.bus, WORK_ITEMS)] == [3]


async def test_a_worker_waits_for_its_tables_and_goes_on_when_they_come(database_url: str) -> None:
    database, bus = connect(database_url, "room", partitions=PARTITIONS), LocalBus(":memory:", PARTITIONS)
    room, stop = Room(database, bus), asyncio.Event()
    await bus.publish([published(classified("e-1"))])
    running = asyncio.create_task(room.worker.run(stop))
    await until(lambda: len(room.batches) >= 5)
    assert room.worker.ready() == "room waits for the database"
    assert await scanned(bus, f"{CLASSIFIED}.dlq") == []
    await make_tables(database, "room", metadata, outbox.metadata)
    await until(lambda: room.worker.ready() is None)
    stop.set()
    await running
    assert await room.effects() == ["e-1"]
    await bus.close()
    await database.close()


# --- killed

RUNS = """
import asyncio, os, signal, sys
from libs.common import faults
from libs.common.bus_local import LocalBus
from libs.common.db import connect
from tests.builders import PARTITIONS
from tests.integration.common.test_worker import Room

async def main(folder, url, point):
    database, bus = connect(url, "room", partitions=PARTITIONS), LocalBus(f"{folder}/log.db", PARTITIONS)
    if point:
        faults.plant(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    await Room(database, bus).runs_until_told(20)
    await bus.close()
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""
# in the order in which one life after the other comes further
POINTS = ["handler_before_commit", "handler_after_commit", "relay_before_publish", "relay_before_commit"]


async def test_killed_at_each_bad_moment_everything_takes_effect_once_and_is_told(
    database_url: str, tmp_path: Path
) -> None:
    database, bus = connect(database_url, "room", partitions=PARTITIONS), LocalBus(tmp_path / "log.db", PARTITIONS)
    await make_tables(database, "room", metadata, outbox.metadata)
    await bus.publish([published(classified(f"e-{n}", key=f"person-{n % 3}")) for n in range(20)])
    await bus.close()

    for point in POINTS:
        with Program(RUNS, tmp_path, database_url, point) as program:
            assert (point, *program.end()) == (point, -9, "", "")
    with Program(RUNS, tmp_path, database_url, "") as program:
        assert program.end() == (0, "", "")

    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    room = Room(database, bus)
    assert await room.effects() == [f"e-{n}" for n in range(20)]
    # published by the life that was killed before it could note so, and by the next
    assert Counter(await room.told()) == {f"of-e-{n}": 2 for n in range(20)}
    await bus.close()
    await database.close()
