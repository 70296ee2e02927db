"""What a service could not handle, over REST: looked at, replayed or discarded by the service whose group failed."""

import base64
import binascii
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from libs.common.auth import needs
from libs.common.bus import Bus, Record
from libs.common.lists import PAGE, Limit, Mark, Page, cut, decode_cursor
from libs.common.metrics import Metrics
from libs.common.problems import Problem

_OURS = "dlq_"  # headers the worker added when it gave up


class DeadLetter(BaseModel):
    """A record its group could not handle."""

    id: str = Field(description="For the path: base64url of `key`")
    key: str = Field(description="topic/partition/offset/group of the record when it failed")
    topic: str
    partition: int
    offset: int
    type: str = Field(description="The event's type; empty where the record does not say")
    error: str = Field(description="What went wrong, in one line")
    attempts: int
    at: datetime
    size_bytes: int


class Header(BaseModel):
    """One header of the record as it was."""

    name: str
    value: str


class DeadLetterInFull(DeadLetter):
    """The record itself. Its text may be hostile: show it as text only."""

    full_error: str
    version: str = Field(description="Of the program that failed")
    record_key: str
    headers: list[Header]
    value_text: str = Field(description="What is not UTF-8 is replaced; `value_base64` has every byte")
    value_base64: str


class Settled(BaseModel):
    """What became of a dead letter; it is no longer listed."""

    id: str
    outcome: Literal["replayed", "discarded"]
    topic: str
    partition: int


class _Found(NamedTuple):
    record: Record
    letter: DeadLetter


def routes(service: str, bus: Bus, metrics: Metrics, topics: Collection[str]) -> APIRouter:
    """The dead letters of the group `service`, which hears `topics`."""
    api = APIRouter(tags=["dead letters"], dependencies=[needs("dead-letters:write")])
    path = f"/v1/{service}/dead-letters"
    queues = [f"{topic}.dlq" for topic in topics]

    @api.get(path)
    async def dead_letters(
        topic: Annotated[str | None, Query(description="Only what failed in this topic")] = None,
        limit: Limit = PAGE,
        cursor: str | None = None,
    ) -> Page[DeadLetter]:
        """What could not be handled, oldest first."""
        after = decode_cursor(cursor)
        waiting: dict[bytes, DeadLetter] = {}
        for queue in queues:
            if topic is None or queue == f"{topic}.dlq":
                waiting |= await _waiting(bus, queue, service)
        rows = sorted(waiting.values(), key=_mark)
        page, next_cursor = cut([row for row in rows if after is None or _mark(row) > after], limit, _mark)
        return Page(items=list(page), next_cursor=next_cursor)

    @api.get(path + "/{letter_id}")
    async def dead_letter(letter_id: str) -> DeadLetterInFull:
        """One of them with its headers, its bytes and the whole error."""
        record, letter = await _find(bus, queues, service, letter_id)
        value = record.value or b""
        return DeadLetterInFull(
            **letter.model_dump(),
            full_error=record.header("dlq_error"),
            version=record.header("dlq_version"),
            record_key=record.header("dlq_key"),
            headers=[Header(name=n, value=v.decode("utf-8", "replace")) for n, v in _original(record)],
            value_text=value.decode("utf-8", "replace"),
            value_base64=base64.b64encode(value).decode(),
        )

    @api.post(path + "/{letter_id}/replay")
    async def replay(letter_id: str) -> Settled:
        """Put the record, byte for byte, at the end of the topic and partition it came from."""
        record, letter = await _find(bus, queues, service, letter_id)
        again = Record(letter.topic, letter.partition, _header(record, "dlq_key"), record.value, _original(record))
        await bus.publish([again])
        await bus.publish([_tombstone(record)])  # in this order: a crash between them replays twice, and loses nothing
        metrics.published(letter.type or "unknown")
        return Settled(id=letter.id, outcome="replayed", topic=letter.topic, partition=letter.partition)

    @api.post(path + "/{letter_id}/discard")
    async def discard(letter_id: str) -> Settled:
        """Forget the record for good."""
        record, letter = await _find(bus, queues, service, letter_id)
        await bus.publish([_tombstone(record)])
        return Settled(id=letter.id, outcome="discarded", topic=letter.topic, partition=letter.partition)

    return api


def encode_id(key: str) -> str:
    """A dead letter's key as it stands in a path; keys have slashes in them."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


async def _waiting(bus: Bus, queue: str, group: str) -> dict[bytes, DeadLetter]:
    """The group's letters by key: the last record of a key counts, and a tombstone takes it away.

    Without the values: there may be many, of 2 MiB each.
    """
    found: dict[bytes, DeadLetter] = {}
    async for record in bus.scan(queue):
        if record.value is None:
            found.pop(record.key, None)
        elif record.header("dlq_group") == group:
            found[record.key] = _letter(record)
    return found


async def _find(bus: Bus, queues: Collection[str], group: str, id_: str) -> _Found:
    try:
        key = base64.b64decode(id_ + "=" * (-len(id_) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    queue = f"{key.split(b'/')[0].decode('utf-8', 'replace')}.dlq"
    last: Record | None = None
    if queue in queues:
        async for record in bus.scan(queue):
            if record.key == key:
                last = record
    if last is None or last.value is None or last.header("dlq_group") != group:
        raise Problem(
            404,
            "no-such-dead-letter",
            "There is no such dead letter",
            "It was replayed or discarded, it is older than 30 days, or it never was one of this service's.",
            f"GET /v1/{group}/dead-letters lists those there are.",
        )
    return _Found(last, _letter(last))


def _letter(record: Record) -> DeadLetter:
    topic, partition, offset, _group = record.key.decode().rsplit("/", 3)
    return DeadLetter(
        id=encode_id(record.key.decode()),
        key=record.key.decode(),
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        type=record.header("ce_type"),
        error=_one_line(record.header("dlq_error")),
        attempts=int(record.header("dlq_attempts") or 0),
        at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        size_bytes=len(record.value or b""),
    )


def _one_line(error: str) -> str:
    """The line that says most: a traceback's last, anything else's first."""
    lines = [line for line in error.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1 if lines[0].startswith("Traceback") else 0].strip()


def _original(record: Record) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value) for name, value in record.headers if not name.startswith(_OURS))


def _header(record: Record, name: str) -> bytes:
    return next((value for key, value in record.headers if key == name), b"")


def _tombstone(record: Record) -> Record:
    return Record(record.topic, record.partition, record.key, None)


def _mark(letter: DeadLetter) -> Mark:
    return letter.at, letter.key
