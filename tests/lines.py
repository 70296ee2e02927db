"""A worker between two topics of a log in memory; its handler does what the test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from libs.common.bus import Bus, HandleBatch, Pulse, Record
from libs.common.events import CLASSIFIED, RAW, Event
from libs.common.worker import Patience, Worker
from tests.builders import classified, metrics
from tests.buses import PATIENCE, Away, scanned, until

QUICK = Patience(whole_again=(0.01, 0.01), alone_again=0.01, away_first=0.005, away_longest=0.01)

Does = Callable[[Sequence[Event]], Awaitable[None]]


class Watched(Away):
    """Counts the records that consumers have finished."""

    finished = 0

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        async def counted(batch: Sequence[Record]) -> None:
            await handle(batch)
            self.finished += len(batch)

        await super().consume(topics, group, counted, pulse)


class Line:
    """From `mentions.raw` to `mentions.classified`, without a database."""

    def __init__(self, bus: Bus) -> None:
        self.bus = Watched(bus)
        self.metrics = metrics()
        self.calls: list[list[str]] = []
        self.does: Does | None = None
        self.stop = asyncio.Event()
        self._sent = 0

    def worker(self, patience: Patience = QUICK) -> Worker:
        """One that waits less than in production."""
        return Worker(self.bus, "tests", self.metrics, pure={RAW: self._handle}, tells=CLASSIFIED, patience=patience)

    @property
    def sizes(self) -> list[int]:
        """How many events each call of the handler got."""
        return [len(call) for call in self.calls]

    @property
    def done(self) -> bool:
        """Whether all that was sent is finished."""
        return self.bus.finished == self._sent

    async def sends(self, *records: Record) -> None:
        """Into the first topic."""
        await self.bus.publish(records)
        self._sent += len(records)

    async def hears(self, *records: Record, worker: Worker | None = None) -> None:
        """Send these, and run a worker until it has finished all that there is."""
        await self.sends(*records)
        async with self.running(worker or self.worker()) as task:
            await until(lambda: self.done or task.done())
            if task.done():
                task.result()

    async def told(self) -> list[str]:
        """Ids in the second topic."""
        return [record.header("ce_id") for record in await scanned(self.bus, CLASSIFIED)]

    async def dead(self) -> list[Record]:
        """Its dead letters."""
        return await scanned(self.bus, f"{RAW}.dlq")

    @asynccontextmanager
    async def running(self, worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
        """The worker beside the test, told to stop at the end."""
        task = asyncio.create_task(worker.run(self.stop))
        try:
            yield task
        finally:
            self.stop.set()
            await asyncio.wait({task}, timeout=PATIENCE)
            assert task.done(), "the worker does not stop"
            self.stop = asyncio.Event()

    async def _handle(self, events: Sequence[Event]) -> list[Event]:
        self.calls.append([event.event_id for event in events])
        if self.does is not None:
            await self.does(events)
        return [classified(f"of-{event.event_id}", key=event.key) for event in events]


def fails_on(culprit: str, error: Exception) -> Does:
    """A handler that fails whenever this event is in its batch."""

    async def does(events: Sequence[Event]) -> None:
        if any(event.event_id == culprit for event in events):
            raise error

    return does


def fails_times(times: int, error: Exception) -> Does:
    """A handler that fails so often, and then no more."""
    left = times

    async def does(events: Sequence[Event]) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise error

    return does
