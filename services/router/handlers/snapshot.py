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
from services.router.domain.routing import OPEN_STATES, URGENCIES
from services.router.store.queues import QueueFigures, availability, figures

log = structlog.get_logger()

MAX_AGE_SECONDS = 2.0
REFRESH_SECONDS = 5.0
REST = 20  # times as long as the question took: it counts all open items, and they may be a million


@dataclass(frozen=True)
class State:
    """The queues and agents at one moment of the database's clock."""

    at: datetime
    queues: list[QueueFigures]
    agents: dict[str, int]


class Snapshot:
    """One question for all who ask within `max_age_seconds`; a background task keeps the gauges fresh."""

    def __init__(
        self, database: Database, registry: CollectorRegistry, max_age_seconds: float = MAX_AGE_SECONDS
    ) -> None:
        self._database = database
        self._max_age = max_age_seconds
        self._lock = asyncio.Lock()
        self._state: State | None = None
        self._read_at = 0.0
        self._depth = Gauge("queue_depth", "Open items", ["queue", "urgency", "state"], registry=registry)
        self._open = Gauge("queue_open", "1 within opening hours", ["queue"], registry=registry)
        self._oldest = Gauge("queue_oldest_age_seconds", "Age of the oldest waiting item", ["queue"], registry=registry)
        self._overdue = Gauge("queue_overdue", "Waiting items past their deadline", ["queue"], registry=registry)
        self._agents = Gauge("agents", "Agents", ["queue", "availability"], registry=registry)

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
            at = await db.now(session)
            return State(at, await figures(session, at), await availability(session))

    def _show(self, state: State) -> None:
        for queue in state.queues:
            for urgency in URGENCIES:
                for item_state in OPEN_STATES:
                    n = queue.by_urgency_and_state.get((urgency, item_state), 0)
                    self._depth.labels(queue.queue, urgency, item_state).set(n)
            self._open.labels(queue.queue).set(1)
            age = (state.at - queue.oldest_at).total_seconds() if queue.oldest_at else 0.0
            self._oldest.labels(queue.queue).set(max(0.0, age))
            self._overdue.labels(queue.queue).set(queue.overdue)
            for availability_, n in state.agents.items():
                self._agents.labels(queue.queue, availability_).set(n)
