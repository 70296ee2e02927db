"""batch -> handler: in one transaction, retried, halved, never lost."""

import asyncio
import random
import time
import traceback
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import __version__
from libs.common.bus import Bus, Pulse, Record, partition_of
from libs.common.db import Database
from libs.common.errors import Raced, Rejected, Unavailable
from libs.common.events import Event, decode
from libs.common.faults import fault
from libs.common.metrics import Metrics
from libs.common.outbox import record_of

log = structlog.get_logger()


@dataclass(frozen=True)
class Patience:
    """How often and after how many seconds what failed is tried again."""

    races: int = 5  # times a batch that raced runs again at once
    whole_again: tuple[float, ...] = (0.2, 1.0)  # a batch that failed runs again after these, then in halves
    alone_again: float = 1.0
    away_first: float = 0.2  # doubling, for what is away
    away_longest: float = 5.0
    dead_in_a_row: int = 50  # from here the fault is ours, not the records'
    dead_share: float = 0.05  # or above this share of
    dead_window: int = 1000  # so many records


PATIENCE = Patience()

WritingHandler = Callable[[Sequence[Event], AsyncSession], Awaitable[None]]
PureHandler = Callable[[Sequence[Event]], Awaitable[Sequence[Event]]]


class TooManyDead(Exception):
    """So many records fail that the fault must be ours: the line stops, and somebody is paged."""


def _line(error: Exception) -> str:
    """The error in one line; a database's goes on with the statement, and a link."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


class _Stopping(Exception):
    """We were told to stop in the middle of a wait; the batch stays unfinished."""


class _Item(NamedTuple):
    record: Record
    event: Event


class Worker:
    """Runs one consumer group. With a database the handler writes and tells through the outbox; without one
    it returns events, which are published to the source's partition before the batch is finished.
    """

    def __init__(
        self,
        bus: Bus,
        group: str,
        metrics: Metrics,
        *,
        database: Database | None = None,
        writing: Mapping[str, WritingHandler] | None = None,
        pure: Mapping[str, PureHandler] | None = None,
        tells: str = "",
        patience: Patience = PATIENCE,
    ) -> None:
        self._bus = bus
        self._group = group
        self._metrics = metrics
        self._database = database
        self._writing = dict(writing or {})
        self._pure = dict(pure or {})
        self._tells = tells
        self._pulse = Pulse()
        self._running = False
        self._dead_in_a_row = 0
        self._patience = patience
        self._lately: deque[bool] = deque(maxlen=patience.dead_window)
        self._dead_lately = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop.

        Raises:
            TooManyDead: the dead letters' limit was reached.
        """
        self._pulse.stop = stop
        self._pulse.beat()
        self._running = True
        try:
            await self._bus.consume([*self._writing, *self._pure], self._group, self._on_batch, self._pulse)
        except _Stopping:
            log.info("batch_left_unfinished", group=self._group)

    def ready(self) -> str | None:
        """What we wait for, or None."""
        if self._pulse.waiting_for:
            return f"{self._group} waits for {self._pulse.waiting_for}"
        return None if self._pulse.joined else f"{self._group} has not joined its group"

    def alive(self) -> str | None:
        """What stands still, or None: progress, never a question to the broker. Before it runs nothing does."""
        return self._pulse.stalled() if self._running else None

    async def _on_batch(self, batch: Sequence[Record]) -> None:
        with structlog.contextvars.bound_contextvars(group=self._group):
            here = Counter(record.topic for record in batch)
            self._tell_lag(here)
            items, unreadable = self._decoded(batch)
            for record, reason in unreadable:
                await self._bury(record, reason, attempts=0)
            if items:
                await self._with_patience(items, whole=True)
            self._tell_lag(Counter())

    def _decoded(self, batch: Sequence[Record]) -> tuple[list[_Item], list[tuple[Record, str]]]:
        items: list[_Item] = []
        unreadable: list[tuple[Record, str]] = []
        for record in batch:
            if record.value is None:
                continue  # a tombstone: nothing to do
            type_ = record.header("ce_type")
            try:
                event = decode(type_, record.value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                unreadable.append((record, f"{type_ or 'no ce_type'}: {error}"))
                continue
            if event is not None:
                items.append(_Item(record, event))
            elif not type_:
                unreadable.append((record, "a record without a ce_type header"))
            else:
                self._metrics.handled(self._group, type_, "unknown_type")
        return items, unreadable

    async def _with_patience(self, items: Sequence[_Item], *, whole: bool) -> None:
        """Until each of these is done or a dead letter: the ladder of waits, races and halves."""
        patience = self._patience
        failures = races = 0
        away = patience.away_first
        while items:
            try:
                await self._once(items)
                self._pulse.waits(None)
                self._note_alive(items)
                return None
            except Unavailable as error:
                log.warning("waits", reason=str(error), seconds=round(away, 1))
                self._pulse.waits(error.what)
                await self._pause(away + random.uniform(0, away / 4))  # noqa: S311
                away = min(away * 2, patience.away_longest)
            except Raced as error:
                self._pulse.waits(None)
                races += 1
                if races > patience.races:
                    if len(items) == 1:
                        log.warning("races_on", reason=str(error))
                        await self._pause(patience.away_first)
                    else:
                        return await self._in_halves(items)
            except Rejected as error:
                self._pulse.waits(None)
                at_fault = [item for item in items if item.event.event_id == error.event_id]
                if len(items) == 1:
                    at_fault = list(items)
                if not at_fault:
                    return await self._in_halves(items)
                for item in at_fault:
                    await self._bury(item.record, str(error), attempts=1)
                items = [item for item in items if item not in at_fault]
            except Exception as error:
                self._pulse.waits(None)
                failures += 1
                waits = patience.whole_again if whole else ()
                if len(items) == 1 and failures > max(len(waits), 1):
                    trace = "".join(traceback.format_exception(error, limit=-8))
                    return await self._bury(items[0].record, f"{_line(error)}\n{trace}", attempts=failures)
                if len(items) > 1 and failures > len(waits):
                    return await self._in_halves(items)
                log.warning("batch_failed", records=len(items), error=_line(error))
                await self._pause(waits[failures - 1] if failures <= len(waits) else patience.alone_again)
        return None

    async def _in_halves(self, items: Sequence[_Item]) -> None:
        middle = (len(items) + 1) // 2
        await self._with_patience(items[:middle], whole=False)
        await self._with_patience(items[middle:], whole=False)

    async def _once(self, items: Sequence[_Item]) -> None:
        started = time.perf_counter()
        by_topic: dict[str, list[Event]] = {}
        for item in items:
            by_topic.setdefault(item.record.topic, []).append(item.event)
        partitions = {item.event.key: item.record.partition for item in items}
        if self._database is not None:
            async with self._database.begin() as session:
                session.info["partitions"] = partitions
                for topic, events in by_topic.items():
                    await self._writing[topic](events, session)
                fault("handler_before_commit")
            fault("handler_after_commit")
        else:
            for topic, events in by_topic.items():
                told = await self._pure[topic](events)
                await self._bus.publish([self._record(event, partitions) for event in told])
                for type_, n in Counter(event.type for event in told).items():
                    self._metrics.published(type_, n)
        self._count(items, time.perf_counter() - started)

    def _record(self, event: Event, partitions: Mapping[str, int]) -> Record:
        """In the partition its cause came from, so that order survives the hop."""
        partition = partitions.get(event.key)
        if partition is None:
            partition = partition_of(event.key.encode(), self._bus.partitions)
        return record_of(event, self._group, partition, topic=self._tells)

    def _tell_lag(self, here: Mapping[str, int]) -> None:
        """What is not yet handled: what waits beyond the batch, and the batch itself while it is in hand."""
        for topic, waiting in self._pulse.lag.items():
            self._metrics.lag(self._group, topic, waiting + here.get(topic, 0))

    def _count(self, items: Sequence[_Item], seconds: float) -> None:
        now_ms = time.time() * 1000
        for type_, n in Counter(item.event.type for item in items).items():
            self._metrics.handled(self._group, type_, "done", n)
        for topic in {item.record.topic for item in items}:
            self._metrics.handle_seconds(self._group, topic, seconds)
        oldest = min((item.record.timestamp_ms for item in items), default=0)
        if oldest > 0:
            self._metrics.event_age(self._group, max(0.0, (now_ms - oldest) / 1000))

    # --- dead letters

    async def _bury(self, record: Record, reason: str, *, attempts: int) -> None:
        """To `<topic>.dlq`, byte for byte, with what happened; returns once the log holds it."""
        self._note_dead()
        where = f"{record.topic}/{record.partition}/{record.offset}/{self._group}"
        dead = Record(
            f"{record.topic}.dlq",
            record.partition,
            where.encode(),
            record.value,
            (
                *record.headers,
                ("dlq_key", record.key),
                ("dlq_topic", record.topic.encode()),
                ("dlq_group", self._group.encode()),
                ("dlq_error", reason[:8000].encode("utf-8", "replace")),
                ("dlq_attempts", str(attempts).encode()),
                ("dlq_version", __version__.encode()),
            ),
        )
        away = self._patience.away_first
        while True:
            try:
                await self._bus.publish([dead])
                break
            except Unavailable as error:
                self._pulse.waits(error.what)
                await self._pause(away)
                away = min(away * 2, self._patience.away_longest)
        self._pulse.waits(None)
        self._metrics.dead_letter(record.topic)
        log.error("dead_letter", where=where, reason=reason.partition("\n")[0])

    def _note_dead(self) -> None:
        self._dead_in_a_row += 1
        self._note(dead=True)
        patience = self._patience
        full = len(self._lately) == patience.dead_window
        too_many = full and self._dead_lately > patience.dead_share * patience.dead_window
        if self._dead_in_a_row >= patience.dead_in_a_row or too_many:
            raise TooManyDead(
                f"{self._group}: {self._dead_in_a_row} records in a row and {self._dead_lately} of the last "
                f"{len(self._lately)} could not be handled; mend the cause, then `guichet dlq replay`"
            )

    def _note_alive(self, items: Sequence[_Item]) -> None:
        self._dead_in_a_row = 0
        for _ in items:
            self._note(dead=False)

    def _note(self, *, dead: bool) -> None:
        if len(self._lately) == self._patience.dead_window and self._lately[0]:
            self._dead_lately -= 1
        self._lately.append(dead)
        self._dead_lately += dead

    async def _pause(self, seconds: float) -> None:
        """Wait, unless we are told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._pulse.stop.wait()
        except TimeoutError:
            self._pulse.beat()
            return
        raise _Stopping
