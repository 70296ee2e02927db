"""What the router counts of its own: clocks by how they ended, and how long items waited. Only of what is committed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import once_committed
from services.router.domain.waiting import Item

_WAIT_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 5400, 14400, 28800, 86400)


class Figures:
    """The router's counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._clocks = Counter(
            "sla_clocks_total", "Clocks by how they ended", ("kind", "policy", "outcome"), registry=registry
        )
        self._waits = Histogram(
            "queue_wait_seconds",
            "From the author's post to an agent's hands",
            ("queue",),
            buckets=_WAIT_SECONDS,
            registry=registry,
        )

    def clocks(self, session: AsyncSession, outcomes: Mapping[tuple[str, str, str], int]) -> None:
        """Count these clocks, by kind, policy and outcome, once the transaction has committed."""
        if outcomes:
            once_committed(session, partial(self._count, outcomes))

    def assigned(self, session: AsyncSession, items: Iterable[Item], now: datetime) -> None:
        """Count how long these waited, once the transaction has committed."""
        waits = [(item.queue, max(0.0, (now - item.enqueued_at).total_seconds())) for item in items]
        if waits:
            once_committed(session, partial(self._observe, waits))

    def _count(self, outcomes: Mapping[tuple[str, str, str], int]) -> None:
        for labels, n in outcomes.items():
            self._clocks.labels(*labels).inc(n)

    def _observe(self, waits: Iterable[tuple[str, float]]) -> None:
        for queue, seconds in waits:
            self._waits.labels(queue).observe(seconds)
