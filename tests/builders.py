"""Events, records and figures for tests: each builder defaults what its test does not care about."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from libs.common.bus import Record, partition_of
from libs.common.db import Database
from libs.common.events import (
    Event,
    Labels,
    MentionClassified,
    MentionReceived,
    WorkItemAssigned,
    encode,
)
from libs.common.metrics import Metrics
from libs.common.outbox import record_of

NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)
PARTITIONS = 4  # of every topic in tests: enough to have several, few enough to be quick

_numbers = itertools.count(1)


def an_id(what: str = "e") -> str:
    """One that no other call gives."""
    return f"{what}-{next(_numbers)}"


def received(
    event_id: str | None = None, *, key: str = "someone", text: str = "Where is my bag?", at: datetime = NOON
) -> MentionReceived:
    """A mention as ingest tells it."""
    event_id = event_id or an_id()
    return MentionReceived(
        event_id=event_id,
        occurred_at=at,
        key=key,
        network="x",
        post_id=f"post-{event_id}",
        handle="acme",
        author_id="1001",
        text=text,
        posted_at=at,
        received_at=at,
    )


def labels(urgency: str = "normal") -> Labels:
    """What the classifier says of a plain question."""
    return Labels(language="en", intent="information_request", needs_response=True, urgency=urgency)  # type: ignore[arg-type]


def classified(event_id: str | None = None, *, key: str = "someone", at: datetime = NOON) -> MentionClassified:
    """A mention as the classifier tells it."""
    event_id = event_id or an_id()
    return MentionClassified(
        event_id=event_id,
        occurred_at=at,
        key=key,
        network="x",
        post_id=f"post-{event_id}",
        handle="acme",
        author_id="1001",
        text="Where is my bag?",
        posted_at=at,
        received_at=at,
        labels=labels(),
    )


def assigned(
    event_id: str | None = None, *, key: str = "someone", agent: str = "ana", at: datetime = NOON
) -> WorkItemAssigned:
    """A work item as the router gives it to an agent."""
    event_id = event_id or an_id()
    return WorkItemAssigned(
        event_id=event_id,
        occurred_at=at,
        key=key,
        item_id=f"item-{event_id}",
        conversation_id="c-1",
        queue="support-en",
        agent=agent,
        version=1,
        waited_seconds=1.5,
    )


def published(event: Event, *, topic: str | None = None, partition: int | None = None) -> Record:
    """The event as a record, in the partition its key chooses."""
    if partition is None:
        partition = partition_of(event.key.encode(), PARTITIONS)
    return record_of(event, "tests", partition, topic=topic)


def record(
    topic: str,
    value: bytes | None = b"{}",
    *,
    key: bytes = b"someone",
    partition: int | None = None,
    headers: Mapping[str, bytes] | None = None,
) -> Record:
    """A line of the log, in the partition its key chooses."""
    chosen = partition_of(key, PARTITIONS) if partition is None else partition
    return Record(topic, chosen, key, value, tuple((headers or {}).items()))


def unreadable(topic: str, value: bytes = b"{not json") -> Record:
    """A record that says it is a mention, and is not."""
    return record(topic, value, headers={"ce_type": MentionReceived.type.encode(), "ce_id": b"broken-1"})


def metrics() -> Metrics:
    """Figures of a service called tests."""
    return Metrics(CollectorRegistry(), "tests")


def figure(of: Metrics, name: str, **labels: str) -> float:
    """What Prometheus would read; 0 for what was never counted."""
    return of.registry.get_sample_value(name, labels) or 0.0


def size(event: Event) -> int:
    """Bytes of its record's value."""
    return len(encode(event))


async def make_tables(database: Database, service: str, *metadata: sa.MetaData) -> None:
    """Make these tables as a migration would, in the service's schema where there are schemas."""
    async with database.begin() as session:
        if database.dialect == "postgresql":
            await session.execute(sa.text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
        connection = await session.connection()
        for each in metadata:
            await connection.run_sync(each.create_all)
