"""What routing and the questions people ask cost on millions of stored mentions, beside the same on ten thousand."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import sqlalchemy as sa
import uvloop
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from bench.measure import Clock, Turn, cut, interleaved, nearest_rank, own_cpu, profiled, quiet_gc, timed
from bench.options import Options
from bench.parts import real_parts
from bench.posts import NETWORK, PARTITIONS, Posts
from bench.results import Goal, Result, Row, row_of
from bench.scale_rows import AGENTS, FEW, OPEN, QUEUE, author_of, conversation_of, fill
from libs.common.bus import MAX_BATCH
from libs.common.bus_local import LocalBus
from libs.common.db import Database, connect
from libs.common.events import MentionClassified
from libs.common.keys import create_key
from libs.common.migrate import migrate
from services.router.app import MIGRATIONS, build
from services.router.handlers.figures import Figures
from services.router.handlers.messages import Messages
from services.router.handlers.snapshot import Snapshot
from services.router.settings import RouterSettings
from services.router.store.lines import Lines
from services.router.store.setup import Setups

ROUTED = 10_000  # mentions in a turn: on few rows more of them would be most of what is stored
ASKED = 200  # times each question in a turn
GOAL_COST = 1.2
GOAL_P99_MS = 30
SMALL, COPY = "guichet_bench_small", "guichet_bench_copy"

Ask = Callable[[int], Awaitable[object]]
"""One question, the n-th time."""


class Desk:
    """A router's doors on one database."""

    def __init__(self, database: Database, http: httpx2.AsyncClient, rows: int) -> None:
        self.database, self._http, self.rows = database, http, rows
        self._messages = Messages(Setups(), Lines(), Figures(CollectorRegistry()))
        self._snapshot = Snapshot(database, Setups(), CollectorRegistry(), max_age_seconds=0)

    async def route(self, batches: Sequence[Sequence[MentionClassified]], turn: Turn) -> None:
        """Batches as the worker does them."""
        for batch in batches:
            async with self.database.begin() as session:
                session.info["partitions"] = {event.key: n % PARTITIONS for n, event in enumerate(batch)}
                await self._messages.on_messages(batch, session)
            turn.done += len(batch)

    def questions(self) -> dict[str, Ask]:
        """What people and tools ask, by name; each call about something else."""
        conversations = self.rows // 3

        async def get(path: str) -> None:
            (await self._http.get(path)).raise_for_status()

        async def conversation(n: int) -> None:
            id_ = conversation_of(n * 7919 % conversations + 1)
            await get(f"/v1/conversations/{id_}")
            await get(f"/v1/conversations/{id_}/timeline")

        async def take(n: int) -> None:
            body = {"agent": f"agent-{n % AGENTS}", "queues": [QUEUE]}
            answer = await self._http.post("/v1/work-items/take-next", json=body)
            if answer.status_code != 200:
                raise AssertionError(f"take-next: {answer.status_code} {answer.text}")

        return {
            "queues, counted anew": lambda _: self._snapshot.current(),
            "an agent's inbox": lambda n: get(f"/v1/agents/agent-{n % AGENTS}/workload"),
            "a page of what waits": lambda _: get(f"/v1/work-items?queue={QUEUE}&state=pending"),
            "a conversation and its timeline": conversation,
            "take-next": take,
        }


def measure(options: Options, rows: int = 1_000_000) -> Result:
    """On one server: a database with few rows, and one with `rows`."""
    rounds = options.rounds(5)
    with real_parts(postgres=True, database=options.database) as parts:
        cpu = {"client": own_cpu} | {name: clock for name, clock in parts.cpu.items() if name == "postgres"}
        measured = uvloop.run(_measure(parts.database, parts.folder, cpu, options, rows, rounds))
    few, many = f"{FEW:,} rows", f"{rows:,} rows"
    shown: list[Row] = []
    goals: list[Goal] = []
    for what, sides in measured.items():
        shown += [row_of(f"{what}, {side}", turns) for side, turns in sides.items()]
        if what.startswith("routed"):
            cost = _cost(sides[many], sides[few])
            goals.append(Goal(text=f"CPU for a mention {what}, of that on few", wanted=GOAL_COST, found=cost,
                              at_most=True))  # fmt: skip
        else:
            waits = [wait for turn in sides[many] for wait in turn.waits_ms]
            goals.append(Goal(text=f"p99 of {what} on many", wanted=GOAL_P99_MS, unit=" ms", at_most=True,
                              found=round(nearest_rank(waits, 0.99), 2)))  # fmt: skip
    return Result(
        name="scale",
        question=f"routing, and what people ask, on {rows:,} stored mentions",
        unit="mentions or questions",
        rows=shown,
        goals=goals,
        settings={"rows": rows, "few": FEW, "open": OPEN, "rounds": rounds, "routed": ROUTED, "seed": options.seed},
        notes=[
            "stored are mentions, three to a conversation, each conversation with an answered item, its history and "
            f"its clock, and {OPEN:,} open items; each turn on few rows begins on a fresh copy of them",
            "questions are asked one after the other over the service's own routes, without a network between",
        ],
        command=f"{options.command('scale')} --rows {rows}",
    )


def _cost(many: Sequence[Turn], few: Sequence[Turn]) -> float:
    """The CPU of all parts for one, as a multiple; the least of each, for other work only adds to it."""
    least = [min(sum(turn.cpu_us().values()) for turn in turns) for turns in (many, few)]
    return round(least[0] / least[1], 3)


async def _measure(
    url: str, folder: Path, cpu: Mapping[str, Clock], options: Options, rows: int, rounds: int
) -> dict[str, dict[str, list[Turn]]]:
    small, copy = (sa.make_url(url).set(database=name).render_as_string(hide_password=False) for name in (SMALL, COPY))
    await _administer(url, f"DROP DATABASE IF EXISTS {SMALL} WITH (FORCE)", f"CREATE DATABASE {SMALL}")
    try:
        await _prepare(small, FEW)
        await _prepare(url, rows)
        key = create_key(folder / "keys.toml", name="bench", role="admin", scopes=["*"], teams=["*"])
        posts = Posts(options.seed)
        async with AsyncExitStack() as stack:
            large = await stack.enter_async_context(_open(url, folder, key, rows))

            async def on_few(work: Callable[[Desk], Awaitable[Turn]]) -> Turn:
                fresh = f"CREATE DATABASE {COPY} TEMPLATE {SMALL}"
                await _administer(url, f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)", fresh)
                async with _open(copy, folder, key, FEW) as desk:
                    await desk.database.ping()
                    return await work(desk)

            found = {}
            for name in large.questions():  # before what is routed waits there too
                found[name] = await _sides(on_few, partial(_ask, name=name, cpu=cpu), large, rows, rounds)
            for what, known in (("routed, by new people", 0.0), ("routed, half by people known", 0.5)):
                work = partial(_route, posts=posts, known=known, cpu=cpu)
                found[what] = await _sides(on_few, work, large, rows, rounds)
            if options.profile:
                await _route(large, posts=posts, known=0.5, cpu=cpu, profile=f"routing on {rows:,} rows")
            return found
    finally:
        for name in (COPY, SMALL):
            await _administer(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _sides(
    on_few: Callable[[Callable[[Desk], Awaitable[Turn]]], Awaitable[Turn]],
    work: Callable[[Desk], Awaitable[Turn]],
    large: Desk,
    rows: int,
    rounds: int,
) -> dict[str, list[Turn]]:
    return await interleaved({f"{FEW:,} rows": partial(on_few, work), f"{rows:,} rows": partial(work, large)}, rounds)


async def _route(desk: Desk, *, posts: Posts, known: float, cpu: Mapping[str, Clock], profile: str = "") -> Turn:
    turn = Turn()
    batches = cut(_by_known(posts.classified(ROUTED), known, desk.rows), MAX_BATCH)
    await desk.route(batches[:1], Turn())  # what is prepared once, and the first look at each table
    with quiet_gc(), profiled(profile), timed(turn, cpu):
        await desk.route(batches[1:], turn)
    return turn


def _by_known(mentions: list[MentionClassified], share: float, rows: int) -> list[MentionClassified]:
    """The same, that share of them by people who wrote before: anywhere in what is stored."""
    step = int(1 / share) if share else 0
    return [
        replace(mention, author_id=author_of(n * 7919 % (rows // 3) + 1)) if step and n % step == 0 else mention
        for n, mention in enumerate(mentions)
    ]


async def _ask(desk: Desk, *, name: str, cpu: Mapping[str, Clock]) -> Turn:
    turn = Turn()
    ask = desk.questions()[name]
    for n in range(10):
        await ask(n)
    with quiet_gc(), timed(turn, cpu):
        for n in range(10, ASKED + 10):
            asked = time.perf_counter()
            await ask(n)
            turn.waits_ms.append((time.perf_counter() - asked) * 1000)
            turn.done += 1
    return turn


async def _prepare(url: str, rows: int) -> None:
    await migrate(url, "router", MIGRATIONS)
    await fill(url, rows)


async def _administer(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def _open(url: str, folder: Path, key: str, rows: int) -> AsyncIterator[Desk]:
    """A router that hears nothing, and a connection pool of the same kind for what it would hear."""
    settings = RouterSettings(
        data=folder, database_url=url, keys=folder / "keys.toml", secret=SecretStr("a secret for benchmarks"), port=0
    )
    bus = LocalBus(":memory:")
    service = build(settings, bus)
    database = connect(url, "router")
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx2.ASGITransport(app=service.app)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{NETWORK}", headers=headers) as http:
            yield Desk(database, http, rows)
    finally:
        await asyncio.gather(database.close(), service.close())
        await bus.close()
