"""Events leave if and only if the rows do: emit, first_seen, and the relay that carries them to the log."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.bus import MAX_VALUE_BYTES, Bus, Record, partition_of
from libs.common.db import Database, UtcDateTime, append_at_commit, bulk_insert
from libs.common.errors import Raced, Rejected, Unavailable
from libs.common.events import Event, encode
from libs.common.faults import fault
from libs.common.metrics import Metrics

log = structlog.get_logger()

RELAY_BATCH = 2000
POLL_SECONDS = 0.5
VACUUM_ROWS = 50_000  # dead ones, over which every turn walks to the oldest that lives
INBOX_KEPT = timedelta(days=8)  # longer than any topic keeps a record

metadata = sa.MetaData()
OUTBOX = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)
INBOX = sa.Table(
    "inbox",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("occurred_at", UtcDateTime, nullable=False, index=True),
)


def emit(session: AsyncSession, events: Sequence[Event]) -> None:
    """Tell these facts when, and only if, the transaction commits; in this order for each key."""
    if not events:
        return
    told: list[Event] = session.info.setdefault("told", [])
    told.extend(events)
    session.info["before_commit"] = _write_outbox


async def _write_outbox(session: AsyncSession) -> None:
    """One insert for all that the transaction told.

    Raises:
        Rejected: one is too large for the log; in the outbox it would hold up all that comes after it.
    """
    known: Mapping[str, int] = session.info.get("partitions", {})
    count: int = session.info.get("partition_count", 12)
    told: list[Event] = session.info["told"]
    told_at = await db.now(session)
    rows = []
    for event in told:
        value = encode(event)
        if len(value) > MAX_VALUE_BYTES:
            raise Rejected(f"{event.type} {event.event_id} is {len(value)} bytes; {MAX_VALUE_BYTES} are allowed")
        partition = known.get(event.key)
        rows.append(
            {
                "partition": partition_of(event.key.encode(), count) if partition is None else partition,
                "topic": event.topics[0],
                "key": event.key,
                "type": event.type,
                "event_id": event.event_id,
                "traceparent": event.traceparent,
                "value": value.decode(),
                "told_at": told_at,
            }
        )
    append_at_commit(session, (OUTBOX, rows))


async def first_seen(session: AsyncSession, events: Sequence[Event]) -> list[Event]:
    """Those of the events whose effect is not yet in this database; noted in the same transaction.

    For effects that no row's natural key guards. A repeat within the batch counts once.
    """
    unique = {event.event_id: event for event in events}
    rows = [
        {"event_id": event.event_id, "occurred_at": event.occurred_at}
        for event in sorted(unique.values(), key=lambda event: event.event_id)
    ]
    new = {
        row.event_id
        for row in await bulk_insert(session, INBOX, rows, on_conflict=["event_id"], returning=["event_id"])
    }
    return [event for event in unique.values() if event.event_id in new]


def record_of(
    event: Event, source: str, partition: int, *, topic: str | None = None, value: bytes | None = None
) -> Record:
    """The event as a record in CloudEvents' binary mode.

    Source: CloudEvents 1.0 Kafka protocol binding, https://github.com/cloudevents/spec
    """
    return Record(
        topic or event.topics[0],
        partition,
        event.key.encode(),
        encode(event) if value is None else value,
        headers(event.type, event.event_id, source, event.traceparent),
    )


def headers(type_: str, event_id: str, source: str, traceparent: str) -> tuple[tuple[str, bytes], ...]:
    """The headers every record of ours carries."""
    own = (*_same_headers(type_, source), ("ce_id", event_id.encode()))
    return (*own, ("traceparent", traceparent.encode())) if traceparent else own


@lru_cache(maxsize=256)
def _same_headers(type_: str, source: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", type_.encode()),
        ("ce_source", f"/guichet/{source}".encode()),
        ("content-type", b"application/json"),
    )


class Relay:
    """Carries what a service's transactions told to the log, in order for each key, at least once.

    One transaction: take each partition that no other replica has, delete its oldest rows, publish them, commit.
    The lock and the rows are taken in two statements: one would read an older snapshot and publish again what
    another replica has just deleted.
    """

    def __init__(
        self, database: Database, bus: Bus, service: str, metrics: Metrics, *, vacuum_rows: int = VACUUM_ROWS
    ) -> None:
        self._database = database
        self._bus = bus
        self._service = service
        self._metrics = metrics
        self._vacuum_rows = vacuum_rows
        self._told = asyncio.Event()
        self._dead_rows = 0
        self._vacuum: asyncio.Task[None] | None = None
        self.waiting_for: str | None = None
        database.after_commit.append(self._told.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until told to stop; woken by commits of this process, and by a poll for those of others."""
        pause = 0.2
        while not stop.is_set():
            self._told.clear()
            try:
                moved = await self.turn()
                self.waiting_for = None
                pause = 0.2
            except (Unavailable, Raced) as error:
                self.waiting_for = str(error)
                log.warning("relay_waits", reason=str(error), seconds=pause)
                await _either(stop, self._told, pause, ignore_told=True)
                pause = min(pause * 2, 5.0)
                continue
            self._clean_up(moved)
            if moved < RELAY_BATCH:  # all that was there; what is told meanwhile wakes us at once
                await _either(stop, self._told, POLL_SECONDS)
        if self._vacuum is not None:
            await self._vacuum
        try:
            await self.turn()  # what the last batches told, when there is still somebody to tell
        except (Unavailable, Raced):
            log.warning("relay_left_rows")

    def _clean_up(self, moved: int) -> None:
        """Vacuum by count, beside the turns: PostgreSQL by itself looks once a minute, and all turns walk over them."""
        self._dead_rows += moved
        if self._dead_rows >= self._vacuum_rows and (self._vacuum is None or self._vacuum.done()):
            self._dead_rows = 0
            self._vacuum = asyncio.create_task(self._take_dead_rows_away())

    async def _take_dead_rows_away(self) -> None:
        try:
            await self._database.vacuum(OUTBOX.name)
        except (Unavailable, Raced) as error:
            log.warning("outbox_not_vacuumed", reason=str(error))

    def ready(self) -> str | None:
        """What we wait for, or None."""
        return f"the relay waits: {self.waiting_for}" if self.waiting_for else None

    async def turn(self) -> int:
        """Carry one batch; returns how many rows went."""
        async with self._database.begin() as session:
            rows = await self._take(session)
            if not rows:
                return 0
            fault("relay_before_publish")
            await self._bus.publish([_record(row, self._service) for row in rows])
            fault("relay_before_commit")
        types: dict[str, int] = {}
        for row in rows:
            types[row.type] = types.get(row.type, 0) + 1
        for type_, n in types.items():
            self._metrics.published(type_, n)
        self._metrics.outbox_oldest_age(0.0)
        return len(rows)

    async def _take(self, session: AsyncSession) -> list[Any]:
        statement, params = _OLDEST, {}
        if self._database.dialect == "postgresql":
            asked = {"name": f"{self._service}.outbox", "last": self._bus.partitions - 1}
            locked = await db.ask_and_read_clock(session, _LOCK, asked)
            statement, params = _OLDEST_OF_OURS, {"ours": [row.p for row in locked if row.got]}
            if not params["ours"]:
                return []
        taken = await session.execute(statement, params, execution_options=_RAW)
        rows = sorted(taken.all(), key=lambda row: row.id)
        if rows:
            age = (await db.now(session) - rows[0].told_at).total_seconds()
            self._metrics.outbox_oldest_age(max(age, 0.0))
        return rows

    async def oldest_at(self) -> datetime | None:
        """When the oldest row still waiting was told; None when the outbox is empty."""
        async with self._database.read() as session:
            found: datetime | None = (await session.execute(sa.select(sa.func.min(OUTBOX.c.told_at)))).scalar()
            return found


_RAW = {"synchronize_session": False}
_INTEGERS: Any = sa.ARRAY(sa.Integer)
_IDS = sa.select(OUTBOX.c.id).order_by(OUTBOX.c.id).limit(RELAY_BATCH)
_OURS = OUTBOX.c.partition == sa.any_(sa.bindparam("ours", type_=_INTEGERS))
_OLDEST = sa.delete(OUTBOX).where(OUTBOX.c.id.in_(_IDS)).returning(*OUTBOX.c)
# as an array they are looked for once, whatever the planner takes an outbox for that is empty and full in turn
_OF_OURS = sa.any_(sa.func.array(_IDS.where(_OURS).scalar_subquery()))
_OLDEST_OF_OURS = sa.delete(OUTBOX).where(OUTBOX.c.id == _OF_OURS).returning(*OUTBOX.c)
_PARTITION: Any = sa.func.generate_series(0, sa.bindparam("last", type_=sa.Integer())).column_valued("p")
_NAME = sa.func.hashtext(sa.bindparam("name", type_=sa.Text()))
_LOCK = sa.select(_PARTITION, sa.func.pg_try_advisory_xact_lock(_NAME, _PARTITION).label("got"))


def _record(row: Any, service: str) -> Record:
    _, partition, topic, key, type_, event_id, traceparent, value, _ = row  # a row's attributes are looked up by name
    return Record(topic, partition, key.encode(), value.encode(), headers(type_, event_id, service, traceparent))


async def _either(stop: asyncio.Event, told: asyncio.Event, seconds: float, *, ignore_told: bool = False) -> None:
    """Until told to stop, woken, or the time is over."""
    waits = [asyncio.ensure_future(stop.wait())] + ([] if ignore_told else [asyncio.ensure_future(told.wait())])
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
