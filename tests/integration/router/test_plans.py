"""What is asked on the way of a mention goes along indexes, on tables of any size."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from bench.scale_rows import fill
from libs.common import outbox
from libs.common.db import connect, matching
from libs.common.db.database import server_settings
from libs.common.migrate import migrate
from services.router.app import MIGRATIONS
from services.router.store import covered, floor, items
from services.router.store.tables import CONVERSATIONS, MENTIONS, OWN_POSTS
from tests.integration.router.conftest import World
from tests.integration.router.messages import deleted, mention, reply

_DIALECT: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
POST = [{"network": "x", "post_id": "1"}]
QUESTIONS = {
    "the mentions we know": (MENTIONS, floor._KNOWN, POST),
    "our posts we know": (OWN_POSTS, floor._OWN, POST),
    "answers that came first": (OWN_POSTS, floor._ANSWERS, [{"network": "x", "in_reply_to": "1"}]),
    "an author's conversations": (
        CONVERSATIONS,
        floor._RECENT_TALKS,
        [{"network": "x", "author_id": "jo", "handle": "acme"}],
    ),
    "a mention's conversation": (CONVERSATIONS, floor._TALKS, [{"id": "cnv_1"}]),
    "what our posts may answer too": (MENTIONS, covered._UNANSWERED, [{"conversation_id": "cnv_1"}]),
}


async def _plan(session: AsyncSession, statement: sa.Select[tuple[object, ...]], params: dict[str, object]) -> str:
    asked: sa.Select[tuple[object, ...]] = statement.params(**params)
    return await _explained(session, str(asked.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})))


async def _explained(session: AsyncSession, query: str) -> str:
    return "\n".join((await session.execute(sa.text(f"EXPLAIN {query}".replace(":", "\\:")))).scalars())


async def _kept(connection: asyncpg.Connection, statement: str, values: int) -> dict[str, Any]:
    """The plan of a prepared statement, which is made once for whatever values come."""
    await connection.execute(f"PREPARE asked AS {statement}")
    values_of = f"({', '.join(['NULL'] * values)})" if values else ""
    [plan] = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{values_of}"))
    await connection.execute("DEALLOCATE asked")
    return dict(plan["Plan"])


@pytest.mark.postgres
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_batch_is_looked_up_along_indexes(postgres_url: str, question: str) -> None:
    await migrate(postgres_url, "router", MIGRATIONS)
    database = connect(postgres_url, "router")
    table, asked, keys = QUESTIONS[question]
    async with database.read() as session:
        statement, params = matching(session, table, asked, keys)
        params |= dict.fromkeys(("recent", "earliest"), datetime(2026, 3, 2, tzinfo=UTC))
        wanted = {name: params[name] for name in statement.compile().params if name in params}
        plan = await _plan(session, statement, wanted)
    await database.close()

    assert "Seq Scan" not in plan
    for scan in re.findall(r"->  .* (?:on|using) (?!json).*\n(.*)", plan):
        assert "Index Cond" in scan, plan  # else the whole index is read


@pytest.mark.postgres
async def test_the_oldest_of_the_outbox_are_looked_for_once(postgres_url: str) -> None:
    await migrate(postgres_url, "router", MIGRATIONS)
    database = connect(postgres_url, "router")
    async with database.read() as session:
        query = str(outbox._OLDEST_OF_OURS.compile(dialect=_DIALECT))
        plan = await _explained(session, query.replace("%(ours)s", "'{0, 1}'").replace("%(param_1)s", "1000"))
    await database.close()

    assert "InitPlan" in plan
    assert "Index Cond: (id = ANY" in plan


@pytest.mark.postgres
async def test_the_next_item_of_a_queue_is_the_head_of_an_index(postgres_url: str) -> None:
    await migrate(postgres_url, "router", MIGRATIONS)
    database = connect(postgres_url, "router")
    async with database.read() as session:
        plan = await _plan(session, items._heads(2), {"line_0": "fr main", "line_1": "en main", "most": 10})
    await database.close()

    assert plan.count("work_items_waiting") == 4
    assert "Seq Scan" not in plan


@pytest.mark.postgres
async def test_what_is_due_is_the_head_of_an_index(postgres_url: str) -> None:
    await migrate(postgres_url, "router", MIGRATIONS)
    database = connect(postgres_url, "router")
    async with database.read() as session:
        plan = await _plan(session, items._DUE[True], {"now": datetime(2026, 3, 2, tzinfo=UTC), "most": 500})
    await database.close()

    assert "work_items_timed" in plan
    assert "Seq Scan" not in plan


@pytest.mark.postgres
async def test_a_page_of_what_waits_is_read_from_what_is_open(postgres_url: str) -> None:
    await migrate(postgres_url, "router", MIGRATIONS)
    await fill(postgres_url, 30_000)
    database = connect(postgres_url, "router")
    with _listening() as asked:
        async with database.read() as session:
            await items.list_items(
                session, {"*"}, queue="support", state="pending", agent=None, updated_after=None, after=None, limit=50
            )
    await database.close()
    connection = await asyncpg.connect(postgres_url, server_settings=server_settings("router"))
    [(statement, values)] = asked.items()
    plan = await _kept(connection, statement, len(values))
    await connection.close()

    assert "work_items_open_changed" in [scan.get("Index Name") for scan in _scans(plan)]


# --- whatever a day's work asks

LARGE = {
    "mentions", "conversations", "own_posts", "work_items", "work_item_changes", "conversation_changes", "clocks",
    "reservations", "notes", "corrections", "consultations", "incident_items", "topic_arrivals", "promises",
    "outbox",
}  # fmt: skip
BY_THEMSELVES = {  # indexes of what is open, due or not yet told: as short as the work is, and read from their heads
    "work_items_open", "work_items_open_changed", "work_items_waiting", "work_items_held", "work_items_timed",
    "conversations_waking", "conversations_merged",
}  # fmt: skip
Asked = dict[str, tuple[object, ...]]


@contextmanager
def _listening() -> Iterator[Asked]:
    """Every statement that is executed meanwhile, and the values of one time that it was."""
    asked: Asked = {}

    def listen(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if not many and statement.split(None, 1)[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
            asked.setdefault(statement, tuple(values))

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield asked
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that reads a table or an index."""
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for below in plan.get("Plans", ()):
        yield from _scans(below)


def _whole(scan: dict[str, Any], tables: dict[str, str]) -> bool:
    """Whether it reads all of a table that grows with the traffic, or all of its index."""
    index = scan.get("Index Name", "")
    table = scan.get("Relation Name") or tables.get(index, "")
    reads = scan["Node Type"].endswith("Scan") and scan["Node Type"] != "Bitmap Heap Scan"
    if table not in LARGE or not reads or index in BY_THEMSELVES:
        return False
    return scan["Node Type"] == "Seq Scan" or "Index Cond" not in scan


async def _a_day(world: World) -> None:
    """Something of everything that people and time do to a conversation."""
    now = datetime.now(UTC)
    await world.set_up("queues", "fr", languages=["fr"], wrap_up_seconds=60, supervisor="leads")
    await world.set_up("queues", "en", languages=["en"], dispatch="push", supervisor="leads")
    await world.set_up("queues", "leads")
    await world.agent("ana", capacity=9)
    await world.agent("bob", capacity=9)
    await world.hears(*(mention(str(n), author=f"p{n}", at=now, language="fr") for n in range(8)))
    await world.hears(*(mention(f"e{n}", author=f"e{n}", at=now, language="en") for n in range(3)))
    await world.hears(mention("0b", author="p0", at=now, urgency="critical"), deleted("7"))
    first = (await world.take("ana", ["fr"]))["item"]
    items, talk = "/v1/work-items", f"/v1/conversations/{first['conversation_id']}"
    waiting = (await world.get(f"{items}?queue=fr&state=pending"))["items"]
    await world.call("POST", f"{items}/{waiting[0]['id']}/claim", {"agent": "ana"})
    await world.call("POST", f"{items}/{waiting[0]['id']}/release", {})
    await world.call("POST", f"{items}/{waiting[1]['id']}/urgency", {"urgency": "high", "note": "so"})
    await world.call("POST", f"{items}/{waiting[2]['id']}/escalate", {})
    await world.call("POST", f"{items}/{waiting[3]['id']}/transfer", {"queue": "default"})
    await world.dispatched()
    offers = [(await world.get(f"/v1/agents/{agent}/offers"))["items"] for agent in ("ana", "bob")]
    for offer, act in zip([each for some in offers for each in some], ("accept", "reject"), strict=False):
        await world.call("POST", f"/v1/reservations/{offer['reservation']}/{act}", {})
    for path in ("", "/explain"):
        await world.get(f"{items}/{first['id']}{path}")
    for path in ("", "/timeline", "/notes", "/lease"):
        await world.get(f"{talk}{path}")
    for path in ("/v1/agents/ana/workload", "/v1/mentions/x/1", "/v1/conversations?author=x:p1", "/v1/queues"):
        await world.get(path)
    await world.call("POST", f"{talk}/notes", {"text": "so"}, 201)
    await world.call("PUT", f"{talk}/lease", {"agent": "ana", "draft": True})
    await world.call("POST", f"{talk}/hold", {})
    await world.call("POST", f"{talk}/resume", {})
    await world.hears(*(reply(f"r{n}", to=str(n), person=f"p{n}", at=now) for n in range(2)))
    await world.hears(mention("1b", author="p1", at=now + timedelta(seconds=1)))
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline"})
    for hours in (0.1, 2, 30):
        await world.time_passes(timedelta(hours=hours))


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_nothing_that_a_days_work_asks_reads_all_of_a_table_that_grows(world: World) -> None:
    await fill(world.database_url, 30_000)  # on empty tables any plan is good
    async with world.database.begin() as session:
        await session.execute(sa.text("UPDATE agents SET presence = 'offline'"))
    with _listening() as asked:
        await _a_day(world)

    connection = await asyncpg.connect(world.database_url, server_settings=server_settings("router") | _EAGER)
    try:
        tables = dict(await connection.fetch("SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'router'"))
        found, starting = {}, []
        for statement, values in asked.items():
            plan = await _kept(connection, statement, len(values))
            if whole := [scan for scan in _scans(plan) if _whole(scan, tables)]:
                found[statement] = [(scan["Node Type"], scan.get("Index Name")) for scan in whole]
            if "Gather" in json.dumps(plan):
                starting.append(statement)
    finally:
        await connection.close()

    assert len(asked) > 60
    assert found == {}
    assert starting == []  # processes, for each answer


_EAGER = dict.fromkeys(
    ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size", "min_parallel_index_scan_size"), "0"
)
"""As if the tables were so large that more processes pay."""
