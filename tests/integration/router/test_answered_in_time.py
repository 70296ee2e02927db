"""What the router says of an answer for the report: opening time, and the promise that it ended."""

from datetime import timedelta

import pytest

from libs.common.events import MentionAnswered, StoppedClock, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention, own_post


async def told(world: World) -> list[MentionAnswered]:
    return of_type(MentionAnswered, await world.told())


async def test_an_answer_says_how_long_its_queue_was_open_meanwhile(world: World) -> None:
    await world.set_up("business-hours", "days", zone="UTC", week={"mon-sun": ["09:00-13:00", "14:00-18:00"]})
    await world.set_up("queues", "fr", languages=["fr"], hours="days")

    await world.hears(mention("1"), own_post("9", to="1", at=NOON + timedelta(hours=3)))

    [answered] = await told(world)
    assert (answered.queue, answered.business_seconds) == ("fr", 2 * 3600)  # 12-13 and 14-15


@pytest.mark.parametrize("late", [False, True])
async def test_an_answer_says_which_promise_it_ended_and_whether_it_was_kept(world: World, late: bool) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + MINUTE))
    [item] = await world.rows("work_items")
    [clock] = await world.rows("clocks")
    due = NOON + timedelta(minutes=90)
    at = due + timedelta(seconds=late)

    await world.hears(own_post("9", to="2", at=at))

    direct, covered = sorted(await told(world), key=lambda event: event.how, reverse=True)
    expected = StoppedClock(str(item["id"]), "first", "normal", NOON, due, not late, str(clock["policy"]))
    assert (direct.how, direct.post_id, direct.clock) == ("direct", "2", expected)
    assert (covered.how, covered.post_id, covered.clock) == ("covered", "1", expected)


async def test_an_answer_to_what_was_answered_ends_no_promise(world: World) -> None:
    await world.hears(
        mention("1"), own_post("8", to="1", at=NOON + MINUTE), own_post("9", to="1", at=NOON + 2 * MINUTE)
    )

    first, further = await told(world)

    assert (first.clock is None, further.clock) == (False, None)
    assert (first.business_seconds, further.business_seconds) == (60, 120)
