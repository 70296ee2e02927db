"""Incidents in bulk: their items taken and closed together, the critical ones first."""

import asyncio
from datetime import UTC, datetime

from libs.common.events import WorkItemAssigned, WorkItemCompleted, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, reply
from tests.integration.router.test_incidents import HOUR, OUTAGE, about, state_of


async def test_items_are_taken_together_the_critical_one_first_and_weigh_as_one(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(
        *[about(str(n), "outage", at=NOON + n * MINUTE) for n in range(4)],
        about("critical", "outage", urgency="critical", at=NOON + 9 * MINUTE),
        about("other", "billing", urgency="critical"),
    )

    taken = await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana", "count": 3})
    more = await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana", "count": 9})

    assert [each["post_id"] for each in taken["items"]] == ["critical", "0", "1"]
    assert [each["item"]["weight"] for each in taken["items"]] == [1, 0, 0]
    assert [each["post_id"] for each in more["items"]] == ["2", "3"]
    assert (await world.get("/v1/agents/ana"))["used"] == 1
    assert len(of_type(WorkItemAssigned, await world.told())) == 5
    assert (await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana"}))["items"] == []


async def test_two_who_take_at_the_same_moment_never_get_the_same_item(world: World) -> None:
    agents = ["ana", "bob", "eve"]
    for agent in agents:
        await world.agent(agent, capacity=1)
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(*[about(str(n), "outage") for n in range(20)])

    taken = await asyncio.gather(
        *[world.call("POST", "/v1/incidents/line-13/take", {"agent": agent, "count": 8}) for agent in agents]
    )

    sizes = sorted(len(each["items"]) for each in taken)
    assert sizes == [4, 8, 8]
    assert len({each["item"]["id"] for some in taken for each in some["items"]}) == 20


async def test_who_has_no_room_or_is_not_there_takes_none(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.agent("bob", presence="away")
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("other", "billing"), about("1", "outage", at=NOON + MINUTE))
    await world.take("ana")

    for agent, problem in (("ana", "no-room"), ("bob", "not-available")):
        answer = await world.call("POST", "/v1/incidents/line-13/take", {"agent": agent}, status=409)
        assert answer["type"].endswith(problem)


async def test_an_item_that_goes_back_weighs_again(world: World) -> None:
    await world.agent("ana", capacity=2)
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", "outage"), about("2", "outage", at=NOON + MINUTE))
    taken = (await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana"}))["items"]

    released = await world.call("POST", f"/v1/work-items/{taken[1]['item']['id']}/release", {})

    assert (released["weight"], released["incident"]) == (1, "line-13")
    assert (await world.get("/v1/agents/ana"))["used"] == 1
    await world.take("ana")
    assert (await world.get("/v1/agents/ana"))["used"] == 2


async def test_its_items_are_closed_at_once_but_the_critical_ones(world: World) -> None:
    await world.agent("ana")
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    just_now = datetime.now(UTC)  # none of them is late yet
    await world.hears(
        *[about(str(n), "outage", at=just_now) for n in range(3)],
        about("critical", "outage", urgency="critical", at=just_now),
        about("other", "billing", at=just_now),
    )
    await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana", "count": 2})

    resolved = await world.call("POST", "/v1/incidents/line-13/resolve", {})

    assert resolved == {"completed": 3, "critical": 1}
    figures = await world.get("/v1/incidents/line-13")
    assert figures["items"] == {"assigned": 1, "completed": 3}
    assert figures["clocks"] == {"running": 1, "canceled": 3}
    assert (await state_of(world, "other"))[0] == "pending"
    events = await world.told()
    assert [event.reason for event in of_type(WorkItemCompleted, events)] == ["incident"] * 3
    talks = (await world.get("/v1/conversations?state=resolved"))["items"]
    assert sorted(talk["author_id"] for talk in talks) == ["p-0", "p-1", "p-2"]


async def test_all_that_one_agent_holds_can_be_closed_with_the_critical_ones(world: World) -> None:
    await world.agent("ana")
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("critical", "outage", urgency="critical"), about("1", "outage"), about("2", "outage"))
    await world.call("POST", "/v1/incidents/line-13/take", {"agent": "ana", "count": 2})

    resolved = await world.call("POST", "/v1/incidents/line-13/resolve", {"agent": "ana", "critical": True})

    assert resolved == {"completed": 2, "critical": 0}
    assert (await world.get("/v1/agents/ana"))["used"] == 0
    assert (await world.get("/v1/incidents/line-13"))["items"] == {"completed": 2, "pending": 1}


async def test_who_writes_again_after_that_is_heard(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", "outage", author="jo"))
    await world.call("POST", "/v1/incidents/line-13/resolve", {})

    await world.hears(about("2", "outage", author="jo", at=NOON + HOUR))

    assert await state_of(world, "2") == ("pending", "line-13")
    [talk] = (await world.get("/v1/conversations?author=x:jo"))["items"]
    assert talk["state"] == "open"


async def test_how_long_its_people_waited_stands_apart(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(*[about(str(n), "outage") for n in range(3)], about("other", "billing"))
    for n, minutes in (("0", 10), ("1", 50), ("other", 5)):
        await world.hears(reply(f"r{n}", to=n, person=f"p-{n}", at=NOON + minutes * MINUTE))

    incident = await world.get("/v1/incidents/line-13")

    assert incident["waited"] == {
        "answered": 2, "p50_seconds": 600.0, "p90_seconds": 3000.0, "longest_seconds": 3000.0,
    }  # fmt: skip


async def test_where_nobody_was_answered_nothing_is_said_of_waits(world: World) -> None:
    incident = await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    assert incident["waited"] == {
        "answered": 0, "p50_seconds": None, "p90_seconds": None, "longest_seconds": None,
    }  # fmt: skip
