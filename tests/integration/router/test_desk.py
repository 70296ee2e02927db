"""What agents do over REST: the first by our order, never twice, never above capacity."""

import asyncio

from libs.common.events import WorkItemAssigned, WorkItemCompleted, WorkItemReleased, of_type
from services.router.handlers.taking import Ask, Takers
from services.router.store.setup import Setups
from tests.integration.router.conftest import World, figures
from tests.integration.router.messages import MINUTE, NOON, mention


async def test_the_most_urgent_comes_first_then_the_oldest(world: World) -> None:
    await world.agent("ana", capacity=9)
    await world.hears(
        mention("new-normal", author="a", at=NOON + MINUTE),
        mention("old-normal", author="b", at=NOON),
        mention("critical", author="c", at=NOON + 2 * MINUTE, urgency="critical"),
        mention("english-high", author="d", at=NOON, urgency="high", language="en"),
    )

    taken = [(await world.take("ana"))["mention"]["post_id"] for _ in range(4)]

    assert taken == ["critical", "english-high", "old-normal", "new-normal"]


async def test_only_the_queues_that_are_named_are_taken_from(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("fr", author="a"), mention("en", author="b", language="en", at=NOON + MINUTE))

    assert (await world.take("ana", ["en"]))["mention"]["post_id"] == "en"
    await world.take("ana", ["en"], status=204)


async def test_taking_shows_the_item_its_conversation_and_the_message(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1"))

    taken = await world.take("ana")

    assert taken["item"]["agent"] == "ana"
    assert taken["item"]["conversation_id"] == taken["conversation"]["id"]
    assert taken["mention"]["labels"]["intent"] == "assistance_request"
    [event] = of_type(WorkItemAssigned, await world.told())
    assert (event.agent, event.item_id, event.version) == ("ana", taken["item"]["id"], 2)


async def test_an_empty_queue_takes_nobodys_capacity(world: World) -> None:
    await world.agent("ana", capacity=1)

    await world.take("ana", status=204)

    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_nobody_takes_more_than_their_capacity(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("1", author="a"), mention("2", author="b"))
    await world.take("ana")

    problem = await world.take("ana", status=409)

    assert problem["type"] == "urn:guichet:problem:no-room"
    assert "1 of 1" in problem["detail"]


async def test_an_agent_who_is_away_takes_nothing(world: World) -> None:
    await world.agent("ana", presence="away")
    await world.hears(mention("1"))

    assert (await world.take("ana", status=409))["type"] == "urn:guichet:problem:not-available"
    assert (await world.take("bob", status=404))["fix"].startswith("GET /v1/agents")


async def test_many_at_once_take_each_item_once_and_nobody_goes_above_capacity(world: World) -> None:
    agents = [f"agent-{n}" for n in range(6)]
    for agent in agents:
        await world.agent(agent, capacity=3)
    await world.hears(*[mention(f"m{n}", author=f"p{n}") for n in range(30)])

    async def grab(agent: str) -> str | None:
        answer = await world.http.post("/v1/work-items/take-next", json={"agent": agent})
        assert answer.status_code in (200, 409), answer.text
        return str(answer.json()["item"]["id"]) if answer.status_code == 200 else None

    answers = await asyncio.gather(*[grab(agent) for agent in agents for _ in range(5)])
    taken = [answer for answer in answers if answer]

    assert len(taken) == len(set(taken)) == 18
    assert {agent["used"] for agent in (await world.get("/v1/agents"))["items"]} == {3}


async def test_an_item_is_claimed_once_and_the_second_hears_who_holds_it(world: World) -> None:
    await world.agent("ana")
    await world.agent("bob")
    await world.hears(mention("1"))
    item = (await world.get("/v1/mentions/x/1"))["item"]["id"]
    await world.call("POST", f"/v1/work-items/{item}/claim", {"agent": "ana"})

    problem = await world.call("POST", f"/v1/work-items/{item}/claim", {"agent": "bob"}, status=409)

    assert problem["agent"] == "ana"
    assert (await world.get("/v1/agents/bob"))["used"] == 0


async def test_a_released_item_keeps_its_age_and_frees_the_agent(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("old", author="a"), mention("new", author="b", at=NOON + MINUTE))
    item = (await world.take("ana"))["item"]

    released = await world.call("POST", f"/v1/work-items/{item['id']}/release", {"reason": "not_mine"})

    assert (released["state"], released["agent"]) == ("pending", None)
    assert released["enqueued_at"] == item["enqueued_at"]
    assert (await world.take("ana"))["item"]["id"] == item["id"]
    assert of_type(WorkItemReleased, await world.told())[0].reason == "not_mine"


async def test_completing_frees_the_agent_and_cannot_be_done_twice(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("1"))
    item = (await world.take("ana"))["item"]["id"]

    done = await world.call("POST", f"/v1/work-items/{item}/complete", {"reason": "called_back"})

    assert (done["state"], done["agent"]) == ("completed", "ana")
    assert (await world.get("/v1/agents/ana"))["used"] == 0
    problem = await world.call("POST", f"/v1/work-items/{item}/complete", {}, status=409)
    assert problem["state"] == "completed"
    assert len(of_type(WorkItemCompleted, await world.told())) == 1


async def test_every_change_of_an_item_has_a_reason_an_actor_and_a_rising_version(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1"))
    item = (await world.take("ana"))["item"]["id"]
    await world.call("POST", f"/v1/work-items/{item}/release", {})

    history = (await world.get(f"/v1/work-items/{item}"))["history"]

    assert [(change["version"], change["state"], change["reason"]) for change in history] == [
        (2, "assigned", "taken"),
        (3, "pending", "released"),
    ]
    assert all(change["actor"] for change in history)


async def test_an_unknown_item_is_a_404_that_says_where_to_look(world: World) -> None:
    problem = await world.call("POST", "/v1/work-items/itm_no/release", {}, status=404)

    assert problem["fix"] == "GET /v1/work-items lists them."


async def test_two_replicas_never_hide_an_item_from_each_other(world: World) -> None:
    agents = [f"agent-{n}" for n in range(8)]
    for agent in agents:
        await world.agent(agent, capacity=1)
    await world.hears(
        *[mention(f"fr-{n}", author=f"f{n}") for n in range(4)],
        *[mention(f"en-{n}", author=f"e{n}", language="en") for n in range(4)],
    )
    replicas = [Takers(world.database, Setups(), figures()), Takers(world.another_replica, Setups(), figures())]

    taken = await asyncio.gather(
        *[replicas[n % 2].take(Ask(agent, ("fr", "en"), frozenset({"*"}), "test")) for n, agent in enumerate(agents)]
    )

    assert all(taken), "somebody heard that nothing waits while something did"
    assert len({work.item.id for work in taken if work}) == 8


async def test_who_asks_in_the_same_moment_is_served_in_the_order_they_asked(world: World) -> None:
    for agent in ("ana", "bob"):
        await world.agent(agent)
    await world.hears(mention("old", author="a"), mention("new", author="b", at=NOON + MINUTE))

    first, second = await asyncio.gather(world.take("ana"), world.take("bob"))

    assert (first["mention"]["post_id"], second["mention"]["post_id"]) == ("old", "new")


async def test_one_agents_two_clicks_fill_one_place_once(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("1", author="a"), mention("2", author="b"))

    answers = await asyncio.gather(
        *[world.http.post("/v1/work-items/take-next", json={"agent": "ana"}) for _ in range(2)]
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await world.get("/v1/agents/ana"))["used"] == 1
