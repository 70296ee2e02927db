"""The report's figures are those of the plain arithmetic, and come along an index."""

import math
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.responder.domain.latency import WITHIN_SECONDS
from services.responder.store.mentions import _waits
from services.responder.store.report_spread import spread
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered

REPORT = "/v1/stats/response-latency"
ALL = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}


def nearest_rank(sorted_values: list[float], percent: int) -> float:
    return sorted_values[math.ceil(len(sorted_values) * percent / 100) - 1]


async def report(world: World, **query: str) -> Any:
    answer = await world.http.get(REPORT, params=ALL | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(waits=st.lists(st.tuples(st.sampled_from(["fr", "en"]), st.integers(0, 100_000)), min_size=1, max_size=130))
async def test_percentiles_are_the_nearest_rank_of_plain_arithmetic(world: World, waits: list[tuple[str, int]]) -> None:
    async with world.database.begin() as session:
        await session.execute(sa.text("DELETE FROM latencies"))
    await world.hears(
        *[
            answered(str(n), queue=queue, after=timedelta(seconds=seconds), at=NOON + n * MINUTE)
            for n, (queue, seconds) in enumerate(waits)
        ]
    )

    shown = await report(world, group_by="queue")

    assert [group["key"] for group in shown["groups"]] == sorted({queue for queue, _ in waits})
    for group in shown["groups"]:
        values = sorted(float(seconds) for queue, seconds in waits if queue == group["key"])
        assert group["answered"] == len(values)
        assert (group["min"], group["max"]) == (values[0], values[-1])
        assert [group[f"p{p}"] for p in (50, 90, 99)] == [nearest_rank(values, p) for p in (50, 90, 99)]
        assert group["mean"] == pytest.approx(sum(values) / len(values))
        for seconds in WITHIN_SECONDS:
            met = sum(value <= seconds for value in values)
            assert group["within"][str(seconds)] == {"met": met, "of": len(values), "share": met / len(values)}


@pytest.mark.parametrize("group_by", ["queue", "handle", "intent", "language", "network"])
async def test_it_is_grouped_by_what_is_asked(world: World, group_by: str) -> None:
    other: dict[str, Any] = {group_by: "feedback" if group_by == "intent" else "another"}
    await world.hears(answered("1"), answered("2", **other))

    groups = (await report(world, group_by=group_by))["groups"]

    assert [group["answered"] for group in groups] == [1, 1]


async def test_without_a_group_all_stand_together_and_say_what_they_are(world: World) -> None:
    await world.hears(answered("1", after=MINUTE), answered("2", queue="en", after=3 * MINUTE))

    shown = await report(world)

    assert (shown["unit"], shown["from"], shown["to"]) == ("seconds", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    assert "nearest-rank" in shown["definition"]
    [group] = shown["groups"]
    assert (group["key"], group["p50"], group["mean"]) == (None, 60, 120)


async def test_the_time_asked_for_is_that_of_the_mention_its_end_not_included(world: World) -> None:
    await world.hears(answered("1", at=NOON), answered("2", at=NOON + MINUTE))

    shown = await report(world, to=(NOON + MINUTE).isoformat())

    assert [group["answered"] for group in shown["groups"]] == [1]


async def test_covered_answers_stand_apart_and_the_first_of_both_counts_where_any_do(world: World) -> None:
    await world.hears(
        answered("1", by="o-1", after=2 * MINUTE, how="covered"), answered("1", by="o-2", after=7 * MINUTE),
        answered("2", by="o-3", after=4 * MINUTE, how="covered"), answered("3", by="o-4", after=MINUTE),
    )  # fmt: skip

    waits = {}
    for how in ("direct", "covered", "any"):
        shown = await report(world, how=how, group_by="queue")
        [group] = shown["groups"]
        waits[how] = (shown["how"], group["key"], group["answered"], group["min"], group["max"])

    assert waits == {
        "direct": ("direct", "fr", 2, 60, 420),
        "covered": ("covered", "fr", 2, 120, 240),
        "any": ("any", "fr", 3, 60, 240),
    }
    assert (await report(world))["how"] == "direct"
    assert (await world.http.get(REPORT, params=ALL | {"how": "indirect"})).status_code == 422


async def test_no_answers_are_no_group(world: World) -> None:
    assert (await report(world))["groups"] == []


async def test_another_teams_answers_are_in_no_figure(world: World) -> None:
    await world.hears(answered("1"), answered("2", team="nord"))

    groups = (await world.other_team.get(REPORT, params=ALL)).json()["groups"]

    assert [group["answered"] for group in groups] == [1]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-04-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"from": "2026-03-01T00:00:00"},
        {"group_by": "author"},
    ],
)
async def test_a_time_that_cannot_be_is_refused(world: World, query: dict[str, str]) -> None:
    assert (await world.http.get(REPORT, params=query)).status_code == 422


async def test_the_beginning_of_time_is_a_time(world: World) -> None:
    assert (await world.http.get(REPORT, params={"to": "0001-01-02T00:00:00Z"})).status_code in (200, 422)


async def test_it_walks_along_the_index_on_the_mentions_time(world: World) -> None:
    statement = spread(_waits(NOON, NOON + MINUTE, "queue", {"main"}, "direct"), WITHIN_SECONDS)
    async with world.database.begin() as session:
        bound = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        if world.database.dialect == "postgresql":
            await session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # the table is empty
            explain = "EXPLAIN "
        else:
            explain = "EXPLAIN QUERY PLAN "
        plan = await session.execute(sa.text(explain + str(bound).replace(":", "\\:")))
        assert "latencies_posted" in " ".join(str(row) for row in plan)
