"""Buses for tests, each behind the same few words, and a reader that keeps what it was given."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from libs.common.bus import Bus, HandleBatch, Pulse, Record
from libs.common.bus_kafka import KafkaBus
from libs.common.bus_local import LocalBus
from libs.common.errors import Unavailable
from tests.builders import PARTITIONS

PATIENCE = 20.0  # seconds until what should have happened counts as missing

_numbers = itertools.count(1)


def a_name(what: str) -> str:
    """Of a topic or a group that no other test uses, in this session or an earlier one on the same broker."""
    return f"{what}-{os.getpid()}-{next(_numbers)}"


class Buses(Protocol):
    """Opens buses on one log."""

    async def open(self) -> Bus:
        """A bus on the log."""
        ...

    async def reopen(self, bus: Bus) -> Bus:
        """The bus of a process that has ended, opened by the next one."""
        ...

    async def topic(self, name: str = "") -> str:
        """Make an empty topic."""
        ...

    async def close(self) -> None:
        """Close all that was opened."""
        ...


class InMemory:
    """The local bus without a file: what ends with a process is only its consumers."""

    def __init__(self) -> None:
        self._opened: list[Bus] = []

    async def open(self) -> Bus:
        return self._keep(LocalBus(":memory:", PARTITIONS))

    async def reopen(self, bus: Bus) -> Bus:
        return bus

    async def topic(self, name: str = "") -> str:
        return name or a_name("topic")

    async def close(self) -> None:
        for bus in self._opened:
            await bus.close()
        self._opened.clear()

    def _keep(self, bus: Bus) -> Bus:
        self._opened.append(bus)
        return bus


class OnFile(InMemory):
    """The local bus in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    async def open(self) -> Bus:
        return self._keep(LocalBus(self._path, PARTITIONS))

    async def reopen(self, bus: Bus) -> Bus:
        self._opened.remove(bus)
        await bus.close()
        return await self.open()


class OnKafka(InMemory):
    """A real broker; each bus has connections of its own."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self._bootstrap = bootstrap

    async def open(self, instance: str | None = None, partitions: int = PARTITIONS) -> Bus:
        return self._keep(KafkaBus(self._bootstrap, partitions, instance))

    async def reopen(self, bus: Bus) -> Bus:
        self._opened.remove(bus)
        await bus.close()
        return await self.open()

    async def topic(self, name: str = "", partitions: int = PARTITIONS) -> str:
        name = name or a_name("topic")
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            answer = await admin.create_topics([NewTopic(name, partitions, 1)])
            assert answer.topic_errors[0][1] == 0, answer
        finally:
            await admin.close()
        return name


class Through:
    """A bus through which everything goes to another; subclasses stand in the way."""

    def __init__(self, bus: Bus) -> None:
        self.partitions = bus.partitions
        self._bus = bus

    async def publish(self, records: Sequence[Record]) -> None:
        await self._bus.publish(records)

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        await self._bus.consume(topics, group, handle, pulse)

    def scan(self, topic: str) -> AsyncIterator[Record]:
        return self._bus.scan(topic)

    async def ping(self) -> None:
        await self._bus.ping()

    async def close(self) -> None:
        await self._bus.close()


class Away(Through):
    """A bus that can be away for publishers: before it takes the records, or after it has."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.before = self.after = False
        self.tries = 0

    async def publish(self, records: Sequence[Record]) -> None:
        self.tries += 1
        if self.before:
            raise Unavailable("Kafka")
        await super().publish(records)
        if self.after:
            raise Unavailable("Kafka", "it did not answer")


class Reader:
    """One consumer of a group, running beside the test; keeps what it was given."""

    def __init__(
        self,
        bus: Bus,
        topics: Collection[str] | str,
        group: str,
        handle: HandleBatch | None = None,
    ) -> None:
        self.batches: list[list[Record]] = []
        self.finished: list[Record] = []
        self.pulse = Pulse()
        self._bus = bus
        self._topics = [topics] if isinstance(topics, str) else topics
        self._group = group
        self._handle = handle
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def values(self) -> list[bytes | None]:
        """Of what was finished, in its order."""
        return [record.value for record in self.finished]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._bus.consume(self._topics, self._group, self._on_batch, self.pulse))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pulse.stop.set()
        if self._task is not None and not self._task.done():
            done, _ = await asyncio.wait({self._task}, timeout=PATIENCE)
            assert done, "the consumer does not stop"

    async def until(self, what: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for something that a batch brings about; the consumer's own end is raised."""
        assert self._task is not None
        news = asyncio.ensure_future(self._news.wait())
        try:
            async with asyncio.timeout(seconds):
                while not what():
                    # other readers' news do not wake us: look now and then, too
                    await asyncio.wait({news, self._task}, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
                    if self._task.done():
                        self._task.result()
                        assert what(), "the consumer has ended"
                    if news.done():
                        self._news.clear()
                        news = asyncio.ensure_future(self._news.wait())
        finally:
            news.cancel()

    async def has(self, n: int, seconds: float = PATIENCE) -> None:
        """Wait until so many records are finished."""
        await self.until(lambda: len(self.finished) >= n, seconds)

    async def given(self, batches: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until so many batches were given, finished or not."""
        await self.until(lambda: len(self.batches) >= batches, seconds)

    async def stop(self, seconds: float = PATIENCE) -> None:
        """Tell it to stop and wait for its end, which is raised if it is an error."""
        self.pulse.stop.set()
        await self.end(seconds)

    async def end(self, seconds: float = PATIENCE) -> None:
        """Wait until it ends by itself."""
        assert self._task is not None
        async with asyncio.timeout(seconds):
            await asyncio.shield(self._task)

    async def _on_batch(self, batch: Sequence[Record]) -> None:
        self.batches.append(list(batch))
        self._news.set()
        if self._handle is not None:
            await self._handle(batch)
        self.finished.extend(batch)
        self._news.set()


async def until(done: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something of which nothing tells: look again and again."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def joined(reader: Reader, seconds: float = PATIENCE) -> None:
    """Wait until the reader has its partitions."""
    await until(lambda: reader.pulse.joined, seconds)


async def scanned(bus: Bus, topic: str) -> list[Record]:
    """All that the topic holds."""
    return [record async for record in bus.scan(topic)]


async def never(happens: Callable[[], bool], within: float) -> bool:
    """Whether something does not happen for so many seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while asyncio.get_running_loop().time() < deadline:
        if happens():
            return False
        await asyncio.sleep(0.02)
    return True
