"""The expected wait, from items that were answered to what is promised and kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.router.messages import mention, own_post
from tests.integration.router.waits_office import MINUTE, Office, office_of

LOOK = timedelta(seconds=30)


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office_of(database_url, tmp_path) as office:
        yield office


async def test_a_wait_is_known_once_twenty_were_answered(office: Office) -> None:
    await office.agent()
    await office.answered_before(19, 400)
    assert (await office.looks(LOOK))["fr"].seconds() is None

    await office.answered_before(1, 400, days_ago=2)
    await office.looks(2 * LOOK)
    known = (await office.looks(3 * LOOK))["fr"]  # what is said changes with the second look that sees it

    assert known.seconds() == (600, 600, 600)
    assert known.memory.shown[0].regime == "idle"


async def test_with_nobody_there_the_wait_is_unknown_never_nothing(office: Office) -> None:
    await office.answered_before(30, 400)

    wait = (await office.looks(LOOK))["fr"]

    assert (wait.memory.shown[3].state, wait.memory.shown[3].reason) == ("unknown", "nobody_available")


async def test_every_item_that_joins_is_promised_what_was_published_and_scored(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    begun = await office.now()

    await office.hears(LOOK, mention("1", at=begun + LOOK + timedelta(seconds=1)))
    await office.looks(2 * LOOK)
    [promise] = [row for row in await office.rows("promises") if not row["item_id"].startswith("old")]
    await office.hears(3 * MINUTE, own_post("o1", to="1", at=begun + 3 * MINUTE))
    await office.looks(3 * MINUTE + LOOK)
    [kept] = [row for row in await office.rows("promises") if row["item_id"] == promise["item_id"]]

    assert (promise["state"], promise["promised_seconds"], promise["kept"]) == ("known", 600, None)
    assert bool(promise["idle"])
    assert (bool(kept["kept"]), round(kept["waited_seconds"])) == (True, 149)


async def test_silence_breaks_a_promise_when_its_time_is_over(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    await office.hears(LOOK, mention("1", at=await office.now() + LOOK))
    await office.looks(2 * LOOK)

    await office.looks(12 * MINUTE)

    [row] = [row for row in await office.rows("promises") if not row["item_id"].startswith("old")]
    assert row["kept"] is not None
    assert not row["kept"]
    assert row["ended_at"] is None


async def test_two_replicas_promise_once(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.looks(LOOK)
    await office.hears(LOOK, mention("1", at=await office.now() + LOOK))

    first, second = await office.looks(2 * LOOK), await office.looks(2 * LOOK)

    assert first["fr"].memory == second["fr"].memory
    published = await office.rows("published_waits")
    assert len({(row["queue"], row["urgency"], row["at"]) for row in published}) == len(published)
    assert len([row for row in await office.rows("promises") if not row["item_id"].startswith("old")]) == 1


async def test_a_line_makes_the_wait_longer(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    free = (await office.looks(LOOK))["fr"].seconds()

    begun = await office.now()
    await office.hears(LOOK, *[mention(str(n), author=f"p{n}", at=begun) for n in range(8)])
    await office.looks(2 * LOOK)
    busy = (await office.looks(3 * LOOK))["fr"]

    assert free is not None
    assert busy.seconds(2) is None or busy.seconds(2) > free
    assert busy.memory.ahead[2] == 8


async def test_no_wait_is_promised_that_is_faster_than_the_network_lets_us_post(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    begun = await office.now()
    await office.hears(LOOK, *[mention(str(n), author=f"p{n}", at=begun) for n in range(8)])
    ours = {}
    for budget in (1_000, 1):  # a thousand replies in a quarter of an hour, then one
        for tick in (2, 3, 4):
            ours[budget] = await office.looks((tick + (budget < 1_000) * 4) * LOOK, {"x": budget})

    free, limited = (ours[budget]["fr"].memory.shown[2] for budget in (1_000, 1))
    assert (free.state, limited.state) == ("known", "known")
    assert free.p50 < 6 * 900 <= limited.p50, "six have to be begun before there is room"


async def test_while_closed_the_wait_rolls_over_to_the_opening(office: Office) -> None:
    await office.agent()
    now = await office.now()
    tomorrow = (now + timedelta(days=2)).date().isoformat()
    await office.set_up("business-hours", "once", zone="UTC", week={}, exceptions={tomorrow: ["09:00-18:00"]})
    await office.set_up("queues", "fr", languages=["fr"], hours="once")
    await office.answered_before(30, 400)
    opens = datetime.fromisoformat(f"{tomorrow}T09:00:00").replace(tzinfo=UTC)

    await office.looks(LOOK)
    wait = (await office.looks(2 * LOOK))["fr"]

    p80 = wait.seconds()[1]
    assert timedelta(0) <= wait.at + timedelta(seconds=p80) - opens < timedelta(minutes=40)
