"""The bus in one SQLite file (or in memory): durable, ordered, for one process.

One thread writes; what comes while it commits goes with the next commit (group commit), so that a single
`fsync` serves all who wait. What was acknowledged survives `kill -9`.
"""

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from libs.common.bus import MAX_BATCH, MAX_VALUE_BYTES, HandleBatch, Pulse, Record
from libs.common.errors import Misconfigured, Rejected, Unavailable

log = structlog.get_logger(__name__)

SCAN_PAGE = 1000
TIDY_SECONDS = 3600.0
KEPT_SECONDS = 7 * 24 * 3600  # as long as a topic keeps a record
COUNTED = 10_000  # a lag above this is not counted to its end
AWAY_SECONDS = (0.2, 5.0)  # first and longest wait while the disk is full or gone

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  key BLOB NOT NULL, value BLOB, headers TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS log_topic ON log (topic, seq);
CREATE TABLE IF NOT EXISTS position (
  consumers TEXT NOT NULL, topic TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (consumers, topic));
"""
_APPEND = "INSERT INTO log (topic, partition, key, value, headers, at_ms) VALUES (?, ?, ?, ?, ?, ?)"
_NEXT = (
    "SELECT seq, topic, partition, key, value, headers, at_ms FROM log WHERE topic = ? AND seq > ? ORDER BY seq LIMIT ?"
)
_WAITING = "SELECT count(*) FROM (SELECT 1 FROM log WHERE topic = ? AND seq > ? LIMIT ?)"

Work = Callable[[sqlite3.Connection], Any]
"""What the writer thread does. Its answer must hold no cursor: one let go of in another thread takes its
statement from under the next that uses it."""


class LocalBus:
    """See `Bus`. One process holds the file; a second one is refused."""

    def __init__(self, path: Path | str, partitions: int = 12) -> None:
        self.partitions = partitions
        self._work: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._told: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection = _open(str(path))
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="local-bus", daemon=True)
        self._thread.start()

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            if len(record.value or b"") > MAX_VALUE_BYTES and not record.topic.endswith(".dlq"):
                raise Rejected(f"a record of {len(record.value or b'')} bytes; {MAX_VALUE_BYTES} are allowed")
        at_ms = time.time_ns() // 1_000_000
        rows = [
            (
                r.topic,
                r.partition,
                r.key,
                r.value,
                json.dumps([(k, v.decode("latin-1")) for k, v in r.headers]),
                at_ms,
            )
            for r in records
        ]
        await self._do(partial(_append, rows=rows))
        for topic in {record.topic for record in records}:
            for told in self._told.get(topic, ()):
                told.set()

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        told = asyncio.Event()
        for topic in topics:
            self._told.setdefault(topic, set()).add(told)
        stopped = asyncio.ensure_future(pulse.stop.wait())
        try:
            done = {topic: await self._insist(partial(_position, group=group, topic=topic), pulse) for topic in topics}
            pulse.joined = True
            while not pulse.stop.is_set():
                pulse.beat()
                told.clear()
                batch, pulse.lag = await self._insist(partial(_take, done=done), pulse)
                if not batch:
                    woken = asyncio.ensure_future(told.wait())
                    await asyncio.wait({woken, stopped}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                    woken.cancel()
                    continue
                pulse.took()
                await handle(batch)
                pulse.finished()
                for record in batch:
                    done[record.topic] = record.offset
                moved = [(group, topic, done[topic]) for topic in {record.topic for record in batch}]
                await self._insist(partial(_move, moved=moved), pulse)
        except _Stopping:
            return  # without having noted what was finished last: it comes again
        finally:
            stopped.cancel()
            pulse.joined = False
            for topic in topics:
                self._told[topic].discard(told)

    async def scan(self, topic: str) -> AsyncIterator[Record]:
        last = 0
        end = await self._do(lambda c: c.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()[0])
        while True:
            page = await self._do(partial(_rows, topic=topic, after=last, limit=SCAN_PAGE))
            for record in page:
                if record.offset > end:
                    return
                yield record
            if len(page) < SCAN_PAGE:
                return
            last = page[-1].offset

    async def forget(self, older_than_seconds: float = KEPT_SECONDS) -> int:
        """Delete records older than this that every group which reads their topic has finished."""
        before = int((time.time() - older_than_seconds) * 1000)
        return int(
            await self._do(
                lambda c: (
                    c.execute(
                        "DELETE FROM log WHERE at_ms < ? AND seq <= coalesce("
                        "(SELECT min(seq) FROM position WHERE position.topic = log.topic), 0)",
                        (before,),
                    ).rowcount
                )
            )
        )

    async def housekeep(self, stop: asyncio.Event) -> None:
        """Forget once an hour what is old and finished, until told to stop."""
        while not stop.is_set():
            try:
                await self.forget()
            except Unavailable as error:
                log.warning("log_not_tidied", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDY_SECONDS):
                    await stop.wait()

    async def ping(self) -> None:
        await self._do(lambda c: c.execute("SELECT 1").fetchone())

    async def close(self) -> None:
        self._closed = True
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _insist(self, work: Work, pulse: Pulse) -> Any:
        """Do it, however long the file is not to be had: a consumer outlives a full disk."""
        pause, longest = AWAY_SECONDS
        while True:
            try:
                answer = await self._do(work)
            except Unavailable as error:
                if self._closed:
                    raise
                pulse.waits(error.what)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await pulse.stop.wait()
                    raise _Stopping from error
                pause = min(pause * 2, longest)
                continue
            if pulse.waiting_for is not None:
                pulse.waits(None)
            return answer

    async def _do(self, work: Work) -> Any:
        if self._closed:
            raise Unavailable("the local log", "it is closed")
        promise: Future[Any] = Future()
        self._work.put((work, promise))
        return await asyncio.wrap_future(promise)

    def _write(self) -> None:
        """The writer thread: takes all that waits, does it in one transaction, answers after the commit."""
        connection = self._connection
        while True:
            first = self._work.get()
            todo = [first]
            while not self._work.empty():
                todo.append(self._work.get())
            closing = None in todo
            jobs = [job for job in todo if job is not None]
            if jobs:
                self._commit(connection, jobs)
            if closing:
                connection.close()
                return

    def _commit(self, connection: sqlite3.Connection, jobs: list[tuple[Work, Future[Any]]]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            answers = [work(connection) for work, _ in jobs]
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(jobs) > 1:  # one of them may be at fault: the others need not suffer for it
                for job in jobs:
                    self._commit(connection, [job])
                return
            away = Unavailable("the local log", str(error)) if isinstance(error, sqlite3.OperationalError) else error
            for _, promise in jobs:
                if promise.set_running_or_notify_cancel():
                    promise.set_exception(away)
            return
        for (_, promise), answer in zip(jobs, answers, strict=True):
            if promise.set_running_or_notify_cancel():
                promise.set_result(answer)


class _Stopping(Exception):
    """We were told to stop while the file was not to be had."""


def _open(path: str) -> sqlite3.Connection:
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=2.0)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        if "locked" in str(error):
            raise Misconfigured(f"{path} is in use by another process: stop it, or choose another --data") from error
        raise Misconfigured(f"{path} cannot be opened: {error}") from error
    return connection


def _rows(connection: sqlite3.Connection, topic: str, after: int, limit: int) -> list[Record]:
    found = connection.execute(_NEXT, (topic, after, limit)).fetchall()
    return [
        Record(
            topic=row[1],
            partition=row[2],
            key=row[3],
            value=row[4],
            headers=tuple((k, v.encode("latin-1")) for k, v in json.loads(row[5])),
            offset=row[0],
            timestamp_ms=row[6],
        )
        for row in found
    ]


def _append(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    connection.executemany(_APPEND, rows)  # whose cursor stays here


def _position(connection: sqlite3.Connection, group: str, topic: str) -> int:
    found = connection.execute("SELECT seq FROM position WHERE consumers = ? AND topic = ?", (group, topic)).fetchone()
    return int(found[0]) if found else 0


def _move(connection: sqlite3.Connection, moved: list[tuple[str, str, int]]) -> None:
    connection.executemany("INSERT INTO position VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq", moved)


def _take(connection: sqlite3.Connection, done: dict[str, int]) -> tuple[list[Record], dict[str, int]]:
    """The oldest unfinished records over all topics, a fair share of each; and how many wait beyond them."""
    found = {topic: _rows(connection, topic, seq, MAX_BATCH) for topic, seq in done.items()}
    batch: list[Record] = []
    lag = dict.fromkeys(done, 0)
    shortest_first = sorted(found, key=lambda topic: len(found[topic]))
    for i, topic in enumerate(shortest_first):
        share = (MAX_BATCH - len(batch)) // (len(found) - i)
        batch += found[topic][:share]
        if len(found[topic]) >= share:
            last = found[topic][share - 1].offset if share else done[topic]
            lag[topic] = connection.execute(_WAITING, (topic, last, COUNTED)).fetchone()[0]
    return batch, lag
