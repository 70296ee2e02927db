"""Who was answered in time, who was answered at all, and why not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.events import WorkItemCanceled, WorkItemCompleted
from services.responder.domain.latency import WITHIN_SECONDS
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed
from tests.integration.responder.test_report_kinds import stats


def ended(item_id: str, reason: str, after: timedelta, **more: Any) -> WorkItemCompleted | WorkItemCanceled:
    kind = WorkItemCanceled if reason in ("deleted", "spam", "duplicate", "merged") else WorkItemCompleted
    return kind(
        event_id=f"e-{item_id}", occurred_at=NOON + after, key="key-jo", item_id=item_id, conversation_id="cnv_1",
        queue="fr", version=3, reason=reason, **more,
    )  # fmt: skip


def own_item(post_id: str, **more: Any) -> dict[str, Any]:
    return {"conversation_id": f"cnv_{post_id}", "item_id": f"itm_{post_id}"} | more


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    waits=st.lists(
        st.one_of(st.none(), st.sampled_from([0, 3599, 3600, 3601, 5400, 86_400, 86_401]), st.integers(0, 100_000)),
        min_size=1,
        max_size=40,
    )
)
async def test_shares_are_of_all_that_are_counted_as_plain_arithmetic_has_it(
    world: World, waits: list[int | None]
) -> None:
    async with world.database.begin() as session:
        for table in ("targets", "latencies", "exchanges", "answering_posts"):
            await session.execute(sa.text(f"DELETE FROM {table}"))
    for n, seconds in enumerate(waits):
        await world.hears(routed(str(n), **own_item(str(n))))
        if seconds is not None:
            after = timedelta(seconds=seconds)
            await world.hears(answered(str(n), by=f"o-{n}", after=after, conversation_id=f"cnv_{n}"))

    [group] = (await stats(world, "sla"))["groups"]

    for limit in WITHIN_SECONDS:
        met = sum(seconds is not None and seconds <= limit for seconds in waits)
        assert group["within"][str(limit)] == {
            "met": met, "breached": len(waits) - met, "running": 0, "canceled": 0, "share": met / len(waits),
        }  # fmt: skip


async def test_silence_counts_when_its_time_is_over_and_not_before(world: World) -> None:
    posted = datetime.now(UTC) - timedelta(minutes=75)
    await world.hears(routed("1", at=posted))

    span = {"from": (posted - MINUTE).isoformat(), "to": (posted + MINUTE).isoformat()}
    [group] = (await stats(world, "sla", **span))["groups"]

    hour, hour_and_half = group["within"]["3600"], group["within"]["5400"]
    assert (hour["breached"], hour["running"], hour["share"]) == (1, 0, 0)
    assert (hour_and_half["breached"], hour_and_half["running"], hour_and_half["share"]) == (0, 1, None)


async def test_what_is_closed_in_time_is_canceled_and_later_it_is_breached(world: World) -> None:
    await world.hears(routed("1"), ended("itm_1", "resolved", 80 * MINUTE))

    [group] = (await stats(world, "sla"))["groups"]

    assert [(limit, kept["breached"], kept["canceled"]) for limit, kept in group["within"].items()] == [
        ("3600", 1, 0),
        ("5400", 0, 1),
        ("86400", 0, 1),
    ]


async def test_what_needs_no_answer_is_in_no_share(world: World) -> None:
    await world.hears(routed("1", outcome="set_aside", item_id="", queue=""))
    await world.hears(answered("1"))

    assert (await stats(world, "sla"))["groups"] == []
    [group] = (await stats(world, "coverage"))["groups"]
    assert (group["needed"], group["set_aside"], group["set_aside_answered"], group["share"]) == (0, 1, 1, None)


@pytest.mark.parametrize(
    ("reason", "where"),
    [
        ("done", "closed"),
        ("resolved", "closed"),
        ("answered", "no_figure"),
        ("merged", "waiting"),
        ("", "waiting"),
    ],
)
async def test_who_has_no_answer_is_counted_with_the_reason(world: World, reason: str, where: str) -> None:
    await world.hears(routed("1", **own_item("1")), routed("2", **own_item("2")))
    await world.hears(answered("2", how="covered", conversation_id="cnv_2"))
    if reason:
        await world.hears(ended("itm_1", reason, 5 * MINUTE))

    report = await stats(world, "coverage", group_by="queue")

    [group] = report["groups"]
    assert (group["key"], group["mentions"], group["needed"], group["share"]) == ("fr", 2, 2, 0.5)
    assert group["answered"] == {"direct": 0, "covered": 1}
    assert {name: n for name, n in group["not_answered"].items() if n} == {where: 1}
    assert set(report["reasons"]) == set(group["not_answered"])


@pytest.mark.parametrize("reason", ["deleted", "spam", "duplicate"])
async def test_what_is_dismissed_needed_no_answer(world: World, reason: str) -> None:
    await world.hears(routed("1"), ended("itm_1", reason, 5 * MINUTE))

    [group] = (await stats(world, "coverage"))["groups"]

    assert (group["needed"], group["dismissed"][reason], group["share"]) == (0, 1, None)


async def test_a_reply_on_its_way_and_one_that_cannot_go_are_told_apart(world: World) -> None:
    reply = await world.queued("1001")
    [group] = (await stats(world, "coverage"))["groups"]
    assert {name: n for name, n in group["not_answered"].items() if n} == {"being_sent": 1}

    async with world.database.begin() as session:
        await session.execute(sa.text("UPDATE replies SET state = 'refused' WHERE id = :id"), {"id": reply})
    [group] = (await stats(world, "coverage"))["groups"]
    assert {name: n for name, n in group["not_answered"].items() if n} == {"not_sent": 1}


@pytest.mark.parametrize("group_by", ["queue", "handle", "intent", "urgency", "language", "network"])
async def test_everything_is_grouped_by_what_is_asked(world: World, group_by: str) -> None:
    other: dict[str, Any] = {group_by: {"intent": "feedback", "urgency": "low"}.get(group_by, "another")}
    same = {} if group_by == "urgency" else other
    await world.hears(routed("1", **own_item("1")), routed("2", **own_item("2"), **other))
    await world.hears(answered("1", conversation_id="cnv_1"), answered("2", by="o-2", conversation_id="cnv_2", **same))

    for what, query in (
        ("sla", {}), ("coverage", {}), ("conversations", {}),
        ("response-latency", {"kind": "first"}), ("response-latency", {"kind": "resolution"}),
    ):  # fmt: skip
        groups = (await stats(world, what, group_by=group_by, **query))["groups"]
        assert len({group["key"] for group in groups}) == 2, (what, query)
