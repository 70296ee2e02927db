"""`python -m tests.proof FILE`: a replay with kill -9, on real parts; prints what was struck and what remained."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.proof.arithmetic import brands_in, expected
from tests.proof.house import House
from tests.proof.replay import Strike, dead_letters, kill_of, outcome, replay, replay_under_fire
from tests.servers import KafkaCluster, Postgres


async def prove(file: Path, *, real: bool, kills: int, speed: str, seed: int) -> None:
    """Replay with kills, then once more at full speed: the second must change nothing."""
    wanted = expected(file, brands_in(file.with_name(f"{file.stem}_users.ndjson")))
    posts = len(wanted.mentions) + len(wanted.own_posts)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        kafka = KafkaCluster.start(folder / "kafka") if real else None
        postgres = Postgres.start(folder / "postgres") if real else None
        try:
            bus = f"kafka://{kafka.bootstrap}" if kafka else "local"
            database = postgres.create_database("guichet") if postgres else f"sqlite:///{folder / 'house'}"
            async with House(folder / "house", bus, database, one_process=not real) as house:
                strikes: list[Strike] = [kill_of(house, chance) for _ in range(kills)]
                if kafka and postgres and kills:
                    strikes.insert(kills // 3, _kill_broker(house, kafka))
                    strikes.insert(2 * kills // 3, _kill_postgres(house, postgres))
                began = time.monotonic()
                struck = await replay_under_fire(house, file, strikes, speed=speed, posts=posts)
                seconds = time.monotonic() - began
                print(f"struck {len(struck)} times in {seconds:.0f} s: {', '.join(struck) or 'nothing'}")
                first = await outcome(house, wanted, quiet_seconds=180)
                print(first)
                print((await replay(house, file, speed="max", again=True)).strip().splitlines()[-1])
                assert await outcome(house, wanted, quiet_seconds=180) == first
                print("the second replay changed nothing; dead letters:", len(await dead_letters(house)))
        finally:
            for server in (kafka, postgres):
                if server is not None:
                    server.stop()


def _kill_broker(house: House, kafka: KafkaCluster) -> Strike:
    async def strike() -> str:
        await asyncio.to_thread(kafka.kill, 0)
        await asyncio.to_thread(kafka.restart, 0)
        await house.all_ready()
        return "the broker"

    return strike


def _kill_postgres(house: House, postgres: Postgres) -> Strike:
    async def strike() -> str:
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(postgres.restart)
        await house.all_ready()
        return "PostgreSQL"

    return strike


def main() -> int:
    """Read the arguments, run the proof."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("file", type=Path, help="X-shaped NDJSON with <stem>_users.ndjson beside it")
    parser.add_argument(
        "--local", action="store_true", help="one process, local log and SQLite; else Kafka, PostgreSQL"
    )
    parser.add_argument("--kills", type=int, default=20, help="times kill -9 of a random service")
    parser.add_argument("--speed", default="40/s")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(prove(given.file, real=not given.local, kills=given.kills, speed=given.speed, seed=given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
