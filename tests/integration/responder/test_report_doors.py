"""The report's doors: what is refused, who sees what, tables for spreadsheets, views for dashboards."""

import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import connect
from libs.common.errors import Unavailable
from libs.common.problems import Problem
from services.responder.api.stats_shapes import in_time
from services.responder.domain.latency import WITHIN_SECONDS
from services.responder.store import report
from services.responder.store import report_figures as figures
from services.responder.store.report_figures import Asked
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed
from tests.integration.responder.test_report_kinds import MARCH, TALK, stats

REPORTS = ("response-latency", "sla", "coverage", "conversations")
VIEWS = ("report_mentions", "report_exchanges", "report_clocks", "report_conversations", "report_satisfaction")


@pytest.mark.parametrize("what", REPORTS)
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"group_by": "queu"}, "group_by=queue"),
        ({"group_by": "author"}, "group_by"),
        ({"group_by": "hour", "zone": "Europe/Pari"}, "Europe/Paris"),
        ({"group_by": "hour", "zone": "../etc/passwd"}, "zone"),
        ({"from": "2026-04-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "Swap"),
        ({"from": "2026-03-01T00:00:00"}, "timezone"),
        ({"from": "2020-03-01T00:00:00Z", "group_by": "hour"}, "366"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "out of all bounds"),
        ({"format": "xlsx"}, "csv"),
    ],
)
async def test_what_cannot_be_asked_is_refused_and_says_what_to_do(
    world: World, what: str, query: dict[str, str], says: str
) -> None:
    answer = await world.http.get(f"/v1/stats/{what}", params=MARCH | query)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert says in answer.text


async def test_how_is_asked_of_mentions_only(world: World) -> None:
    answer = await world.http.get("/v1/stats/response-latency", params=MARCH | {"kind": "next", "how": "covered"})
    assert (answer.status_code, "kind=mention" in answer.text) == (422, True)


@pytest.mark.parametrize("what", [*REPORTS, "response-latency?kind=first", "response-latency?kind=resolution"])
async def test_another_teams_figures_are_nobody_elses(world: World, what: str) -> None:
    await world.hears(*TALK)

    path, _, kind = what.partition("?kind=")
    params = MARCH | ({"kind": kind} if kind else {})
    strangers = await world.other_team.get(f"/v1/stats/{path}", params=params)
    own = await world.http.get(f"/v1/stats/{path}", params=params)

    assert (strangers.json()["groups"], len(own.json()["groups"])) == ([], 1)


@pytest.mark.parametrize("what", REPORTS)
async def test_a_table_has_the_figures_of_the_answer_and_runs_nothing(world: World, what: str) -> None:
    await world.hears(routed("1", queue="=1+1"), answered("1", queue="=1+1"))

    shown: Any = (await stats(world, what, group_by="queue"))["groups"]
    answer = await world.http.get(f"/v1/stats/{what}", params=MARCH | {"group_by": "queue", "format": "csv"})

    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{what}.csv"' in answer.headers["content-disposition"]
    [row] = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert (row["key"], row["from"], bool(row["definition"])) == ("'=1+1", "2026-03-01T00:00:00Z", True)
    [group] = shown
    for column, value in row.items():
        found: Any = group
        for part in column.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if column not in ("key", "from", "to", "definition", "kind", "basis", "how"):
            assert value == ("" if found is None else str(found)), column


async def test_a_table_without_groups_has_its_head(world: World) -> None:
    answer = await world.http.get("/v1/stats/coverage", params=MARCH | {"format": "csv"})
    assert answer.text.startswith("key,mentions,set_aside,")
    assert answer.text.count("\r\n") == 1


async def test_the_views_name_nobody_and_have_the_same_columns_on_both_databases(world: World) -> None:
    await world.hears(*TALK)
    columns = {view: sorted((await world.rows(view))[0]) for view in VIEWS[:4] if view != "report_clocks"}

    for names in columns.values():
        assert not {"author_id", "author_username", "text", "key", "thread_id"} & set(names)
    assert "state" in columns["report_mentions"]
    [talk] = await world.rows("report_conversations")
    assert (talk["exchanges"], talk["customer_messages"], talk["our_messages"], talk["waiting_messages"]) == (
        2,
        3,
        2,
        0,
    )


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_role_that_may_read_the_views_reads_nothing_else(world: World) -> None:
    await world.hears(*TALK)
    schema = "responder"
    role = f"looks_{sa.make_url(world.url).database}"
    async with world.database.begin() as session:
        await session.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'looks'"))
        await session.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
        await session.execute(sa.text(f"GRANT SELECT ON {', '.join(VIEWS)} TO {role}"))
    url = sa.make_url(world.url).set(username=role, password="looks").render_as_string(hide_password=False)
    looking = connect(url, schema)
    try:
        for view in VIEWS:
            async with looking.read() as session:
                await session.execute(sa.text(f"SELECT count(*) FROM {view}"))
        for statement in ("SELECT 1 FROM targets", "SELECT 1 FROM replies", "DELETE FROM report_exchanges"):
            with pytest.raises((sa.exc.DBAPIError, Unavailable), match="permission denied"):
                async with looking.begin() as session:
                    await session.execute(sa.text(statement))
    finally:
        await looking.close()
        async with world.database.begin() as session:
            await session.execute(sa.text(f"DROP OWNED BY {role}"))
            await session.execute(sa.text(f"DROP ROLE {role}"))


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_what_takes_too_long_to_count_is_to_be_asked_in_parts(world: World) -> None:
    async def too_long() -> None:
        async with in_time(), world.database.read() as session:
            await session.execute(sa.text("SET LOCAL statement_timeout = '1ms'"))
            await session.execute(sa.text("SELECT pg_sleep(1)"))

    async def away() -> None:
        async with in_time():
            raise Unavailable("the database")

    with pytest.raises(Problem) as refused:
        await too_long()
    assert (refused.value.status_code, "shorter time" in str(refused.value.content["fix"])) == (422, True)
    with pytest.raises(Unavailable):
        await away()


async def plans(world: World, ask: Callable[[AsyncSession], Awaitable[Any]]) -> list[str]:
    """How the database goes about each question of this, on empty tables."""
    asked: list[str] = []
    async with world.database.begin() as session:
        engine = session.get_bind()

        def note(state: Any) -> None:
            known = state.statement.params(state.parameters or {})
            asked.append(str(known.compile(engine, compile_kwargs={"literal_binds": True})))

        sa.event.listen(session.sync_session, "do_orm_execute", note)
        await ask(session)
        sa.event.remove(session.sync_session, "do_orm_execute", note)
        explain = "EXPLAIN QUERY PLAN "
        if world.database.dialect == "postgresql":
            await session.execute(sa.text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN "
        found = [await session.execute(sa.text(explain + statement.replace(":", "\\:"))) for statement in asked]
        return [" ".join(str(row) for row in rows) for rows in found]


ASKED = Asked(NOON, NOON + MINUTE, NOON + 60 * MINUTE, "queue", ZoneInfo("UTC"), {"main"})


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda session: figures.covered(session, ASKED), "targets_posted"),
        (lambda session: figures.kept(session, ASKED, WITHIN_SECONDS), "targets_posted"),
        (lambda session: figures.clocks(session, ASKED), "clocks_started"),
        (
            lambda session: figures.exchange_waits(session, ASKED, "next", "elapsed", WITHIN_SECONDS),
            "exchanges_started",
        ),
        (lambda session: figures.resolutions(session, ASKED, "elapsed", WITHIN_SECONDS), "exchanges_started"),
        (lambda session: figures.conversations(session, ASKED), "exchanges_started"),
        (lambda session: figures.messages_per_answer(session, ASKED), "exchanges_started"),
        (lambda session: report.answered(session, {"cnv_1"}), "latencies_of_conversation"),
        (lambda session: report.openers(session, {"cnv_1"}), "targets_of_conversation"),
        (lambda session: report.keep_exchanges(session, {"cnv_1"}, []), "exchanges_of_conversation"),
    ],
)
async def test_each_question_walks_along_its_index(
    world: World, ask: Callable[[AsyncSession], Awaitable[Any]], index: str
) -> None:
    found = await plans(world, ask)

    assert found
    for plan in found:
        assert index in plan
