"""The same work in four ways: aiokafka alone, the house's parts, FastStream in batches and as its tutorial has it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import sqlalchemy as sa
import uvloop

from bench.kafka import Held, Message, delete_topics, fill, make_topics, messages_of
from bench.measure import Turn, interleaved, process_cpu, timed
from bench.options import Options
from bench.parts import Parts, real_parts, run_name
from bench.peer_apps import work
from bench.posts import PARTITIONS, Posts, partition
from bench.results import Goal, Result, cpu_ratio, ratio, row_of
from libs.common.db import connect
from libs.common.outbox import OUTBOX, record_of
from tests.servers.processes import ROOT, NotFound, Process

PEERS = ROOT / ".cache" / "peers"
WARM_UP = 500
READY_SECONDS = 40
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class App:
    """One way to do the work."""

    name: str
    module: str
    expected: int  # mentions a second: so many are given for each second of a turn
    needs: tuple[str, ...] = ()  # packages, in an environment of their own
    arguments: tuple[str, ...] = ()
    ours: bool = False


_FASTSTREAM = ("faststream[kafka]", "asyncpg", "uvloop")
FLOOR = App("floor, aiokafka alone", "plain", 25_000)
OURS = App("the house's parts", "ours", 12_000, ours=True)
BATCHES = App("FastStream, batches", "faststream_app", 8_000, _FASTSTREAM, ("batch",))
TUTORIAL = App("FastStream, its tutorial", "faststream_app", 600, _FASTSTREAM)
APPS = (FLOOR, OURS, BATCHES, TUTORIAL)


def measure(options: Options) -> Result:
    """raw -> keyword classifier -> PostgreSQL -> routed, in two processes each."""
    seconds, rounds = options.turn_seconds(2.0), options.rounds(3)
    pythons = {app.name: _python(app) for app in APPS}
    with real_parts(kafka=True, postgres=True, bus=options.bus, database=options.database) as parts:
        turns = uvloop.run(_measure(parts, options.seed, seconds, rounds, pythons))
    ours = turns[OURS.name]
    return Result(
        name="peers",
        question="raw posts, a keyword classifier, PostgreSQL, routed, in two processes",
        unit="mentions",
        rows=[row_of(name, some) for name, some in turns.items()],
        goals=[
            Goal(text="of the floor's rate, first step", wanted=0.40, found=ratio(ours, turns[FLOOR.name])),
            Goal(text="of the floor's rate, second step", wanted=0.60, found=ratio(ours, turns[FLOOR.name])),
            Goal(text="times FastStream in batches", wanted=1.5, found=ratio(ours, turns[BATCHES.name])),
            Goal(text="times FastStream's tutorial", wanted=20, found=ratio(ours, turns[TUTORIAL.name])),
        ],
        settings={"batch": work.BATCH, "partitions": PARTITIONS, "rounds": rounds, "seed": options.seed},
        notes=[
            "ours has retries, dead letters, tracing headers, metrics and an outbox; the others have none of it, and "
            "FastStream loses what is in hand when it is killed",
            f"in CPU: {cpu_ratio(ours, turns[FLOOR.name]):.2f} of the floor's; {_version(pythons[BATCHES.name])}",
        ],
        command=options.command("peers"),
    )


def _python(app: App) -> Path:
    """The interpreter of the app's environment, made when it is not there."""
    if not app.needs:
        return Path(sys.executable)
    folder = PEERS / app.module.partition("_")[0]
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        sys.stderr.write(f"making an environment with {', '.join(app.needs)} in {folder}\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        said = subprocess.run([python, "-m", "pip", "install", "--quiet", *app.needs])
        if said.returncode != 0:
            raise NotFound(f"pip could not install {', '.join(app.needs)}")
        (folder / "complete").touch()
    return python


def _version(python: Path) -> str:
    code = (
        "from importlib.metadata import version as v; print('FastStream', v('faststream'), 'aiokafka', v('aiokafka'))"
    )
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


async def _measure(
    parts: Parts, seed: int, seconds: float, rounds: int, pythons: dict[str, Path]
) -> dict[str, list[Turn]]:
    posts = Posts(seed)
    made: list[str] = []

    async def turn(app: App) -> Turn:
        run = f"{run_name()}.{len(made)}"
        made.append(run)
        return await _turn(parts, app, pythons[app.name], run, posts, max(WARM_UP, int(app.expected * seconds)))

    try:
        await turn(FLOOR)  # Kafka's own code is not compiled yet
        return await interleaved({app.name: partial(turn, app) for app in APPS}, rounds, warm_up=False)
    finally:
        await delete_topics(parts.bootstrap, *(topic for run in made for topic in topics_of(run)))


def topics_of(run: str) -> list[str]:
    """Raw, classified, routed."""
    return [f"{run}.{stage}" for stage in ("raw", "classified", "routed")]


async def _turn(parts: Parts, app: App, python: Path, run: str, posts: Posts, count: int) -> Turn:
    """Both processes start idle and do a little; then they stand still until all of the work is there."""
    topics = topics_of(run)
    await make_topics(parts.bootstrap, *topics)
    await make_tables(parts.database)
    with started(parts, app, python, run) as processes:
        async with Held(parts.bootstrap, topics[2]) as routed:
            for times in (1, 2):  # Kafka makes a partition's index, megabytes of it, at the second write
                await fill(parts.bootstrap, topics[0], _messages(app, posts, WARM_UP, topics[0]))
                if await routed.reaches(times * WARM_UP, READY_SECONDS):
                    continue
                raise RuntimeError(f"{app.name} did not start: {processes[0].tail()} {processes[1].tail()}")
            messages = _messages(app, posts, count, topics[0])
            for process in processes:
                process.signal(signal.SIGSTOP)
            await fill(parts.bootstrap, topics[0], messages)
            turn = Turn(done=count)
            stages = zip(("classify", "route"), processes, strict=True)
            with timed(turn, {stage: process_cpu(process.pid) for stage, process in stages} | parts.cpu):
                for process in processes:
                    process.signal(signal.SIGCONT)
                if not await routed.reaches(2 * WARM_UP + count, LIMIT_SECONDS):
                    turn.done = await routed.count() - 2 * WARM_UP
    return turn


def _messages(app: App, posts: Posts, count: int, topic: str) -> list[Message]:
    """Ours hears what ingest tells, with the payload inside; the others the payload alone."""
    if app.ours:
        events = posts.received(count)
        return messages_of(record_of(event, "bench", partition(event.key), topic=topic) for event in events)
    return [Message(key, value) for key, value in posts.deliveries(count)]


async def make_tables(url: str) -> None:
    """Empty tables for whichever app comes next."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(work.TABLE)
    finally:
        await connection.close()
    database = connect(url, "peers")
    try:
        async with database.begin() as session:
            await session.execute(sa.schema.CreateTable(OUTBOX))
    finally:
        await database.close()


@contextmanager
def started(parts: Parts, app: App, python: Path, run: str) -> Iterator[Sequence[Process]]:
    """Both processes of an app: the classifier and the router."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")},
        "PYTHONPATH": str(ROOT),
        "BENCH_KAFKA": parts.bootstrap,
        "BENCH_DATABASE": parts.database,
        "BENCH_RUN": run,
    }
    with ExitStack() as stack:
        processes = []
        for stage in ("classify", "route"):
            command = [python, "-m", f"bench.peer_apps.{app.module}", stage, *app.arguments]
            process = Process(command, parts.folder / f"{run}.{stage}.log", environment=environment)
            stack.callback(process.kill)
            processes.append(process)
        yield processes
