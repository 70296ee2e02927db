"""Queues that push or assign, offers, and agents who come and go."""

import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from msgspec.structs import replace
from prometheus_client import generate_latest

from services.router.handlers.dispatching import Dispatcher
from services.router.store.leases import put as put_lease
from services.router.store.setup import Setups
from tests.integration.router.conftest import World, figures
from tests.integration.router.messages import mention, own_post, reply

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


async def pushes(world: World, **more: object) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="push", reservation_seconds=30, **more)


async def offer_of(world: World, agent: str) -> str:
    [offer] = (await world.get(f"/v1/agents/{agent}/offers"))["items"]
    return str(offer["reservation"])


async def test_a_queue_that_pushes_offers_to_the_agent_it_suits_best(world: World) -> None:
    await pushes(world)
    await world.agent("ana", skills={"lang:fr": 3})
    await world.agent("expert", skills={"lang:fr": 5, "legal": 5})
    await world.hears(mention("1", at=now()))

    assert await world.dispatched() == 1

    offered = (await world.get("/v1/work-items"))["items"][0]
    assert (offered["state"], offered["agent"]) == ("reserved", "ana")
    taken = await world.call("POST", f"/v1/reservations/{await offer_of(world, 'ana')}/accept", {})
    assert (taken["state"], taken["agent"]) == ("assigned", "ana")
    assert (await world.get("/v1/agents/ana"))["used"] == 1
    why = (await world.get(f"/v1/work-items/{taken['id']}"))["history"][0]["why"]
    assert [candidate["agent"] for candidate in why["candidates"]] == ["ana", "expert"]


async def test_an_agent_without_the_skill_or_the_room_is_passed_over_and_it_is_said_why(world: World) -> None:
    await pushes(world)
    rule = {"name": "legal", "queue": "fr", "steps": [{"requires": [{"skill": "legal", "level": 3}]}]}
    await world.set_up("routing-policies", "main", rules=[rule])
    await world.agent("novice", skills={"legal": 2})
    await world.agent("lex", skills={"legal": 3}, capacity=1)
    await world.hears(mention("1", at=now()), mention("2", author="lu", at=now()))

    assert await world.dispatched() == 1

    left = (await world.get("/v1/work-items?state=pending"))["items"][0]
    explained = await world.get(f"/v1/work-items/{left['id']}/explain")
    assert explained["candidates"] == []
    assert {other["agent"]: other["why"] for other in explained["others"]} == {
        "lex": "capacity",
        "novice": "skill:legal",
    }
    assert (left["policy"], left["rule"], left["requires"]) == ("main", "legal", {"legal": 3})


async def test_who_rejects_is_not_asked_again_and_declined_by_all_it_goes_to_the_supervisors(world: World) -> None:
    await pushes(world, supervisor="leads")
    await world.set_up("queues", "leads")
    await world.agent("ana", queues=["fr"])
    await world.hears(mention("1", at=now()))
    await world.dispatched()
    await world.call("POST", f"/v1/reservations/{await offer_of(world, 'ana')}/reject", {"reason": "not_mine"})

    assert (await world.get("/v1/agents/ana"))["used"] == 0
    await world.dispatched()

    [item] = (await world.get("/v1/work-items"))["items"]
    assert (item["queue"], item["state"], item["declined_by"]) == ("leads", "pending", [])


async def test_an_offer_cannot_be_accepted_after_its_time(world: World) -> None:
    await pushes(world)
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.dispatched(after=-MINUTE)

    refused = await world.call("POST", f"/v1/reservations/{await offer_of(world, 'ana')}/accept", {}, 409)

    assert (refused["state"], refused["type"]) == ("timed_out", "urn:guichet:problem:offer-over")


async def test_two_offers_let_pass_in_a_row_and_the_agent_is_away(world: World) -> None:
    await pushes(world)
    await world.agent("ana")
    await world.hears(mention("1", at=now()), mention("2", author="lu", at=now()))

    await world.dispatched()
    await world.time_passes(31 * SECOND)

    ana = await world.get("/v1/agents/ana")
    assert (ana["presence"], ana["used"]) == ("away", 0)
    assert {item["state"] for item in (await world.get("/v1/work-items"))["items"]} == {"pending"}
    assert {row["state"] for row in await world.rows("reservations")} == {"timed_out"}


async def test_a_queue_that_assigns_gives_without_asking(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="assign")
    await world.agent("ana", capacity=2)
    await world.hears(*[mention(str(n), author=f"a{n}", at=now()) for n in range(3)])

    assert await world.dispatched() == 2
    assert [item["agent"] for item in (await world.get("/v1/work-items?state=assigned"))["items"]] == ["ana", "ana"]


async def test_several_dispatchers_never_give_one_item_twice_nor_too_much(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="assign")
    for n in range(4):
        await world.agent(f"agent-{n}", capacity=2)
    await world.hears(*[mention(str(n), author=f"a{n}", at=now()) for n in range(20)])
    both = [Dispatcher(world.database, Setups(), figures()), Dispatcher(world.another_replica, Setups(), figures())]

    await asyncio.gather(*[dispatcher.turn() for dispatcher in both * 3])

    held = (await world.get("/v1/work-items?state=assigned"))["items"]
    assert len(held) == 8
    assert {row["used"] for row in await world.rows("agents")} == {2}


async def test_going_offline_gives_back_what_is_held_with_its_age(world: World) -> None:
    await world.agent("ana")
    posted = now() - MINUTE
    await world.hears(mention("1", at=posted))
    taken = await world.take("ana", ["fr"])

    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline"})

    item = await world.get(f"/v1/work-items/{taken['item']['id']}")
    assert (item["state"], item["enqueued_at"], item["due_at"]) == (
        "pending", taken["item"]["enqueued_at"], taken["item"]["due_at"],
    )  # fmt: skip
    assert [change["reason"] for change in item["history"]] == ["taken", "agent_offline"]
    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_a_lost_connection_has_two_minutes_of_grace(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.take("ana", ["fr"])
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline", "reason": "connection_lost"})

    await world.time_passes(119 * SECOND)
    assert (await world.get("/v1/agents/ana"))["used"] == 1

    await world.time_passes(121 * SECOND)
    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_who_comes_back_within_the_grace_keeps_everything(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.take("ana", ["fr"])
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline", "reason": "connection_lost"})
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "available"})

    await world.time_passes(5 * MINUTE)

    assert (await world.get("/v1/agents/ana"))["used"] == 1


async def test_a_fresh_draft_is_not_taken_from_its_agent(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    taken = await world.take("ana", ["fr"])
    async with world.database.begin() as session:
        await put_lease(session, taken["conversation"]["id"], "ana", now(), draft=True)

    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline"})
    assert (await world.get("/v1/agents/ana"))["used"] == 1

    await world.time_passes(6 * MINUTE)
    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_a_returning_customer_is_given_to_the_agent_they_know(world: World) -> None:
    await world.agent("ana")
    await world.agent("bob")
    await world.hears(mention("1", at=now()))
    await world.take("ana", ["fr"])
    await world.hears(reply("r1", to="1", at=now(), agent="ana"))

    await world.hears(mention("2", at=now() + SECOND))

    held = (await world.get("/v1/work-items?state=assigned"))["items"]
    assert [(item["agent"], item["followup"]) for item in held] == [("ana", True)]
    assert (await world.get("/v1/agents/ana"))["used"] == 1


async def test_a_returning_customer_waits_for_nobody_who_is_not_there(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.take("ana", ["fr"])
    await world.hears(reply("r1", to="1", at=now(), agent="ana"))
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "away"})

    await world.hears(mention("2", at=now() + SECOND))

    assert [item["state"] for item in (await world.get("/v1/work-items"))["items"]] == ["completed", "pending"]


async def test_a_wrap_up_keeps_the_capacity_until_it_is_over(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], wrap_up_seconds=60)
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.take("ana", ["fr"])

    await world.hears(own_post("o1", to="1", at=now()))
    assert (await world.get("/v1/agents/ana"))["used"] == 1

    await world.time_passes(61 * SECOND)
    assert (await world.get("/v1/agents/ana"))["used"] == 0
    assert [item["state"] for item in (await world.get("/v1/work-items"))["items"]] == ["completed"]


async def test_escalating_and_transferring_keep_the_age(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], supervisor="leads")
    await world.set_up("queues", "leads")
    await world.agent("ana")
    posted = now() - MINUTE
    await world.hears(mention("1", at=posted))
    item_id = (await world.take("ana", ["fr"]))["item"]["id"]

    up = await world.call("POST", f"/v1/work-items/{item_id}/escalate", {"note": "asks for a lawyer"})
    over = await world.call("POST", f"/v1/work-items/{item_id}/transfer", {"queue": "en"})

    assert [(item["queue"], item["state"], item["agent"]) for item in (up, over)] == [
        ("leads", "pending", None),
        ("en", "pending", None),
    ]
    assert up["enqueued_at"] == over["enqueued_at"]
    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_a_queue_without_supervisors_says_how_to_name_some(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    item_id = (await world.take("ana", ["fr"]))["item"]["id"]

    refused = await world.call("POST", f"/v1/work-items/{item_id}/escalate", {}, 409)

    assert "supervisor" in refused["fix"]


async def test_what_is_late_comes_every_fifth_time(world: World) -> None:
    await world.agent("ana", capacity=10)
    await world.hears(*[mention(f"old-{n}", author=f"o{n}", at=now() - 120 * MINUTE) for n in range(2)])
    await world.time_passes(SECOND)
    await world.hears(*[mention(f"new-{n}", author=f"n{n}", at=now()) for n in range(6)])

    got = [(await world.take("ana", ["fr"]))["mention"]["post_id"] for _ in range(6)]

    assert got == ["new-0", "new-1", "new-2", "new-3", "old-0", "new-4"]


async def test_it_is_explained_how_many_come_first(world: World) -> None:
    await world.hears(*[mention(str(n), author=f"a{n}", at=now() - n * MINUTE) for n in range(3)])

    waiting = (await world.get("/v1/work-items"))["items"]
    ahead = {item["id"]: (await world.get(f"/v1/work-items/{item['id']}/explain"))["ahead"] for item in waiting}

    assert [ahead[item["id"]] for item in sorted(waiting, key=lambda item: item["due_at"])] == [0, 1, 2]


async def test_claiming_what_another_holds_names_the_holder(world: World) -> None:
    await world.agent("ana")
    await world.agent("bob")
    await world.hears(mention("1", at=now()))
    item_id = (await world.take("ana", ["fr"]))["item"]["id"]

    refused = await world.call("POST", f"/v1/work-items/{item_id}/claim", {"agent": "bob"}, 409)

    assert (refused["agent"], refused["state"]) == ("ana", "assigned")


async def test_taking_from_a_queue_that_is_none_is_told(world: World) -> None:
    await world.agent("ana")

    refused = await world.take("ana", ["frr"], 404)

    assert "frr" in refused["detail"]


async def test_the_timers_of_two_replicas_count_a_missed_deadline_once(world: World) -> None:
    await world.hears(mention("1", at=now() - 89 * MINUTE))

    moved = [await world.time_passes(2 * MINUTE), await world.time_passes(2 * MINUTE)]

    [clock] = await world.rows("clocks")
    assert (clock["state"], clock["kind"]) == ("breached", "first")
    told = [event.type for event in await world.told()]
    assert told.count("response.breached.v1") == 1
    assert moved == [1, 0]


async def test_what_comes_past_its_deadline_is_breached_from_the_start(world: World) -> None:
    await world.hears(mention("1", at=now() - 120 * MINUTE))

    [clock] = await world.rows("clocks")
    shown = generate_latest(world.registry).decode()
    assert clock["state"] == "breached"
    assert 'sla_clocks_total{kind="first",outcome="breached",policy="default"} 1.0' in shown


async def test_a_warning_is_told_once_for_all_shares_that_are_past(world: World) -> None:
    await world.hears(mention("1", at=now() - 80 * MINUTE))

    await world.time_passes(SECOND)
    await world.time_passes(2 * SECOND)

    told = [event.type for event in await world.told()]
    assert told.count("response.warned.v1") == 1


async def test_an_answer_at_the_deadline_meets_it_and_a_later_one_does_not(world: World) -> None:
    posted = datetime(2026, 3, 2, 12, tzinfo=UTC)
    await world.hears(mention("1", author="jo", at=posted), mention("2", author="lu", at=posted))

    await world.hears(
        own_post("o1", to="1", person="jo", at=posted + 90 * MINUTE),
        own_post("o2", to="2", person="lu", at=posted + 90 * MINUTE + SECOND),
    )

    states = {row["item_id"][-4:]: row["state"] for row in await world.rows("clocks")}
    assert sorted(states.values()) == ["met", "met_late"]


async def test_the_urgency_a_person_sets_moves_the_deadline_and_keeps_the_old_one(world: World) -> None:
    await world.hears(mention("1", at=now()))
    [item] = (await world.get("/v1/work-items"))["items"]

    after = await world.call(
        "POST", f"/v1/work-items/{item['id']}/urgency", {"urgency": "critical", "note": "a child alone on board"}
    )

    assert (after["urgency"], after["reasons"]) == ("critical", ["manual"])
    assert after["due_at"] < item["due_at"]
    async with world.database.read() as session:
        changes = (await session.execute(sa.text("SELECT changes FROM clocks"))).scalar_one()
    assert "manual" in changes


async def test_a_holding_reply_meets_the_first_response_and_the_agent_keeps_the_item(world: World) -> None:
    await world.agent("ana")
    posted = now() - MINUTE
    await world.hears(mention("1", at=posted))
    item_id = (await world.take("ana", ["fr"]))["item"]["id"]
    back_at = now() + 120 * MINUTE

    await world.hears(replace(reply("r1", to="1", at=now(), agent="ana"), kind="holding", promised_at=back_at))

    item = await world.get(f"/v1/work-items/{item_id}")
    assert (item["state"], item["agent"], datetime.fromisoformat(item["due_at"])) == ("assigned", "ana", back_at)
    assert [row["state"] for row in await world.rows("clocks")] == ["met"]
    assert (await world.get("/v1/agents/ana"))["used"] == 1
