"""The responder's own figures, and the task that keeps those of the tables fresh."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db, idempotency
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from services.responder.domain.budget import Budget
from services.responder.domain.closures import LASTS
from services.responder.domain.latency import Latency
from services.responder.domain.report import Exchange
from services.responder.store import budgets, closures
from services.responder.store import replies as store

log = structlog.get_logger()

REFRESH_SECONDS = 4.0
KEYS_KEPT = timedelta(days=7)  # an Idempotency-Key is known for that long

_FORGET_EVERY = 900  # refreshments: once an hour
_BUCKETS_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 5400, 14400, 28800, 86400)


class Figures:
    """What no event says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._latency = Histogram(
            "response_latency_seconds",
            "From a mention to our earliest post that answers it, by the network's times",
            ("kind", "queue"),
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        self._left_out = Counter(
            "response_latencies_left_out_total", "Answers that are in no figure", ("reason",), registry=registry
        )
        self._replies = Counter("replies_total", "What became of replies", ("outcome",), registry=registry)
        self._quota = Gauge(
            "network_quota_remaining_ratio",
            "What the network still lets an account do in its window, 0..1",
            ("network", "handle", "operation"),
            registry=registry,
        )
        self._automatic = Counter(
            "automatic_messages_total",
            "Acknowledgements of a machine that a handle's rule asks for: queued, or why there is none",
            ("outcome",),
            registry=registry,
        )
        self._surveys = Counter("surveys_total", "What became of surveys", ("outcome",), registry=registry)
        self._unknown = Gauge("replies_unknown", "Replies nobody knows the fate of", registry=registry)

    def answered(self, latencies: Sequence[Latency]) -> None:
        """These mentions have an answer now and had none."""
        for latency in latencies:
            self._latency.labels("first", latency.queue).observe(latency.latency_seconds)

    def exchanged(self, exchanges: Sequence[Exchange]) -> None:
        """These exchanges have their answer now; a conversation's first is told by `answered`."""
        for exchange in exchanges:
            if exchange.kind == "next":
                self._latency.labels("next", exchange.queue).observe(exchange.elapsed_seconds)

    def left_out(self, n: int, reason: str) -> None:
        """So many answers cannot be measured."""
        if n:
            self._left_out.labels(reason).inc(n)

    def became(self, outcome: str) -> None:
        """A reply reached this state."""
        self._replies.labels(outcome).inc()

    def acknowledged(self, outcome: str) -> None:
        """A machine acknowledged a message, or why it did not."""
        self._automatic.labels(outcome).inc()

    def survey(self, state: str) -> None:
        """A survey reached this state."""
        self._surveys.labels(state).inc()

    def quota(self, budgets: Sequence[Budget], now: datetime) -> None:
        """What is left to each account, over all replicas."""
        for budget in budgets:
            self._quota.labels(budget.network, budget.handle, budget.operation).set(budget.share(now))

    def unknown(self, n: int) -> None:
        """So many replies are unknown, over all replicas."""
        self._unknown.set(n)


class Housekeeper:
    """Keeps the figures of the tables fresh, and forgets what has been kept for long enough."""

    def __init__(self, database: Database, figures: Figures) -> None:
        self._database = database
        self._figures = figures

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        turns = 0
        while not stop.is_set():
            try:
                await self.refresh()
                if turns % _FORGET_EVERY == 0:
                    await self.forget()
            except (Unavailable, Raced) as error:
                log.warning("figures_wait", reason=str(error))
            turns += 1
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Read the figures once."""
        async with self._database.read() as session:
            self._figures.unknown(await store.count_unknown(session))
            known = await budgets.all_of_them(session)
            self._figures.quota(known, await db.now(session))

    async def forget(self) -> None:
        """Delete the answers to old requests, and leave the closures that nobody took up."""
        async with self._database.begin() as session:
            now = await db.now(session)
            await idempotency.forget(session, now - KEYS_KEPT)
            await closures.expire(session, now - LASTS, now)


def after_commit(session: AsyncSession, act: Callable[[], None]) -> None:
    """Count what a transaction did only once it is true."""
    sa.event.listen(session.sync_session, "after_commit", lambda _session: act(), once=True)
