"""The house's own parts: bus, worker, database, outbox and relay, as a service puts them together."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa
import uvloop
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from bench.peer_apps import work
from libs.common import logs
from libs.common.bus_kafka import KafkaBus
from libs.common.db import bulk_insert, connect, now
from libs.common.events import Event, Intent, Labels, MentionClassified, MentionReceived, MentionRouted, derived_id
from libs.common.metrics import Metrics
from libs.common.outbox import Relay, emit
from libs.common.worker import Worker

SCHEMA = "peers"
MENTIONS = sa.Table(
    "mention",
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
)
INTENTS: dict[str, Intent] = {
    "complaint": "complaint",
    "praise": "praise_thanks",
    "assistance": "assistance_request",
    "information": "information_request",
    "chatter": "chatter",
}


class Routed(MentionRouted, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The product's event, in this run's topic."""

    topics: ClassVar[tuple[str, ...]] = (work.ROUTED,)


async def on_received(events: Sequence[Event]) -> Sequence[Event]:
    """Classify."""
    return [_classified(event) for event in events if isinstance(event, MentionReceived)]


def _classified(event: MentionReceived) -> MentionClassified:
    intent = INTENTS[work.classify(event.text)]
    return MentionClassified(
        event_id=derived_id(event.event_id, MentionClassified.type, event.post_id),
        occurred_at=event.occurred_at,
        key=event.key,
        traceparent=event.traceparent,
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        text=event.text,
        posted_at=event.posted_at,
        received_at=event.received_at,
        reach=event.reach,
        labels=Labels(language=event.language_hint, intent=intent, needs_response=True, urgency="normal"),
    )


async def on_classified(events: Sequence[Event], session: AsyncSession) -> None:
    """Keep, and tell."""
    mentions = [event for event in events if isinstance(event, MentionClassified)]
    rows = [
        {"id": m.post_id, "author_id": m.author_id, "body": m.text, "label": m.labels.intent}
        for m in sorted(mentions, key=lambda m: m.post_id)
    ]
    new = {row.id for row in await bulk_insert(session, MENTIONS, rows, on_conflict=["id"], returning=["id"])}
    at = await now(session)
    emit(session, [_routed(m, at) for m in mentions if m.post_id in new])


def _routed(event: MentionClassified, at: datetime) -> Routed:
    return Routed(
        event_id=derived_id(event.event_id, MentionRouted.type, event.post_id),
        occurred_at=at,
        key=event.key,
        traceparent=event.traceparent,
        network=event.network,
        post_id=event.post_id,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        posted_at=event.posted_at,
        language=event.labels.language,
        intent=event.labels.intent,
        urgency=event.labels.urgency,
        conversation_id=event.post_id,
        outcome="opened",
        queue=event.labels.language,
    )


async def main(stage: str) -> None:
    """Until told to stop."""
    logs.configure("bench", "warning", "json")
    bus = KafkaBus(work.KAFKA)
    metrics = Metrics(CollectorRegistry(), "bench")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if stage == "classify":
        worker = Worker(bus, f"{work.RUN}.classify", metrics, pure={work.RAW: on_received}, tells=work.CLASSIFIED)
        await worker.run(stop)
    else:
        database = connect(work.DATABASE, SCHEMA)
        worker = Worker(bus, f"{work.RUN}.route", metrics, database=database, writing={work.CLASSIFIED: on_classified})
        relay = Relay(database, bus, SCHEMA, metrics)
        await asyncio.gather(worker.run(stop), relay.run(stop))
        await database.close()
    await bus.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
