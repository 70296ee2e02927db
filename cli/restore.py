"""`guichet restore-finish`: what has to be done between restoring a backup and starting the house on it."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from cli.installation import Installation, occupied
from cli.services import MIGRATIONS
from cli.trouble import Trouble
from libs.common.bus_kafka import CONSUMER, leave, parse
from libs.common.connect import open_bus
from libs.common.db import connect
from libs.common.events import REPLIES, WORK_ITEMS, ReplyPosted, decode
from libs.common.kafka_login import login_of
from libs.common.migrate import check
from libs.common.settings import Settings
from services.responder.domain.posting import Pace
from services.responder.handlers import restore
from services.responder.settings import ResponderSettings
from services.router.app import HEARS

AGAIN = timedelta(minutes=10)
"""The log is read again from so long before the backup: what was in hand then was not in the tables yet."""
GROUPS: Mapping[str, Sequence[str]] = {"router": HEARS, "responder": (WORK_ITEMS,)}


def moment(written: str) -> datetime:
    """An ISO 8601 time with its zone, in the past.

    Raises:
        Trouble: it is none.
    """
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise Trouble(f"--backup-time {written!r} is no time: write 2026-03-02T12:00:00Z", 2) from None
    if found.tzinfo is None:
        raise Trouble(f"--backup-time {written!r} has no zone: write 2026-03-02T12:00:00Z, or +01:00 at its end", 2)
    if found > datetime.now(UTC) + restore.TOLERANCE:
        raise Trouble(f"--backup-time {written!r} is in the future", 2)
    return found.astimezone(UTC)


async def finish(installation: Installation, backup_time: datetime) -> list[str]:
    """Rewind the router and the responder, then doubt every reply that may have gone out; what was done, in lines.

    Raises:
        Trouble: a service still runs, the tables are not at this version, or not those of the backup.
        Unavailable: the database or the log does not answer.
    """
    settings = installation.settings(ResponderSettings, "responder", {})
    local = settings.bus == "local"
    database = connect(settings.database, "responder")
    with ExitStack() as stack:
        if local:
            stack.enter_context(occupied(settings.data))
        try:
            if behind := await check(settings.database, "responder", MIGRATIONS["responder"]):
                raise Trouble(behind)
            if late := await restore.too_late(database, backup_time):
                raise Trouble(
                    f"the responder's tables changed at {late.changed_at:%Y-%m-%dT%H:%M:%SZ}, after --backup-time:"
                    " this is not that backup, or restore-finish has been run already"
                )
            since = backup_time - AGAIN
            rewound = _rewind_local(settings.data / "log.db", since) if local else await rewind_kafka(settings, since)
            done = await restore.finish(database, await _told(settings, since), _pace(settings))
        finally:
            await database.close()
    return [
        *(f"{group} reads {topic} again from {since:%Y-%m-%dT%H:%M:%SZ} on" for group, topic in rewound),
        f"{done.posted} replies went out after the backup: the log says so",
        f"{done.in_doubt} replies may have: they are looked for on the network from"
        f" {done.looked_for_at:%Y-%m-%dT%H:%M:%SZ} on, before anything is sent",
    ]


async def _told(settings: ResponderSettings, since: datetime) -> list[ReplyPosted]:
    """What the responder told of replies that are out."""
    bus = open_bus(settings)
    try:
        found = []
        async for record in bus.scan(REPLIES):
            if record.timestamp_ms >= since.timestamp() * 1000 and record.value is not None:
                event = decode(record.header("ce_type"), record.value)
                if isinstance(event, ReplyPosted):
                    found.append(event)
        return found
    finally:
        await bus.close()


def _rewind_local(log: Path, since: datetime) -> list[tuple[str, str]]:
    """Put the groups back, never forward, to the last record before then."""
    if not log.exists():
        return []
    before = int(since.timestamp() * 1000)
    with closing(sqlite3.connect(log, timeout=2.0)) as connection, connection:
        return [
            (group, topic)
            for group, topics in GROUPS.items()
            for topic in topics
            if connection.execute(
                "UPDATE position SET seq = min(seq, coalesce((SELECT max(seq) FROM log"
                " WHERE log.topic = position.topic AND at_ms < ?), 0)) WHERE consumers = ? AND topic = ?",
                (before, group, topic),
            ).rowcount
        ]


async def rewind_kafka(settings: Settings, since: datetime) -> list[tuple[str, str]]:
    """The same on Kafka, which refuses it while a member of the group lives.

    Raises:
        Trouble: it refuses, or does not answer.
    """
    rewound = []
    for group, topics in GROUPS.items():
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=parse(settings.bus), group_id=group, **login_of(settings), **CONSUMER
        )
        try:
            await consumer.start()
            for topic in topics:
                places = [TopicPartition(topic, n) for n in range(settings.partitions)]
                consumer.assign(places)
                starts = await consumer.offsets_for_times(dict.fromkeys(places, int(since.timestamp() * 1000)))
                committed = {place: await consumer.committed(place) for place in places}
                back = {
                    place: starts[place].offset
                    for place in places
                    if starts.get(place) is not None and (committed[place] or 0) > starts[place].offset
                }
                if back:
                    await consumer.commit(back)
                rewound.append((group, topic))
        except KafkaError as error:
            raise Trouble(f"Kafka does not rewind {group}: stop every {group} first, for a minute ({error})") from error
        finally:
            await leave(consumer)
    return rewound


def _pace(settings: ResponderSettings) -> Pace:
    return Pace(
        send_within=settings.send_within,
        post_limit=settings.post_limit,
        recover_after=settings.recover_after,
        look_again=settings.look_again,
        give_up_after=settings.give_up_after,
    )
