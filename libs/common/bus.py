"""The port to the log: publish, consume, and a look at what a topic holds."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, Protocol

MAX_BATCH = 1000  # records in one batch: decision 0036
MAX_VALUE_BYTES = 900 * 1024  # what a service may publish; topics allow 2 MiB, dead letters take all


class Record(NamedTuple):
    """One line of the log. `offset` rises within a partition; a record not yet published has -1."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None  # None is a tombstone
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = -1
    timestamp_ms: int = 0  # when the broker took it

    def header(self, name: str) -> str:
        """The first header of this name as text, or ""."""
        for key, value in self.headers:
            if key == name:
                return value.decode("utf-8", "replace")
        return ""


HandleBatch = Callable[[Sequence[Record]], Awaitable[None]]


@dataclass
class Pulse:
    """How a consumer is doing: told by the bus and the worker, asked by the watchdog.

    A wait that was declared (something we need is away) counts as progress; silence does not.
    """

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    beat_at: float = field(default_factory=time.monotonic)
    in_hand_since: float | None = None
    waiting_for: str | None = None
    joined: bool = False
    lag: dict[str, int] = field(default_factory=dict)

    def beat(self) -> None:
        """The loop turned."""
        self.beat_at = time.monotonic()

    def took(self) -> None:
        """A batch is in hand."""
        self.in_hand_since = time.monotonic()

    def finished(self) -> None:
        """The batch, or a part of it, is done."""
        self.in_hand_since = None
        self.beat()

    def waits(self, what: str | None) -> None:
        """Declare a wait for something that is away, or that it is over (None)."""
        self.waiting_for = what
        if self.in_hand_since is not None:
            self.in_hand_since = time.monotonic()
        self.beat()

    def stalled(self, limit_seconds: float = 60.0) -> str | None:
        """What stands still for longer than the limit, in one line; None when all is well."""
        now = time.monotonic()
        if self.waiting_for is None and self.in_hand_since is not None and now - self.in_hand_since > limit_seconds:
            return f"a batch is in hand for {now - self.in_hand_since:.0f} s"
        if now - self.beat_at > limit_seconds:
            return f"the consumer has been silent for {now - self.beat_at:.0f} s"
        return None


class Bus(Protocol):
    """What `bus_kafka` and `bus_local` promise alike; the contract stands in `tests/contract/test_bus.py`."""

    partitions: int

    async def publish(self, records: Sequence[Record]) -> None:
        """Return once the broker holds them all.

        Raises:
            Unavailable: it may hold some of them; publish all again.
            Rejected: one is above `MAX_VALUE_BYTES`; none was sent.
        """

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        """Give `handle` what `group` has not finished, a batch at a time, until `pulse.stop` is set.

        A batch is what is there now over all our partitions, at most `MAX_BATCH`; it never waits to grow.
        Returning from `handle` finishes the batch; raising leaves it unfinished and ends the consuming.
        Records of one key come in order; one batch is in hand at a time.
        """

    def scan(self, topic: str) -> AsyncIterator[Record]:
        """What `topic` holds now, oldest first; ends there. Moves no group's position."""
        ...

    async def ping(self) -> None:
        """Return when the log answers.

        Raises:
            Unavailable: it does not.
        """

    async def close(self) -> None:
        """Let go of everything; consumers must have stopped."""


def conversation_key(secret: bytes, network: str, person: str) -> str:
    """The key of all records about one person: it keeps their order and tells nobody who it is.

    Source: 12 bytes of keyed BLAKE2b in hexadecimal (24 characters).
    """
    return blake2b(f"{network}\n{person}".encode(), digest_size=12, key=secret[:64]).hexdigest()


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's own clients would choose for this key.

    Source: murmur2 with Kafka's seed (org.apache.kafka.common.utils.Utils), positive, modulo the count.
    """
    length = len(key)
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ length
    whole = length & ~3
    for word in struct.unpack_from(f"<{whole // 4}I", key):
        k = (word * m) & mask
        k ^= k >> 24
        h = (h * m ^ k * m) & mask
    rest = key[whole:]
    if rest:
        h = ((h ^ int.from_bytes(rest, "little")) * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return ((h ^ (h >> 15)) & 0x7FFFFFFF) % partitions
