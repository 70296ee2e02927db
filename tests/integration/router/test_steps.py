"""Every step of an item: told once, explained, and what else hangs on it (an offer, a clock) goes along."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from libs.common.errors import Raced
from services.router.store import agents
from services.router.store.lines import Lines
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention, own_post, reply
from tests.proof.house import eventually

SECOND = timedelta(seconds=1)
_LOCKED_OUT = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def now() -> datetime:
    return datetime.now(UTC)


async def versions(world: World) -> list[tuple[int, str]]:
    return [(step["version"], step["reason"]) for step in await world.rows("work_item_changes ORDER BY version")]


@pytest.mark.parametrize("batches", ["one batch", "a batch each"])
async def test_each_time_an_item_gets_more_urgent_is_a_step_of_its_own(world: World, batches: str) -> None:
    burst = [mention(str(n), at=NOON + n * SECOND, urgency=u) for n, u in enumerate(("low", "normal", "high"))]
    if batches == "one batch":
        await world.hears(*burst)
    else:
        for each in burst:
            await world.hears(each)

    assert await versions(world) == [(2, "more_urgent"), (3, "more_urgent")]
    [item] = await world.rows("work_items")
    assert item["version"] == 3


async def test_a_message_that_is_more_urgent_and_asks_again_is_one_step(world: World) -> None:
    await world.hears(mention("1", urgency="low"))
    await world.hears(mention("2", at=NOON + 11 * MINUTE, urgency="normal"))

    assert await versions(world) == [(2, "more_urgent")]
    assert [item["urgency"] for item in await world.rows("work_items")] == ["high"]


@pytest.mark.parametrize("batches", ["one batch", "a batch each"])
async def test_thanks_that_become_a_question_get_a_clock(world: World, batches: str) -> None:
    thanks, question = mention("1", urgency="none"), mention("2", at=NOON + SECOND, urgency="normal")
    if batches == "one batch":
        await world.hears(thanks, question)
    else:
        await world.hears(thanks)
        await world.hears(question)

    [clock], [item] = await world.rows("clocks"), await world.rows("work_items")
    assert (clock["item_id"], clock["state"], clock["due_at"]) == (item["id"], "running", item["due_at"])


async def test_thanks_that_a_person_makes_urgent_get_a_clock(world: World) -> None:
    await world.hears(mention("1", urgency="none"))
    [item] = (await world.get("/v1/work-items"))["items"]
    await world.call("POST", f"/v1/work-items/{item['id']}/urgency", {"urgency": "high", "note": "read it again"})

    [clock], [item] = await world.rows("clocks"), await world.rows("work_items")
    assert (clock["state"], clock["due_at"]) == ("running", item["due_at"])


@pytest.mark.parametrize("end", ["answered", "deleted", "escalated"])
async def test_an_offer_ends_with_what_was_offered(world: World, end: str) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="push", supervisor="leads")
    await world.set_up("queues", "leads")
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    await world.dispatched()
    if end == "escalated":
        [item] = (await world.get("/v1/work-items"))["items"]
        await world.call("POST", f"/v1/work-items/{item['id']}/escalate", {})
    else:
        await world.hears(own_post("o1", to="1", at=now()) if end == "answered" else deleted("1"))

    [offer] = await world.rows("reservations")
    assert (offer["state"], offer["ended_at"] is not None) == ("rescinded", True)
    assert (await world.get("/v1/agents/ana"))["used"] == 0


async def test_who_claims_and_who_is_given_a_customer_they_know_is_explained(world: World) -> None:
    await world.agent("ana", capacity=4)
    await world.hears(mention("1", at=now()))
    [item] = (await world.get("/v1/work-items"))["items"]
    await world.call("POST", f"/v1/work-items/{item['id']}/claim", {"agent": "ana"})
    await world.hears(reply("r1", to="1", at=now(), agent="ana"))
    await world.hears(mention("2", at=now() + SECOND))

    steps = await world.rows("work_item_changes ORDER BY at, version")
    assert [step["reason"] for step in steps] == ["claimed", "answered", "same_agent"]
    assert all('"used"' in str(step["why"]) for step in steps if step["reason"] != "answered")


async def test_what_is_answered_and_in_its_wrap_up_goes_to_nobody(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], wrap_up_seconds=60, supervisor="leads")
    await world.set_up("queues", "leads")
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    item = (await world.take("ana", ["fr"]))["item"]["id"]
    await world.hears(own_post("o1", to="1", at=now()))

    await world.call("POST", f"/v1/work-items/{item}/release", {}, 409)
    await world.call("POST", f"/v1/work-items/{item}/escalate", {}, 409)
    await world.call("POST", f"/v1/work-items/{item}/transfer", {"queue": "leads"}, 409)
    assert [row["state"] for row in await world.rows("work_items")] == ["wrapping"]


async def test_a_deadline_that_comes_nearer_is_seen_in_time_by_who_holds_the_item(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", at=now(), urgency="low"))
    await world.take("ana", ["fr"])
    await world.hears(mention("2", at=now() + SECOND, urgency="critical"))

    await world.time_passes(16 * MINUTE)
    assert [(row["state"], bool(row["late"])) for row in await world.rows("work_items")] == [("assigned", True)]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_item_answered_while_it_is_being_released_stays_answered(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], wrap_up_seconds=60)
    await world.agent("ana")
    await world.hears(mention("1", at=now()))
    item = (await world.take("ana", ["fr"]))["item"]["id"]

    async with world.database.begin() as session:
        await agents.lock_agents(session, {"ana"})
        releasing = asyncio.create_task(world.http.post(f"/v1/work-items/{item}/release", json={}))

        async def waits() -> bool:
            async with world.another_replica.read() as other:
                return bool((await other.execute(_LOCKED_OUT)).scalar_one())

        await eventually("the release waiting for the agent", waits, 10)
        await world.messages.on_messages([own_post("o1", to="1", at=now())], session)

    assert (await releasing).status_code == 409
    assert [row["state"] for row in await world.rows("work_items")] == ["wrapping"]


async def test_a_line_that_was_never_committed_is_not_taken_for_one_that_is(world: World) -> None:
    lines = Lines()

    async def undone() -> None:
        async with world.database.begin() as session:
            await session.execute(sa.text("INSERT INTO lines (line, queue) VALUES ('fr main', 'fr')"))
            assert "fr main" in await lines.known(session, {"fr main"})
            raise Raced("another was quicker")

    with pytest.raises(Raced):
        await undone()
    async with world.database.begin() as session:
        assert "fr main" not in await lines.known(session, {"fr main"})
