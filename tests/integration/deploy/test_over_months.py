"""The long-range panels: each asks a real PostgreSQL, as the role that may read; the figures are the report's."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from deploy.grafana.ask import Series, Source, Span, Table, expanded
from deploy.grafana.generate import BOARDS
from deploy.grafana.panels import Panel
from libs.common.db import connect
from services.responder.domain import report as words
from services.responder.domain.latency import WITHIN_SECONDS
from services.responder.store import report_figures as figures
from services.responder.store.report_figures import Asked, Group
from tests.months import batches
from tests.report_house import as_role, with_past, with_roles
from tests.servers import Postgres

pytestmark = pytest.mark.postgres

NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = Span((NOW - timedelta(days=90)).timestamp(), NOW.timestamp())
PANELS = {f"{board.slug}: {panel.title}": panel for board in BOARDS for panel in board.months}
CHOSEN = {"queue": ["rivage-fr", "rivage-en"], "language": ["fr"], "network": ["x", "bluesky"]}


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    """Of a database with roles, tables and three months of work."""
    made = postgres.create_database("over_months")

    async def fill() -> None:
        await with_roles(made)
        await with_past(made, batches(NOW, a_day=12))

    asyncio.run(fill())
    return made


@pytest.fixture
def source(url: str) -> Source:
    """Asked as Grafana asks."""
    return Source("", as_role(url, "reports"), SPAN)


@pytest.fixture
async def reports(url: str) -> AsyncIterator[asyncpg.Connection]:
    """As the dashboards' role."""
    connection = await asyncpg.connect(as_role(url, "reports"))
    yield connection
    await connection.close()


def one(title: str) -> Panel:
    """The panel of this title."""
    return next(panel for place, panel in PANELS.items() if place.endswith(f": {title}"))


def by_key(table: Table) -> dict[str, dict[str, Any]]:
    """A table's rows by their first column."""
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


async def in_all(source: Source, title: str) -> dict[str, list[float]]:
    """What lines show, by their names."""
    found: list[Series] = await source.lines(one(title))
    return {series.name: [value for _, value in series.points] for series in found}


@pytest.mark.parametrize("place", PANELS)
async def test_every_question_finds_something_for_all_and_for_what_is_chosen(
    reports: asyncpg.Connection, place: str
) -> None:
    sql = PANELS[place].sql
    everything = await reports.fetch(expanded(sql, SPAN))
    chosen = await reports.fetch(expanded(sql, SPAN, "Europe/Paris", CHOSEN))
    nothing = await reports.fetch(expanded(sql, SPAN, chosen={"queue": ["no-such"], "language": ["xx"]}))
    assert everything
    assert chosen
    assert not any(row.get("mentions") or row.get("answers") for row in nothing)
    assert "$" not in expanded(sql, SPAN).replace(")$'", "")


@pytest.mark.parametrize("group", ["intent", "language", "network", "queue"])
async def test_the_waits_of_a_group_are_those_of_the_report(url: str, source: Source, group: Group) -> None:
    expected = await told(url, figures.exchange_waits, group, "first", "elapsed", WITHIN_SECONDS)
    found = by_key(await source.table(one(f"First answer, by {group}")))
    assert set(found) == {spread.key for spread in expected[0]}
    for spread in expected[0]:
        row = found[spread.key]
        assert (row["answers"], row["p50"], row["p90"], row["p99"]) == (
            spread.answered, spread.p50, spread.p90, spread.p99,
        )  # fmt: skip
        for name, seconds in (("within 1 h", 3600), ("within 1 h 30", 5400), ("within 24 h", 86400)):
            assert float(row[name]) == pytest.approx(spread.within[seconds] / spread.answered)


async def test_the_shares_of_the_days_make_the_share_of_the_report(url: str, source: Source) -> None:
    kept = (await told(url, figures.kept, "none", WITHIN_SECONDS))[""]
    days = await in_all(source, "Answered in time, by day")
    met = sum(share * n for share, n in zip(days["within 1 h"], days["mentions"], strict=True))
    assert sum(days["mentions"]) == kept[3600].met + kept[3600].breached
    assert met == pytest.approx(kept[3600].met)


async def test_what_became_of_the_mentions_is_the_reports_coverage(url: str, source: Source) -> None:
    [expected] = await told(url, figures.covered, "none")
    found = [row[1] for row in (await source.table(one("Answered at all"))).rows]
    assert found == [expected.direct, expected.covered, *expected.not_answered.values()]
    rows = (await source.table(one("Answered at all"))).rows
    assert sum(float(row[2]) for row in rows[:2]) == pytest.approx(expected.share)


async def test_the_promises_of_the_policies_are_the_reports_clocks(url: str, source: Source) -> None:
    clocks = await told(url, figures.clocks, "none")
    table = await source.table(one("Promises kept, by policy"))
    for kind, kept in clocks[""].items():
        rows = [row for row in table.rows if row[1] == kind]
        assert (sum(row[2] for row in rows), sum(row[3] for row in rows)) == (kept.met, kept.breached)
        for row in rows:
            assert float(row[4]) == pytest.approx(row[2] / (row[2] + row[3]))


async def test_conversations_and_answers_are_counted_as_the_report_counts_them(url: str, source: Source) -> None:
    spreads, _ = await told(url, figures.conversations, "none")
    weeks = await in_all(source, "Interactions of a conversation, by week")
    mean = sum(mean * n for mean, n in zip(weeks["mean"], weeks["conversations"], strict=True))
    assert sum(weeks["conversations"]) == spreads[0].answered
    assert mean / spreads[0].answered == pytest.approx(spreads[0].mean)
    [spread] = await told(url, figures.messages_per_answer, "none")
    weeks = await in_all(source, "Messages that one answer answered, by week")
    assert sum(weeks["answers"]) == spread.answered


async def test_the_hours_of_the_week_are_the_readers(reports: asyncpg.Connection) -> None:
    sql = one("First answer in minutes, by hour of the week").sql
    here = {row["day"]: row for row in await reports.fetch(expanded(sql, SPAN))}
    there = {row["day"]: row for row in await reports.fetch(expanded(sql, SPAN, "Asia/Kolkata"))}
    assert list(here) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert sum(row["answers"] for row in here.values()) == sum(row["answers"] for row in there.values())
    assert [row["09"] for row in here.values()] != [row["09"] for row in there.values()]


async def told(url: str, question: Any, group: Group, *more: Any) -> Any:
    """What the report says of the same time."""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (SPAN.begin, SPAN.end))
    database = connect(as_role(url, "responder"), "responder")
    async with database.read() as session:
        said = await question(session, Asked(begin, end, end, group, ZoneInfo("UTC"), {"*"}), *more)
    await database.close()
    return said


@pytest.mark.parametrize("place", PANELS)
async def test_every_question_walks_along_the_index_on_time(url: str, place: str) -> None:
    admin = await asyncpg.connect(url)
    await admin.execute("SET enable_seqscan = off")
    short = Span(SPAN.end - 3600, SPAN.end)
    rows = await admin.fetch("EXPLAIN " + expanded(PANELS[place].sql, short))
    await admin.close()
    plan = "\n".join(row[0] for row in rows)
    assert re.search("targets_posted|exchanges_started|clocks_started", plan), plan


@pytest.mark.parametrize("place", [place for place in PANELS if place.startswith("latency")])
def test_a_description_says_what_the_report_says(place: str) -> None:
    said = PANELS[place].description
    definitions = (
        words.definition("first", "elapsed"),
        words.SLA_DEFINITION,
        words.COVERAGE_DEFINITION,
        words.CONVERSATIONS_DEFINITION,
    )
    assert any(definition in said for definition in definitions)


@pytest.mark.parametrize("place", PANELS)
def test_a_share_has_its_count_and_a_mean_its_median_and_p90(place: str) -> None:
    sql = PANELS[place].sql
    if '"share' in sql or '"within' in sql:
        assert re.search('AS "(answers|mentions|met)"', sql)
    if '"mean"' in sql:
        assert '"p50"' in sql
        assert '"p90"' in sql
