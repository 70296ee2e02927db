"""`python -m tests.proof.upgrade`: from an older commit to this checkout under load, tables first, then each service.

The older one's services run on the tables that this one has migrated, and old and new replicas share their groups,
until the last is new. On real Kafka and PostgreSQL; the status is as of `tests.proof.restart`.
"""

import argparse
import asyncio
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from bench.queue import COMMIT_TIMES
from libs.common import topics
from libs.common.bus_kafka import parse
from tests.proof.fleet import Fleet, running
from tests.proof.house import ROOT
from tests.proof.restart import Step, report, rolling, under_load
from tests.servers import KafkaCluster, Postgres


def check_out(commit: str, folder: Path) -> Path:
    """The files of a commit, in a folder of their own."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


async def migrate_with(checkout: Path, database: str) -> str:
    """`guichet migrate` of a checkout; what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "migrate", "--database", database,
        cwd=checkout, env={**environment, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"migrate failed: {said.decode()}")
    return said.decode()


def upgrading(new: Path, say: Callable[[str], None]) -> list[Step]:
    """Migrate while the old ones run; then each service, one replica after the other."""

    async def migrate(fleet: Fleet) -> None:
        for line in (await migrate_with(new, fleet.database)).splitlines():
            say(f"  {line}")
        fleet.checkout = new

    steps: list[tuple[str, Callable[[Fleet], Awaitable[None]]]] = [("migrate", migrate)]
    return steps + rolling()


async def prove(old: str, rate: int, calm_seconds: float) -> int:
    """On servers of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        before = check_out(old, folder / "old")
        with (
            KafkaCluster.start(folder / "kafka") as kafka,
            Postgres.start(folder / "postgres", settings=COMMIT_TIMES) as postgres,
        ):
            bus, database = f"kafka://{kafka.bootstrap}", postgres.create_database("guichet")

            async def prepare() -> None:
                print(await migrate_with(before, database), end="")
                await topics.create(parse(bus))

            async with running(folder, bus, database, checkout=before, prepare=prepare) as fleet:
                return report(await under_load(fleet, upgrading(ROOT, partial(print, flush=True)), rate, calm_seconds))


def main() -> int:
    """Read the arguments, run the proof."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.upgrade", description=__doc__)
    parser.add_argument("--old", default="HEAD~1", help="the commit to come from")
    parser.add_argument("--rate", type=int, default=300, help="mentions a second")
    parser.add_argument("--calm", type=float, default=5.0, help="seconds before, between and after the steps")
    given = parser.parse_args()
    return asyncio.run(prove(given.old, given.rate, given.calm))


if __name__ == "__main__":
    sys.exit(main())
