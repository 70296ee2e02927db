"""How quickly ten agents take the next item out of many, beside the bare statement."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import uvloop
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from bench.measure import Clock, Turn, interleaved, nearest_rank, own_cpu, profiled, quiet_gc, timed
from bench.options import Options
from bench.parts import real_parts
from bench.results import Goal, Result, cpu_ratio, ratio, row_of
from libs.common.db import Database, connect
from libs.common.migrate import migrate
from services.router.app import MIGRATIONS
from services.router.handlers.figures import Figures
from services.router.handlers.taking import Ask, Takers
from services.router.store import agents
from services.router.store.setup import Setups

ITEMS = 100_000
AGENTS = 10
QUEUES = ("support", "sales", "press", "legal")
GOAL_CLAIMS = 5_000
GOAL_P99_MS = 10

_FLOOR = """
create schema floor;
create table floor.q(id bigserial primary key, queue text not null, priority int not null, due_at timestamptz not null,
  status text not null default 'open', agent_id int, claimed_at timestamptz);
create index on floor.q(queue, priority, due_at, id) where status = 'open'
"""
_FILL_FLOOR = f"""
truncate floor.q;
insert into floor.q(queue, priority, due_at)
  select (array{list(QUEUES)})[1 + g % 4], g % 5, now() + (g % 3600) * interval '1 s'
  from generate_series(1, {ITEMS}) g
"""
_CLAIM = """
with head as (select id from floor.q where queue = $1 and status = 'open' order by priority, due_at, id limit 1
  for update skip locked)
update floor.q set status = 'claimed', agent_id = $2, claimed_at = now() from head where q.id = head.id returning q.id
"""
_FILL_CONVERSATIONS = f"""
insert into router.conversations(id, network, author_id, author_username, handle, team, key, thread_id, language,
  state, opened_at, last_message_at, last_customer_at, version, updated_at)
  select 'cnv_' || lpad(g::text, 22, '0'), 'x', 'a' || g, 'person' || g, 'skylark', 'main', 'key' || lpad(g::text, 17, '0'),
    'p' || g, 'en', 'open', now(), now(), now(), 1, now()
  from generate_series(1, {ITEMS}) g
"""  # noqa: E501
_FILL_ITEMS = f"""
truncate router.work_items, router.work_item_changes, router.picks, router.outbox;
update router.agents set used = 0;
insert into router.work_items(id, conversation_id, queue, team, line, state, urgency, rank, enqueued_at, due_at,
  sort_at, agent, opened_by, reason, version, updated_at, routing)
  select 'itm_' || lpad(g::text, 22, '0'), 'cnv_' || lpad(g::text, 22, '0'), q, 'main', q || ' main', 'pending',
    (array['critical', 'high', 'normal', 'low', 'none'])[1 + g % 5], 1 + 2 * (g % 5), at, at + interval '2 h',
    at + interval '2 h', '', 'p' || g, '', 1, now(), '{{"target_seconds":5400,"language":"en","network":"x"}}'
  from generate_series(1, {ITEMS}) g, lateral (select (array{list(QUEUES)})[1 + g % 4] as q,
    now() - (g % 3600) * interval '1 s' as at) made
"""
_SET_UP = f"""
insert into router.setup(kind, slug, version, team, body, updated_at)
  select 'queues', q, 1, 'main', '{{"team":"main"}}', now() from unnest(array{list(QUEUES)}) q;
insert into router.lines(line, queue) select q || ' main', q from unnest(array{list(QUEUES)}) q;
update router.setup_revision set revision = revision + 1
"""

Take = Callable[[int], Awaitable[object]]
"""The next item of the agent of this number; None when nothing waits."""


class TakenTwice(AssertionError):
    """Two agents were given one item."""


async def _claims(take: Take, seconds: float, cpu: Mapping[str, Clock], profile: str = "") -> Turn:
    """All agents at once, each again and again."""
    turn = Turn()
    given: list[object] = []

    async def agent(number: int) -> None:
        while time.perf_counter() < end:
            asked = time.perf_counter()
            item = await take(number)
            turn.waits_ms.append((time.perf_counter() - asked) * 1000)
            if item is None:
                raise TakenTwice(f"agent {number} was told that nothing waits")
            given.append(item)

    with quiet_gc(), profiled(profile), timed(turn, cpu):
        end = time.perf_counter() + seconds
        await asyncio.gather(*(agent(number) for number in range(AGENTS)))
    turn.done = len(given)
    if len(set(given)) != len(given):
        raise TakenTwice(f"{len(given) - len(set(given))} items were given twice")
    return turn


def measure(options: Options) -> Result:
    """Ten agents, each with a connection of its own."""
    seconds, rounds = options.turn_seconds(2.0), options.rounds(5)
    with real_parts(postgres=True, database=options.database) as parts:
        cpu = {"client": own_cpu} | {name: clock for name, clock in parts.cpu.items() if name == "postgres"}
        turns = uvloop.run(_measure(parts.database, cpu, seconds, rounds, options.profile))
    ours, floor = turns["take_next, one queue each"], turns["floor, one queue each"]
    waits = [wait for turn in ours for wait in turn.waits_ms]
    row = row_of("take_next", ours)
    return Result(
        name="claim",
        question=f"{AGENTS} agents taking the next of {ITEMS:,} open items in {len(QUEUES)} queues",
        unit="claims",
        rows=[row_of(name, some) for name, some in turns.items()],
        goals=[
            Goal(text="claims a second", wanted=GOAL_CLAIMS, found=row.per_second),
            Goal(text="p99", wanted=GOAL_P99_MS, found=round(nearest_rank(waits, 0.99), 2), at_most=True, unit=" ms"),
        ],
        settings={"items": ITEMS, "agents": AGENTS, "queues": len(QUEUES), "rounds": rounds, "turn_seconds": seconds},
        notes=[
            "nothing was given twice, and nobody was told that nothing waits: both end the benchmark; "
            "the floor is one statement (SKIP LOCKED, partial index) without capacity, history or event",
            f"of the floor's rate: {ratio(ours, floor):.2f}; of its CPU: {cpu_ratio(ours, floor):.2f}",
        ],
        command=options.command("claim"),
    )


async def _measure(
    url: str, cpu: Mapping[str, Clock], seconds: float, rounds: int, profile: bool
) -> dict[str, list[Turn]]:
    await migrate(url, "router", MIGRATIONS)
    connection = await asyncpg.connect(url)
    database = connect(url, "router", pool_size=AGENTS)
    claimers = [await asyncpg.connect(url) for _ in range(AGENTS)]
    try:
        await connection.execute(_FLOOR)
        await connection.execute(_FILL_CONVERSATIONS)
        await connection.execute(_SET_UP)
        async with database.begin() as session:
            await _add_agents(session)

        async def floor() -> Turn:
            await connection.execute(_FILL_FLOOR)
            await connection.execute("analyze floor.q")

            async def take(number: int) -> object:
                return await claimers[number].fetchval(_CLAIM, QUEUES[number % len(QUEUES)], number)

            return await _claims(take, seconds, cpu)

        async def one_queue() -> Turn:
            return await _taking(connection, database, [[queue] for queue in QUEUES], seconds, cpu)

        async def all_queues() -> Turn:
            return await _taking(connection, database, [QUEUES], seconds, cpu)

        sides = {
            "floor, one queue each": floor,
            "take_next, one queue each": one_queue,
            "take_next, all four queues": all_queues,
        }
        turns = await interleaved(sides, rounds)
        if profile:
            await _taking(
                connection, database, [[queue] for queue in QUEUES], seconds, cpu, "take_next, one queue each"
            )
        return turns
    finally:
        await database.close()
        for each in (connection, *claimers):
            await each.close()


async def _add_agents(session: AsyncSession) -> None:
    now = datetime.now(UTC)
    for number in range(AGENTS):
        agent = await agents.put_agent(
            session, None, f"agent-{number}", {"name": "", "team": "main", "skills": {}, "capacity": ITEMS},
            actor="bench", now=now,
        )  # fmt: skip
        await agents.set_presence(
            session, agent, "available", reason="declared", actor="bench", now=now, relieve_at=None
        )


async def _taking(
    connection: asyncpg.Connection,
    database: Database,
    queues: Sequence[Sequence[str]],
    seconds: float,
    cpu: Mapping[str, Clock],
    profile: str = "",
) -> Turn:
    """As the REST route does it."""
    await connection.execute(_FILL_ITEMS)
    await connection.execute("analyze router.work_items; analyze router.conversations")

    takers = Takers(database, Setups(), Figures(CollectorRegistry()))

    async def take(number: int) -> object:
        mine = tuple(queues[number % len(queues)])
        work = await takers.take(Ask(f"agent-{number}", mine, frozenset({"main"}), "bench"))
        return None if work is None else work.item.id

    turn = await _claims(take, seconds, cpu, profile)
    kept = await connection.fetchval("select count(*) from router.work_items where state = 'assigned'")
    if kept != turn.done:
        raise TakenTwice(f"{turn.done} items were given, {kept} are assigned")
    return turn
