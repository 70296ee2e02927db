"""What is looked at every few seconds: spikes that may be an incident, incidents that are over, too much critical."""

from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.outbox import emit
from services.router.domain.incidents import Spike
from services.router.domain.setup import Setup
from services.router.domain.spikes import (
    BUCKET,
    LASTS,
    LEAST_COUNT,
    WEEKS,
    already_known,
    bucket_of,
    critical_share_alarm,
    histories,
    proposal,
    spike_of,
)
from services.router.handlers.incidents import bring_in, end, proposed_event
from services.router.store import incidents as store
from services.router.store import setup as setup_store
from services.router.store import topic_counts as counts

log = structlog.get_logger()

EVERY = timedelta(seconds=5)
_KEPT = timedelta(weeks=WEEKS, hours=1)


class IncidentWatch:
    """One at a time over all replicas: in the timers' sweep."""

    def __init__(self, registry: CollectorRegistry, every: timedelta = EVERY) -> None:
        self._every = every
        self._looked_at: datetime | None = None
        self._alarmed: set[str] = set()
        self._share = Gauge("critical_inflow_ratio", "Of the last hour's inflow", ["team"], registry=registry)
        self._alarm = Gauge("critical_inflow_alarm", "1: too much is critical", ["team"], registry=registry)

    async def watch(self, session: AsyncSession, setup: Setup, now: datetime) -> int:
        """Sum up what came, and look at it; returns how many rows changed."""
        if self._looked_at is not None and now - self._looked_at < self._every:
            return 0
        self._looked_at = now
        moved = await counts.sum_up(session)
        moved += await bring_in(session, now)
        moved += await self._end(session, now)
        moved += await self._propose(session, now)
        await self._show(session, now)
        return moved

    async def _end(self, session: AsyncSession, now: datetime) -> int:
        """Close those whose end has come: open ones ended, proposed ones were looked at by nobody."""
        over = await store.over(session, now)
        if not over or not await store.setup_is_free(session):
            return 0
        await setup_store.lock(session)
        for incident in over:
            await end(session, incident, "ended" if incident.state == "open" else "expired", "router", now)
        return len(over)

    async def _propose(self, session: AsyncSession, now: datetime) -> int:
        latest = bucket_of(now)
        many = await counts.many(session, [latest - BUCKET, latest], LEAST_COUNT)
        if not many:
            return 0
        known = await store.recent(session, now - LASTS)
        since = await counts.known_since(session)
        assert since is not None
        n = 0
        for (at, team, topic), count in many:
            if already_known(topic, team, known, now):
                continue
            spike = await self._spike(session, team, topic, at, count, since)
            if spike is None:
                continue
            incident = proposal(spike, team, now)
            known.append(incident)
            if await store.add(session, incident, reason="spike", actor="router", now=now):
                emit(session, [proposed_event(incident, now)])
                n += 1
        await counts.forget(session, now - _KEPT)
        return n

    async def _spike(
        self, session: AsyncSession, team: str, topic: str, at: datetime, count: int, since: datetime
    ) -> Spike | None:
        looked_at = histories(at, since)
        found = await counts.counts_of(session, team, topic, [bucket for some in looked_at for bucket in some])
        return spike_of(topic, at, count, [[found.get(bucket, 0) for bucket in some] for some in looked_at])

    async def _show(self, session: AsyncSession, now: datetime) -> None:
        for team, (inflow, critical) in (await counts.last_hour(session, now)).items():
            alarm = critical_share_alarm(inflow, critical)
            self._share.labels(team).set(critical / inflow if inflow else 0.0)
            self._alarm.labels(team).set(alarm)
            if alarm and team not in self._alarmed:
                log.warning("too_much_is_critical", team=team, inflow=inflow, critical=critical)
            (self._alarmed.add if alarm else self._alarmed.discard)(team)
