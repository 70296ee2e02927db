"""What the router says about mentions, in whatever order and however often it comes."""

from itertools import permutations

import pytest

from libs.common.db import FEW
from libs.common.events import WorkItemAssigned
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed


async def test_a_routed_mention_can_be_answered(world: World) -> None:
    assert (await world.ask()).status_code == 404
    await world.hears(routed())

    assert (await world.ask()).status_code == 202


async def test_an_event_delivered_twice_changes_nothing(world: World) -> None:
    events = (routed(), answered(), routed("1002"))
    await world.hears(*events, *events)
    before = [await world.rows(table) for table in ("targets", "latencies")]
    await world.hears(*events)

    assert [await world.rows(table) for table in ("targets", "latencies")] == before
    assert [len(rows) for rows in before] == [2, 1]


@pytest.mark.parametrize("more", [0, 2 * FEW])
async def test_a_later_routing_wins_and_an_older_one_replayed_undoes_nothing(world: World, more: int) -> None:
    older, newer = routed(queue="fr"), routed(queue="en", occurred_at=NOON + MINUTE)
    others = [routed(str(2000 + n), queue="es") for n in range(2 * more)]
    await world.hears(older, newer, *others[:more])
    await world.hears(older, *others)

    queues = {row["post_id"]: row["queue"] for row in await world.rows("targets")}
    assert queues == {"1001": "en"} | {event.post_id: "es" for event in others}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("batches", ["together", "apart"])
async def test_the_earliest_answer_wins_in_whatever_order_they_come(
    world: World, order: tuple[int, ...], batches: str
) -> None:
    answers = [
        answered(by="o-2", after=7 * MINUTE),
        answered(by="o-1", after=7 * MINUTE),
        answered(by="o-3", after=9 * MINUTE),
    ]
    events = [answers[n] for n in order]
    for batch in [events] if batches == "together" else [[event] for event in events]:
        await world.hears(*batch)

    [latency] = await world.rows("latencies")
    assert (latency["own_post_id"], latency["latency_seconds"]) == ("o-1", 420)


async def test_a_covered_answer_stands_beside_the_direct_one_and_out_of_the_report(world: World) -> None:
    await world.hears(answered(by="o-1", after=2 * MINUTE, how="covered"), answered(by="o-2", after=7 * MINUTE))

    kinds = {row["how"]: row["latency_seconds"] for row in await world.rows("latencies")}
    assert kinds == {"covered": 120, "direct": 420}
    report = (await world.http.get("/v1/stats/response-latency?from=2000-01-01T00:00:00Z")).json()
    assert [(group["answered"], group["p50"]) for group in report["groups"]] == [(1, 420)]


async def test_an_answer_may_come_before_its_mention(world: World) -> None:
    await world.hears(answered())
    await world.hears(routed())

    assert len(await world.rows("latencies")) == 1


async def test_an_answer_older_than_its_mention_is_kept_out_and_counted(world: World) -> None:
    await world.hears(answered(after=-MINUTE), answered("1002", after=0 * MINUTE))

    [latency] = await world.rows("latencies")
    assert (latency["post_id"], latency["latency_seconds"]) == ("1002", 0)
    left_out = world.registry.get_sample_value(
        "response_latencies_left_out_total", {"reason": "answered_before_posted"}
    )
    assert left_out == 1


async def test_each_answered_mention_is_observed_once(world: World) -> None:
    await world.hears(answered(by="o-2", after=7 * MINUTE), answered("1002", after=MINUTE))
    await world.hears(answered(by="o-1", after=5 * MINUTE))

    labels = {"kind": "first", "queue": "fr"}
    assert world.registry.get_sample_value("response_latency_seconds_count", labels) == 2
    assert world.registry.get_sample_value("response_latency_seconds_sum", labels) == 480


async def test_other_events_are_passed_over(world: World) -> None:
    await world.hears(
        WorkItemAssigned(
            event_id="e-1", occurred_at=NOON, key="key-jo", item_id="itm_1", conversation_id="cnv_1", queue="fr",
            agent="ana", version=2, waited_seconds=1.0,
        )
    )  # fmt: skip

    assert await world.rows("targets") == []
