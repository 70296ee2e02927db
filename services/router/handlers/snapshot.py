"""How the queues stand, asked of the database at most every few seconds: for REST, and for Prometheus."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Gauge

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from services.router.domain.hours import is_open
from services.router.domain.setup import Setup
from services.router.domain.words import OPEN_STATES, URGENCIES
from services.router.store.queues import Crew, QueueFigures, figures, people
from services.router.store.setup import Setups

log = structlog.get_logger()

MAX_AGE_SECONDS = 2.0
REFRESH_SECONDS = 5.0
REST = 20  # times as long as the question took: it counts all open items, and they may be a million


@dataclass(frozen=True)
class State:
    """The queues and agents at one moment of the database's clock."""

    at: datetime
    setup: Setup
    queues: list[QueueFigures]
    crews: dict[str, Crew]


class Snapshot:
    """One question for all who ask within `max_age_seconds`; a background task keeps the gauges fresh."""

    def __init__(
        self,
        database: Database,
        setups: Setups,
        registry: CollectorRegistry,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        self._database = database
        self._setups = setups
        self._max_age = max_age_seconds
        self._lock = asyncio.Lock()
        self._state: State | None = None
        self._read_at = 0.0
        self._depth = Gauge("queue_depth", "Open items", ["queue", "urgency", "state"], registry=registry)
        self._open = Gauge("queue_open", "1 within opening hours", ["queue"], registry=registry)
        self._oldest = Gauge("queue_oldest_age_seconds", "Age of the oldest waiting item", ["queue"], registry=registry)
        self._overdue = Gauge("queue_overdue", "Waiting items past their deadline", ["queue"], registry=registry)
        self._agents = Gauge("agents", "Agents", ["queue", "availability"], registry=registry)
        self._capacity = Gauge("agent_capacity_units", "Units of those who are there", ["queue"], registry=registry)
        self._used = Gauge("agent_used_units", "Of these, what is in hand", ["queue"], registry=registry)

    async def current(self) -> State:
        """How things stand, at most `max_age_seconds` old."""
        async with self._lock:
            if self._state is None or time.monotonic() - self._read_at >= self._max_age:
                self._state = await self._read()
                self._read_at = time.monotonic()
            return self._state

    def forget(self) -> None:
        """The next one who asks gets a fresh answer (the set-up changed)."""
        self._read_at = 0.0
        self._state = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the gauges fresh until told to stop."""
        while not stop.is_set():
            asked_at = time.monotonic()
            try:
                self._show(await self.current())
            except (Unavailable, Raced) as error:
                log.warning("snapshot_waits", reason=str(error))
            with contextlib.suppress(TimeoutError):
                took = time.monotonic() - asked_at
                async with asyncio.timeout(max(REFRESH_SECONDS, took * REST)):
                    await stop.wait()

    async def _read(self) -> State:
        async with self._database.read() as session:
            setup = await self._setups.current(session)
            at = await db.now(session)
            return State(at, setup, await figures(session, setup, at), await people(session, setup, at))

    def _show(self, state: State) -> None:
        for queue in state.queues:
            for urgency in URGENCIES:
                for item_state in OPEN_STATES:
                    n = queue.by_urgency_and_state.get((urgency, item_state), 0)
                    self._depth.labels(queue.queue, urgency, item_state).set(n)
            hours = state.setup.hours_of(state.setup.queues[queue.queue])
            self._open.labels(queue.queue).set(is_open(hours, state.at))
            age = (state.at - queue.oldest_at).total_seconds() if queue.oldest_at else 0.0
            self._oldest.labels(queue.queue).set(max(0.0, age))
            self._overdue.labels(queue.queue).set(queue.overdue)
            crew = state.crews[queue.queue]
            for availability, n in crew.by_availability.items():
                self._agents.labels(queue.queue, availability).set(n)
            self._capacity.labels(queue.queue).set(crew.capacity)
            self._used.labels(queue.queue).set(crew.used)
