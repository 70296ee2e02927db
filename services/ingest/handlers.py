"""The use cases: take a batch of posts, follow a file, keep the handles at hand."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from libs.common import trace
from libs.common.bus import Bus, Record, conversation_key, partition_of
from libs.common.clock import Clock, utc_now
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from libs.common.events import MentionDeleted, MentionReceived, OwnPostReceived, derived_id, encode
from libs.common.metrics import Metrics
from libs.common.outbox import record_of
from services.ingest import store
from services.ingest.domain import Handles, Post, Refused, decide
from services.ingest.gateways import items, plain, tail, x

log = structlog.get_logger(__name__)

EVERY_TEAM = frozenset({"*"})
DEFAULT_TEAM = "main"  # of mentions that concern no handle of ours
REFRESH_SECONDS = 5.0
FOLLOW_SECONDS = 0.5
AGAIN_SECONDS = 1.0
_KEYS_KEPT = 20_000

_NOTHING_RENAMED: Mapping[str, str] = {}


class Shape(NamedTuple):
    """How to read an item, and where the sender has what we call by another name."""

    read: Callable[[msgspec.Raw], Post]
    paths: Mapping[str, str] = _NOTHING_RENAMED


GENERIC = Shape(plain.read)


def x_shape(network: str = "x") -> Shape:
    """X's own shape, under this network's name."""
    return Shape(lambda raw: x.read(raw, network), x.PATHS)


class Rejection(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An item that was not taken. `index` counts from 0."""

    index: int
    id: str | None = None
    type: str
    path: str = ""
    detail: str
    fix: str = ""


class Taken(NamedTuple):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


class Figures:
    """What ingest counts beside what every service does."""

    def __init__(self, metrics: Metrics) -> None:
        self._ingested = Counter(
            "mentions_ingested_total", "Posts handed in", ("source", "outcome"), registry=metrics.registry
        )
        self._last = Gauge(
            "source_last_event_timestamp_seconds",
            "When a source last brought something",
            ("source",),
            registry=metrics.registry,
        )
        self._metrics = metrics

    def took(self, source: str, taken: Taken, mentions: int, at: datetime) -> None:
        """Once a batch."""
        counts = {"accepted": taken.accepted, "duplicate": taken.duplicates, "rejected": len(taken.rejected)}
        for outcome, n in counts.items():
            if n:
                self._ingested.labels(source, outcome).inc(n)
        if taken.accepted:
            self._last.labels(source).set(at.timestamp())
        if mentions:
            self._metrics.published(MentionReceived.type, mentions)
        if own := taken.accepted - mentions:
            self._metrics.published(OwnPostReceived.type, own)

    def deleted(self) -> None:
        """A post is gone."""
        self._metrics.published(MentionDeleted.type, 1)


class Directory:
    """Our handles, held in memory: a mention never waits for the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handles: Handles | None = None

    @property
    def handles(self) -> Handles:
        """All of them.

        Raises:
            Unavailable: they were not read yet.
        """
        if self._handles is None:
            raise Unavailable("the database", "the handles were not read yet")
        return self._handles

    def ready(self) -> str | None:
        """What we wait for, or None. Once read they stay: ingest takes mentions without its database."""
        return "ingest has not read its handles yet" if self._handles is None else None

    async def refresh(self) -> None:
        """Read them now."""
        async with self._database.read() as session:
            self._handles = Handles(await store.all_handles(session))

    async def changed(self) -> None:
        """Read them after a change of our own. Where that fails the change stands, and `watch` reads it soon."""
        try:
            await self.refresh()
        except (Unavailable, Raced) as error:
            log.warning("handles_left_as_they_were", reason=str(error))

    async def watch(self, stop: asyncio.Event) -> None:
        """Read them again and again, for another replica may have changed them."""
        away = False
        while not stop.is_set():
            try:
                await self.refresh()
                away = False
            except (Unavailable, Raced) as error:
                if not away:
                    log.warning("handles_left_as_they_were", reason=str(error))
                away = True
            await until(stop, AGAIN_SECONDS if self._handles is None else REFRESH_SECONDS)


class Ingest:
    """Takes posts: decides what each is to us, and answers once the log holds them all."""

    def __init__(self, bus: Bus, directory: Directory, secret: bytes, figures: Figures, clock: Clock = utc_now) -> None:
        self._bus = bus
        self._directory = directory
        self._figures = figures
        self._clock = clock
        # most people write more than once in an hour, and both cost more than all else about a mention
        self._key_of = lru_cache(_KEYS_KEPT)(lambda network, person: conversation_key(secret, network, person))
        self._partition_of = lru_cache(_KEYS_KEPT)(lambda key: partition_of(key.encode(), bus.partitions))

    async def on_received(
        self,
        batch: Sequence[msgspec.Raw | Refused],
        shape: Shape = GENERIC,
        *,
        source: str = "api",
        teams: frozenset[str] = EVERY_TEAM,
    ) -> Taken:
        """Take a batch; returns when the log holds every accepted item.

        Args:
            batch: those that could not be read at all are already refused.
            teams: whose handles the sender may name.

        Raises:
            Unavailable: the log is away, or the handles were not read yet; send all of it again.
        """
        received_at = self._clock()
        handles = self._directory.handles
        traceparent = trace.traceparent()
        read, partition_of_key = shape.read, self._partition_of
        rejected: list[Rejection] = []
        records: list[Record] = []
        seen: set[tuple[str, str, int]] = set()
        duplicates = mentions = 0
        for index, item in enumerate(batch):
            if isinstance(item, Refused):
                rejected.append(_rejection(index, None, item, shape))
                continue
            try:
                post = read(item)
            except items.ERRORS as error:
                rejected.append(_rejection(index, items.id_of(item), items.explained(error), shape))
                continue
            event = decide(
                post,
                handles,
                teams=teams,
                source=source,
                received_at=received_at,
                traceparent=traceparent,
                key_of=self._key_of,
            )
            if isinstance(event, Refused):
                rejected.append(_rejection(index, post.id, event, shape))
                continue
            natural_key = (post.network, post.id, post.version)
            if natural_key in seen:
                duplicates += 1
                continue
            seen.add(natural_key)
            mentions += isinstance(event, MentionReceived)
            records.append(record_of(event, "ingest", partition_of_key(event.key), value=encode(event)))
        if records:
            await self._bus.publish(records)  # of the whole request at once: nothing is half told
        taken = Taken(len(records), duplicates, rejected)
        self._figures.took(source, taken, mentions, received_at)
        return taken

    @property
    def teams(self) -> set[str]:
        """Those that may have mentions."""
        return {DEFAULT_TEAM, *(handle.team for handle in self._directory.handles.by_slug.values())}

    async def on_deleted(self, network: str, post_id: str, author_id: str = "") -> None:
        """Somebody took a post away; returns when the log holds that.

        Args:
            author_id: keeps what concerns that person in order. Without it the deletion may overtake the post, which
                the router bears.

        Raises:
            Unavailable: the log is away; say it again.
        """
        now = self._clock()
        event = MentionDeleted(
            event_id=derived_id("", MentionDeleted.type, f"{network}/{post_id}"),
            occurred_at=now,
            key=self._key_of(network, author_id or post_id),
            traceparent=trace.traceparent(),
            network=network,
            post_id=post_id,
        )
        await self._bus.publish([record_of(event, "ingest", self._partition_of(event.key), value=encode(event))])
        self._figures.deleted()


class FileSource:
    """Follows a file of X-shaped NDJSON, from where it stopped; the position moves after the log has answered."""

    def __init__(self, path: Path, ingest: Ingest, database: Database) -> None:
        self._path = path
        self._name = path.name
        self._ingest = ingest
        self._database = database
        self._shape = x_shape()

    async def watch(self, stop: asyncio.Event) -> None:
        """Read what is there, then what comes."""
        said = ""
        while not stop.is_set():
            try:
                read = await self.turn()
                said = ""
                if read == 0:
                    await until(stop, FOLLOW_SECONDS)
            except (Unavailable, Raced, OSError) as error:
                if str(error) != said:
                    log.warning("source_waits", source=self._name, reason=str(error))
                said = str(error)
                await until(stop, AGAIN_SECONDS)

    async def turn(self) -> int:
        """Take the next batch; returns how many lines it had."""
        async with self._database.read() as session:
            begun_at = await store.position(session, self._name)
        part = await asyncio.to_thread(tail.read, self._path, begun_at)
        if part.position == begun_at:
            return 0
        if part.position < begun_at:
            log.warning("source_began_anew", source=self._name, reason="the file is shorter than what was read of it")
        taken = await self._ingest.on_received(part.items, self._shape, source="file")
        if taken.rejected:
            kinds = sorted({each.type for each in taken.rejected})
            log.warning("lines_refused", source=self._name, lines=len(taken.rejected), after=begun_at, kinds=kinds)
        async with self._database.begin() as session:
            await store.move(session, self._name, "file", part.position, brought=taken.accepted > 0)
        return len(part.items)


def _rejection(index: int, id_: str | None, refused: Refused, shape: Shape) -> Rejection:
    return Rejection(
        index=index,
        id=id_,
        type=f"urn:guichet:problem:{refused.type}",
        path=shape.paths.get(refused.path, refused.path),
        detail=refused.detail,
        fix=refused.fix,
    )


async def until(stop: asyncio.Event, seconds: float) -> None:
    """Wait, unless we are told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
