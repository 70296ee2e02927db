"""`python -m tests.proof.restart --rate 1000`: every service restarted, one replica after the other, under load.

On real Kafka and PostgreSQL, with SIGTERM as Kubernetes sends it. Prints what callers saw and how long mentions took
to their queue while each service was restarted. The status is 1 when a mention was lost or doubled, or an answer was
neither good nor a 503 that says when to try again.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench.queue import COMMIT_TIMES, queued
from cli.services import MIGRATIONS
from libs.common import topics
from libs.common.bus_kafka import parse
from libs.common.db import connect
from libs.common.migrate import migrate
from tests.proof.arithmetic import nearest_rank
from tests.proof.fleet import REPLICAS, Fleet, running
from tests.proof.house import eventually
from tests.proof.load import Load, make_handle
from tests.servers import KafkaCluster, Postgres

QUIET_SECONDS = 120.0

Step = tuple[str, Callable[[Fleet], Awaitable[None]]]
"""What is done while mentions come, and its name."""


@dataclass(frozen=True)
class Span:
    """What befell while one step lasted."""

    name: str
    seconds: float
    answers: int
    refused: int  # 503 with Retry-After
    lost: int  # connections
    http_p99_ms: float
    queue_p99_ms: float
    queue_longest_ms: float

    def __str__(self) -> str:
        return (
            f"{self.name:<12} {self.seconds:5.1f} s  {self.answers:>6} answers, {self.refused} x 503, {self.lost} lost"
            f" connections; HTTP p99 {self.http_p99_ms:.0f} ms; ingest to queue p99 {self.queue_p99_ms:.0f} ms,"
            f" longest {self.queue_longest_ms:.0f} ms"
        )


@dataclass(frozen=True)
class Verdict:
    """What must be empty, and what was found."""

    accepted: int
    missing: set[str]  # acknowledged and not stored
    unasked: set[str]  # stored, and nobody sent it
    doubled: int
    wrong: Sequence[str]
    spans: Sequence[Span]

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled, nothing answered that a caller cannot try again."""
        return bool(self.accepted) and not (self.missing or self.unasked or self.doubled or self.wrong)


def rolling(names: Sequence[str] = tuple(REPLICAS)) -> list[Step]:
    """A rolling restart of each."""

    async def roll(name: str, fleet: Fleet) -> None:
        await fleet.roll(name)

    return [(name, partial(roll, name)) for name in names]


async def prepared(bus: str, database: str) -> None:
    """Tables of this version, and topics."""
    for service, folder in MIGRATIONS.items():
        await migrate(database, service, folder)
    await topics.create(parse(bus))


async def under_load(fleet: Fleet, steps: Sequence[Step], rate: int, calm_seconds: float) -> Verdict:
    """Do the steps while mentions come, calm before, between and after; then compare the ledger with the tables."""
    load, stop = Load(fleet, rate), asyncio.Event()
    await make_handle(load)
    sending = asyncio.create_task(load.until(stop))
    moments: list[tuple[str, datetime, datetime]] = []
    try:
        for name, act in [("warming up", _calm), ("calm", _calm), *_between(steps)]:
            since = datetime.now(UTC)
            await (asyncio.sleep(calm_seconds) if act is _calm else act(fleet))
            moments.append((name, since, datetime.now(UTC)))
    finally:
        stop.set()
        await sending
    await eventually("everything being through", partial(_through, fleet, len(load.accepted)), QUIET_SECONDS)
    stored = await _stored(fleet.database)
    known = set(stored)
    spans = [await _span(fleet, load, *moment) for moment in moments if moment[0] != "warming up"]
    return Verdict(
        len(load.accepted), load.accepted - known, known - load.accepted, len(stored) - len(known), load.wrong, spans
    )


async def _calm(_: Fleet) -> None: ...


def _between(steps: Sequence[Step]) -> list[Step]:
    return [each for step in steps for each in (step, ("then calm", _calm))]


async def _span(fleet: Fleet, load: Load, name: str, since: datetime, until: datetime) -> Span:
    statuses, http_ms = load.between(since, until)
    waits = sorted((await queued(fleet.database, since, until)).waits_ms)
    return Span(
        name,
        (until - since).total_seconds(),
        sum(statuses.values()),
        statuses[503],
        statuses[0],
        nearest_rank(sorted(http_ms), 0.99) if http_ms else 0.0,
        nearest_rank(waits, 0.99) if waits else 0.0,
        waits[-1] if waits else 0.0,
    )


async def _through(fleet: Fleet, accepted: int) -> bool:
    return len(await _stored(fleet.database)) >= accepted


async def _stored(url: str) -> list[str]:
    database = connect(url, "router")
    try:
        async with database.read() as session:
            return list((await session.execute(sa.text("SELECT post_id FROM mentions"))).scalars())
    finally:
        await database.close()


def report(verdict: Verdict) -> int:
    """Print it; the exit status."""
    for span in verdict.spans:
        print(span)
    print(
        f"{verdict.accepted:,} accepted; {len(verdict.missing)} of them not stored, {verdict.doubled} stored twice,"
        f" {len(verdict.unasked)} stored and never accepted; {len(verdict.wrong)} answers that nobody could try again"
    )
    for line in verdict.wrong[:5]:
        print(f"  {line}")
    return 0 if verdict.good else 1


async def prove(rate: int, calm_seconds: float) -> int:
    """On servers of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (
            KafkaCluster.start(folder / "kafka") as kafka,
            Postgres.start(folder / "postgres", settings=COMMIT_TIMES) as postgres,
        ):
            bus, database = f"kafka://{kafka.bootstrap}", postgres.create_database("guichet")
            async with running(folder, bus, database, prepare=partial(prepared, bus, database)) as fleet:
                print(f"{rate}/s, replicas: {', '.join(f'{n} {name}' for name, n in REPLICAS.items())}", flush=True)
                return report(await under_load(fleet, rolling(), rate, calm_seconds))


def main() -> int:
    """Read the arguments, run the proof."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.restart", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="mentions a second")
    parser.add_argument("--calm", type=float, default=5.0, help="seconds before, between and after the restarts")
    given = parser.parse_args()
    return asyncio.run(prove(given.rate, given.calm))


if __name__ == "__main__":
    sys.exit(main())
