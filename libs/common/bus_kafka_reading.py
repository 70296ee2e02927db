"""One Kafka consumer's life: takes batches, stays in its group, commits what is finished."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Collection
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalOperation,
    IllegalStateError,
    RebalanceInProgressError,
)

from libs.common.bus import MAX_BATCH, HandleBatch, Pulse, Record

log = structlog.get_logger()
T = TypeVar("T")
Found = dict[TopicPartition, list[ConsumerRecord]]

REVOKE_SECONDS = 15
COMMIT_SECONDS = 5
POLL_MS = 1000
KEEP_POLLING_SECONDS = 5  # how often a consumer whose handler waits still says that it lives

_NOWHERE = TopicPartition("", 0)


class Reading(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer's life: one batch in hand at a time, let go of only when it is finished or given up."""

    def __init__(self, consumer: AIOKafkaConsumer, handle: HandleBatch, pulse: Pulse, topics: Collection[str]) -> None:
        self._consumer = consumer
        self._handle = handle
        self._pulse = pulse
        self._topics = topics
        self._idle = asyncio.Event()
        self._idle.set()
        self._flooded = False  # the last batch was full
        self._read_to: dict[TopicPartition, int] = {}
        self._turns: list[TopicPartition] = []  # where more waits; who had none for longest comes first
        self._poll: asyncio.Future[Any] | None = None
        self.failed: BaseException | None = None  # what the handler raised

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Rebalances happen behind our back: finish what is in hand (and commit it) before letting go."""
        with contextlib.suppress(TimeoutError):
            await limited(self._idle.wait(), REVOKE_SECONDS)
        self._read_to.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._pulse.joined = True
        if self._idle.is_set():  # else the handler may have declared a wait of its own
            self._pulse.waits(None)
        self._pulse.beat()

    async def run(self) -> None:
        stopped = asyncio.ensure_future(self._pulse.stop.wait())
        try:
            while not stopped.done():
                self._pulse.beat()
                if found := await self._next(stopped):
                    try:
                        await self._finish(found)
                    finally:
                        self._idle.set()
        finally:
            stopped.cancel()
            if self._poll is not None:
                self._poll.cancel()

    async def _next(self, stopped: asyncio.Future[Any]) -> Found:
        """What is there now; `getmany` blocks without limit during a rebalance, so the stop is waited for too."""
        asked = asyncio.ensure_future(self._take())
        try:
            while True:
                await asyncio.wait({asked, stopped}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
                if asked.done():
                    return asked.result()
                if stopped.done():
                    return {}
                self._pulse.beat()  # a rebalance is going on
        finally:
            asked.cancel()

    async def _take(self) -> Found:
        """A batch is in hand from the moment the client gives it, so that a revocation always waits for it."""
        found = await self._shares() if self._flooded else {}
        if not found:
            found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_BATCH)
        if found:
            self._idle.clear()
        self._flooded = sum(map(len, found.values())) == MAX_BATCH
        return found

    async def _shares(self) -> Found:
        """Where more waits than a batch holds: to each topic its share, from the partitions that had none for longest.

        The client alone would empty one partition's fetched megabyte before it looks at the next, and a little of each
        would be dear: what a batch tells is one write in the log for each partition it came from. With a time limit
        of 0 the client gives what is there without yielding, so that nothing is revoked in between.
        """
        ours = self._consumer.assignment()
        self._turns = [place for place in self._turns if place in ours] + sorted(ours.difference(self._turns))
        room = dict.fromkeys(self._topics, MAX_BATCH // len(self._topics))
        found: Found = defaultdict(list)
        for place in tuple(self._turns):
            if most := room[place.topic]:
                for records in (await self._consumer.getmany(place, timeout_ms=0, max_records=most)).values():
                    found[place] += records
                    room[place.topic] -= len(records)
                    self._turns.remove(place)
                    self._turns.append(place)
        if most := MAX_BATCH - sum(map(len, found.values())):
            for place, records in (await self._consumer.getmany(timeout_ms=0, max_records=most)).items():
                found[place] += records
        return found

    async def _finish(self, found: Found) -> None:
        batch = [as_record(record) for records in found.values() for record in records]
        done = {place: records[-1].offset + 1 for place, records in found.items()}
        self._read_to.update(done)
        self._pulse.lag = self._lag()
        self._pulse.took()
        handling = asyncio.ensure_future(self._handle(batch))
        try:
            while not handling.done():
                await asyncio.wait({handling}, timeout=KEEP_POLLING_SECONDS)
                if not handling.done() and self._pulse.stalled() is None:
                    self._keep_polling()
            handling.result()
        except BaseException as error:
            handling.cancel()  # ended already, unless it is we who are cancelled
            self.failed = error
            raise
        self._pulse.finished()
        await self._commit(done)

    def _keep_polling(self) -> None:
        """Stay in the group while the handler waits: a poll that can bring nothing.

        Neither awaited (in a rebalance it would block) nor cancelled (the client would count it as a poll for
        ever, and never again notice a handler that hangs).
        """
        if self._poll is None or self._poll.done():
            self._poll = asyncio.ensure_future(self._consumer.getmany(_NOWHERE, timeout_ms=0))
            self._poll.add_done_callback(lambda poll: poll.cancelled() or poll.exception())

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Explicit offsets of finished records. Failing is normal in a rebalance: the batch runs again."""
        try:
            ours = self._consumer.assignment()
            offsets = {place: offset for place, offset in offsets.items() if place in ours}
            if offsets:
                await limited(self._consumer.commit(offsets), COMMIT_SECONDS)
        except (
            CommitFailedError,
            IllegalStateError,
            IllegalOperation,
            RebalanceInProgressError,
            TimeoutError,
        ) as error:
            log.info("commit_refused", reason=reason_of(error))

    def _lag(self) -> dict[str, int]:
        """What waits beyond what was read, in the partitions that brought something since we have them."""
        lag: dict[str, int] = dict.fromkeys(self._topics, 0)
        for place in self._consumer.assignment():
            end, read_to = self._consumer.highwater(place), self._read_to.get(place)
            if end is not None and read_to is not None:
                lag[place.topic] += max(0, end - read_to)
        return lag


def as_record(record: ConsumerRecord) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.key or b"",
        record.value,
        tuple(record.headers),
        record.offset,
        record.timestamp,
    )


def reason_of(error: Exception) -> str:
    """In words; a time limit's error has none of its own."""
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


async def limited(awaitable: Awaitable[T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await awaitable
