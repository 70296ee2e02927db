"""The real parts a benchmark runs on: started for it, or given by address."""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import asyncpg
import psutil
import sqlalchemy as sa

from bench.measure import Clock, process_cpu, tree_cpu
from libs.common.bus_kafka import parse
from tests.servers import KafkaCluster, NotFound, NotStarted, Postgres

POSTGRES_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
DATABASE = "guichet_bench"
KAFKA_HEAP_MB = 1024

MISSING = (NotFound, NotStarted)
"""What a benchmark raises when a part cannot be had; the message says what to do."""


@dataclass
class Parts:
    """Where the real parts are, and what CPU they use."""

    folder: Path  # for files of ours, gone at the end
    bootstrap: str = ""
    database: str = ""  # an empty database of our own
    cpu: dict[str, Clock] = field(default_factory=dict)
    given_kafka: bool = False  # somebody else's: what we make there has to go

    @property
    def bus(self) -> str:
        """As services take it."""
        return f"kafka://{self.bootstrap}"


@contextmanager
def real_parts(
    *,
    kafka: bool = False,
    postgres: bool = False,
    bus: str | None = None,
    database: str | None = None,
    postgres_settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Parts]:
    """Start what is wanted, or use what was given; all that we started or made is gone at the end.

    Args:
        bus: `kafka://host:port` of a Kafka that runs.
        database: `postgresql://...`; a database `guichet_bench` is made beside the one it names.
        postgres_settings: more of them; a server that is given has to have them already.

    Raises:
        NotFound, NotStarted: something is missing, or not as it has to be.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leader for a moment
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="guichet-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # PostgreSQL runs as another user where we are root
        parts = Parts(folder)
        if kafka and bus:
            parts.bootstrap, parts.given_kafka = parse(bus), True
            if pid := _listening(parts.bootstrap):
                parts.cpu["kafka"] = process_cpu(pid)
        elif kafka:
            cluster = stack.enter_context(
                KafkaCluster.start(folder / "kafka", tuned_for="throughput", heap_mb=KAFKA_HEAP_MB)
            )
            parts.bootstrap = cluster.bootstrap
            parts.cpu["kafka"] = process_cpu(*cluster.pids)
        if postgres:
            if database is None:
                server = stack.enter_context(
                    Postgres.start(folder / "postgres", settings={**POSTGRES_SETTINGS, **postgres_settings})
                )
                database = server.url
            parts.database, pid = asyncio.run(_own_database(database, postgres_settings))
            stack.callback(lambda: asyncio.run(_drop_database(database)))
            if pid:
                parts.cpu["postgres"] = tree_cpu(pid)
        yield parts


def _listening(bootstrap: str) -> int | None:
    """The process behind the first address, where it runs here and we may know."""
    port = int(bootstrap.split(",")[0].rpartition(":")[2])
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    return next((c.pid for c in found if c.status == "LISTEN" and c.laddr and c.laddr[1] == port), None)


async def _own_database(url: str, settings: Mapping[str, str]) -> tuple[str, int | None]:
    """An empty database of ours, and the server's first process where it runs on this machine."""
    connection = await asyncpg.connect(url)
    try:
        for name, wanted in settings.items():
            if await connection.fetchval("SELECT current_setting($1)", name) != wanted:
                raise NotStarted(f"this benchmark needs a PostgreSQL with {name} = {wanted}")
        await connection.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        pid = _first_process(await connection.fetchval("SELECT pg_backend_pid()"))
    finally:
        await connection.close()
    return sa.make_url(url).set(database=DATABASE).render_as_string(hide_password=False), pid


def _first_process(backend: int) -> int | None:
    try:
        process = psutil.Process(backend)
        parent = process.parent()
    except psutil.NoSuchProcess:
        return None
    return parent.pid if parent is not None and "postgres" in process.name() else None


async def _drop_database(url: str) -> None:
    try:
        connection = await asyncpg.connect(url)
    except OSError:
        return  # it ended before us
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')
    finally:
        await connection.close()


def run_name() -> str:
    """A name for what one run makes on a server that others may use too."""
    return f"bench-{os.getpid()}"
