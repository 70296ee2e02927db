"""What is asked on the way of a mention goes along indexes, on tables of any size."""

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import outbox
from libs.common.db import connect, matching
from libs.common.migrate import migrate
from services.router.app import MIGRATIONS
from services.router.store import covered, floor, items
from services.router.store.tables import CONVERSATIONS, MENTIONS, OWN_POSTS

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
        plan = await _plan(session, items._DUE, {"now": datetime(2026, 3, 2, tzinfo=UTC), "most": 500})
    await database.close()

    assert "work_items_timed" in plan
    assert "Seq Scan" not in plan
