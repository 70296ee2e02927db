"""Nothing better waits unseen: behind what is not for who asks, in lines that are new, in queues that one oversees."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.router.handlers.dispatching import AT_ONCE
from services.router.handlers.recomputing import recompute
from services.router.handlers.taking import Ask, Takers
from services.router.store import lines
from services.router.store.setup import Setups
from tests.integration.router.conftest import World, figures
from tests.integration.router.messages import mention
from tests.proof.house import eventually

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ANYBODY = frozenset({"*"})
BEHIND = AT_ONCE + 10


def now() -> datetime:
    return datetime.now(UTC)


async def one_behind_many(world: World, **others: object) -> str:
    """Many items that wait, but for the last one with these columns; the id of the last."""
    await world.hears(*(mention(f"{n:03}", author=f"p{n}", at=now() + n * SECOND) for n in range(BEHIND + 1)))
    last: str = (await world.get(f"/v1/mentions/x/{BEHIND:03}"))["item"]["id"]
    change = ", ".join(f"{name} = :{name}" for name in others)
    async with world.database.begin() as session:
        await session.execute(sa.text(f"UPDATE work_items SET {change} WHERE id <> :last"), others | {"last": last})
    return last


async def routing_declined_by(world: World, agent: str) -> str:
    """What an item's column `routing` says after this agent declined it."""
    await world.hears(mention("first", author="first", at=now()))
    [row] = await world.rows("work_items")
    return json.dumps(json.loads(row["routing"]) | {"declined_by": [agent]})


@pytest.mark.parametrize("dispatch", ["push", "assign"])
async def test_what_was_not_declined_is_given_however_much_before_it_was(world: World, dispatch: str) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch=dispatch)
    await world.agent("ana")
    last = await one_behind_many(world, routing=await routing_declined_by(world, "ana"))

    assert await world.dispatched() == 1
    assert [row["id"] for row in await world.rows("work_items") if row["agent"]] == [last]


async def test_who_has_a_little_room_is_given_what_is_light_however_much_before_it_is_heavy(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="assign")
    await world.agent("ana", capacity=1)
    last = await one_behind_many(world, weight=2)

    assert await world.dispatched() == 1
    assert [row["id"] for row in await world.rows("work_items") if row["agent"]] == [last]


async def test_behind_all_that_was_seen_of_a_line_may_wait_what_comes_before_another_lines(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"], dispatch="assign")
    rule = {"name": "en", "queue": "fr", "when": {"languages": ["en"]}, "steps": [{"requires": [{"skill": "lang:en"}]}]}
    await world.set_up("routing-policies", "main", rules=[rule])
    await world.agent("ana", capacity=AT_ONCE + 1, skills={"lang:en": 3})
    french = [mention(f"{n:03}", author=f"p{n}", at=now() - HOUR / 4 + n * SECOND) for n in range(AT_ONCE + 1)]
    await world.hears(*french, mention("en", author="jo", language="en", at=now()))

    assert await world.dispatched() == AT_ONCE + 1
    [left] = [row for row in await world.rows("work_items") if not row["agent"]]
    assert left["line"] == "fr main lang:en=1"


async def test_who_asks_gets_what_they_did_not_decline_however_much_before_it_they_did(world: World) -> None:
    await world.agent("ana")
    last = await one_behind_many(world, routing=await routing_declined_by(world, "ana"))

    assert (await world.take("ana", ["fr"]))["item"]["id"] == last


async def test_who_asks_with_a_little_room_gets_what_is_light_however_much_before_it_is_heavy(world: World) -> None:
    await world.agent("ana", capacity=1)
    last = await one_behind_many(world, weight=2)

    assert (await world.take("ana", ["fr"]))["item"]["id"] == last


async def test_a_supervisor_gets_what_is_late_whoever_asks_in_the_same_moment(world: World) -> None:
    await world.set_up("queues", "leads")
    await world.set_up("queues", "fr", languages=["fr"], supervisor="leads")
    rule = {"name": "legal", "queue": "fr", "steps": [{"requires": [{"skill": "legal", "level": 3}]}]}
    await world.set_up("routing-policies", "main", rules=[rule])
    await world.agent("ana")
    await world.agent("lea", queues=["leads"])
    await world.hears(mention("1", at=now() - 100 * HOUR))
    takers = Takers(world.database, Setups(), figures())

    of_all, of_hers = await asyncio.gather(
        takers.take(Ask("ana", (), ANYBODY, "test")), takers.take(Ask("lea", ("leads",), ANYBODY, "test"))
    )

    assert of_all is None, "she has not the skill"
    assert of_hers is not None
    assert of_hers.item.agent == "lea"


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_line_that_came_while_one_waited_for_the_queue_is_looked_at(world: World) -> None:
    async def its_lines() -> list[str]:
        async with world.another_replica.begin() as session:
            return await lines.lock(session, ["fr"])

    async def waits() -> bool:
        async with world.database.read() as other:
            return bool((await other.execute(_WAITS)).scalar_one())

    async with world.database.begin() as session:
        await lines.lock(session, ["fr"])
        other = asyncio.create_task(its_lines())
        await eventually("the other waiting for the queue", waits, 10)
        await world.hears(mention("1", at=now()))

    assert await other == ["fr main"]


async def test_a_line_that_a_change_of_the_set_up_made_is_looked_at(world: World) -> None:
    def rule(share: float) -> dict[str, object]:
        step = {"requires": [{"skill": "legal", "level": 3}], "expires_at_share": share}
        return {"name": "legal", "queue": "fr", "steps": [step, {"requires": []}]}

    await world.set_up("queues", "fr", languages=["fr"])
    await world.set_up("routing-policies", "main", rules=[rule(0.9)])
    await world.agent("ana")
    await world.hears(mention("1", at=now() - HOUR / 4))
    assert [row["line"] for row in await world.rows("lines")] == ["fr main legal=3"]

    await world.set_up("routing-policies", "main", rules=[rule(0.001)])
    async with world.database.begin() as session:
        await recompute(session, await Setups().current(session), "queues", "fr", now())

    assert (await world.take("ana", ["fr"]))["mention"]["post_id"] == "1"


_WAITS = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
                 "(SELECT oid FROM pg_database WHERE datname = current_database())")  # fmt: skip
