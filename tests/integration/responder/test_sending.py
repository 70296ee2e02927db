"""A reply goes out once, or a person is told that nobody knows: whatever the network does, whenever we die."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from libs.common import faults
from libs.common.events import ReplyFailed, ReplyPosted, of_type
from sandbox.limits import Limits
from services.responder.domain.posting import Pace
from tests.integration.responder.conftest import PACE, World
from tests.integration.responder.network import Sandbox, sandbox

LOOK = 181  # seconds after the reservation: the first look
LOOK_AGAIN = 242


class Killed(BaseException):
    """The process ends here."""


def kill() -> None:
    raise Killed


class Held(httpx2.AsyncBaseTransport):
    """A wire that gives the network's answer to a POST only when told to."""

    def __init__(self) -> None:
        self._wire = httpx2.AsyncHTTPTransport(trust_env=False)
        self.answered, self.go_on = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._wire.handle_async_request(request)
        self.answered.set()
        await self.go_on.wait()
        return answer

    async def aclose(self) -> None:
        await self._wire.aclose()


@pytest.fixture
async def network() -> AsyncIterator[Sandbox]:
    """Takes the same text again: a refusal would hide that we sent it twice."""
    async with sandbox(Limits(duplicates_within=timedelta(0))) as made:
        yield made


async def test_a_queued_reply_is_posted_and_told(world: World) -> None:
    id_ = await world.queued(agent="ana")

    await world.sends()

    reply = await world.reply(id_)
    [post] = await world.sandbox.received()
    assert (reply["state"], reply["own_post_id"]) == ("posted", post["id"])
    assert (post["account"], post["in_reply_to"], post["text"]) == ("acme", "1001", "On regarde ^Ana")
    [told] = of_type(ReplyPosted, await world.told())
    assert (told.reply_id, told.post_id, told.in_reply_to, told.agent) == (id_, post["id"], "1001", "ana")
    assert (told.key, told.author_id, told.thread_id) == ("key-jo", "222", "thread-jo")
    assert abs(told.posted_at.timestamp() - ((int(post["id"]) >> 22) + 1288834974657) / 1000) < 0.001


async def test_a_posted_reply_is_not_posted_again(world: World) -> None:
    await world.queued()
    for later in (0, 1, LOOK, LOOK_AGAIN, 7200):
        await world.sends(later)

    assert await world.sandbox.attempts() == 1
    assert len(await world.told()) == 1


@pytest.mark.parametrize("fault", [{"kind": "error_after_posting"}, {"kind": "no_answer", "seconds": 5}])
async def test_a_post_whose_answer_was_lost_is_found_on_our_timeline(world: World, fault: dict[str, object]) -> None:
    id_ = await world.queued()
    await world.sandbox.next(fault)
    await world.sends(pace=Pace(post_limit=timedelta(seconds=0.3)))
    assert (await world.reply(id_))["state"] == "unknown"

    await world.sends(later=120)  # too early to look
    assert (await world.reply(id_))["state"] == "unknown"
    await world.sends(later=LOOK)

    assert (await world.reply(id_))["state"] == "posted"
    assert await world.sandbox.per_mention() == {"1001": 1}
    [told] = of_type(ReplyPosted, await world.told())
    assert told.post_id == (await world.sandbox.received())[0]["id"]


async def test_a_post_that_was_not_made_is_made_after_two_looks(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "error", "status": 503})
    await world.sends()
    await world.sends(later=LOOK)
    assert (await world.reply(id_))["state"] == "unknown"
    await world.sends(later=LOOK_AGAIN)
    assert (await world.reply(id_))["state"] == "queued"

    await world.sends(later=LOOK_AGAIN + 1)

    assert (await world.reply(id_))["state"] == "posted"
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_a_late_timeline_does_not_make_a_second_post(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "late_timeline", "seconds": 200}, {"kind": "error_after_posting"})
    await world.sends()
    await world.sends(later=LOOK)
    assert (await world.reply(id_))["reason"] == "not on our timeline so far"

    await world.sends(later=LOOK_AGAIN)

    assert (await world.reply(id_))["state"] == "posted"
    assert await world.sandbox.attempts() == 1


@pytest.mark.parametrize("point", ["after_reserve_before_post", "after_post_before_confirm"])
async def test_a_process_killed_on_the_way_leaves_one_post(world: World, point: str) -> None:
    id_ = await world.queued()
    faults.plant(point, kill)
    with pytest.raises(Killed):
        await world.sends()
    assert faults.hits[point] == 1
    faults.clear()
    assert (await world.reply(id_))["state"] == "sending"

    for later in (LOOK, LOOK_AGAIN, LOOK_AGAIN + 1):
        await world.sends(later)

    assert (await world.reply(id_))["state"] == "posted"
    assert await world.sandbox.per_mention() == {"1001": 1}
    assert len(of_type(ReplyPosted, await world.told())) == 1


async def test_a_sender_that_was_frozen_does_not_post(world: World) -> None:
    id_ = await world.queued()

    await world.sends(pace=Pace(send_within=timedelta(0), post_limit=PACE.post_limit))

    assert await world.sandbox.attempts() == 0
    assert (await world.reply(id_))["state"] == "queued"


async def test_who_lost_the_fence_changes_nothing(world: World) -> None:
    """The first sender hangs in its POST so long that a second one has looked, sent and posted."""
    id_ = await world.queued()
    await world.sandbox.next({"kind": "error"})
    held = Held()
    async with world.sender(transport=held, pace=Pace()) as frozen:
        await frozen.turn()
        await held.answered.wait()
        for later in (LOOK, LOOK_AGAIN, LOOK_AGAIN + 1):
            await world.sends(later)
        before = await world.reply(id_)
        held.go_on.set()
        await frozen.finish()

    assert before["state"] == "posted"
    assert await world.reply(id_) == before
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_a_late_confirmation_is_believed(world: World) -> None:
    """Others doubt already whether it went out; then its sender wakes up and knows."""
    id_ = await world.queued()
    held = Held()
    async with world.sender(transport=held, pace=Pace()) as frozen:
        await frozen.turn()
        await held.answered.wait()
        await world.sandbox.next({"kind": "error", "on": "read"})
        await world.sends(LOOK)
        assert (await world.reply(id_))["state"] == "unknown"
        held.go_on.set()
        await frozen.finish()

    assert (await world.reply(id_))["state"] == "posted"
    assert len(of_type(ReplyPosted, await world.told())) == 1


async def test_nobody_knows_after_half_an_hour(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "error_after_posting"}, {"kind": "error", "on": "read", "count": 100})
    await world.sends()
    await world.sends(later=LOOK)
    assert (await world.reply(id_))["state"] == "unknown"

    await world.sends(later=1801)

    reply = await world.reply(id_)
    assert (reply["state"], reply["reason"]) == ("needs_human", "we don't know whether this went out")
    [told] = of_type(ReplyFailed, await world.told())
    assert (told.reply_id, told.state, told.key) == (id_, "needs_human", "key-jo")
    assert await world.sandbox.attempts() == 1


async def test_a_duplicate_refusal_is_looked_into_not_believed(world: World) -> None:
    await world.sandbox.seed(*[{"id": id_, "text": "Bravo", "username": "jo"} for id_ in ("1001", "1002")])
    first = await world.queued("1001", text="Merci !")
    await world.sends()
    second = await world.queued("1002", text="Merci !")
    await world.sandbox.next({"kind": "duplicate"})
    await world.sends()

    assert (await world.reply(first))["state"] == "posted"
    assert (await world.reply(second))["state"] == "unknown"
    await world.sends(later=LOOK)
    assert (await world.reply(second))["state"] == "unknown"  # the other's post is not its own


async def test_a_limited_network_is_left_alone_until_it_says(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "rate_limited", "seconds": 600})
    await world.sends()
    await world.sends(later=590)
    assert await world.sandbox.attempts() == 1
    assert (await world.reply(id_))["state"] == "queued"

    await world.sends(later=610)

    assert (await world.reply(id_))["state"] == "posted"


async def test_a_limit_that_ends_within_this_second_is_not_waited_for_a_minute(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "rate_limited", "seconds": 0.01})
    await world.sends()
    assert (await world.reply(id_))["state"] == "queued"

    await world.sends(later=5)

    assert (await world.reply(id_))["state"] == "posted"


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_refusal_is_told_with_the_networks_words(world: World, status: int) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "error", "status": status})

    await world.sends()

    reply = await world.reply(id_)
    assert reply["state"] == "refused"
    assert reply["reason"] == f"the network said {status}: Something went wrong."
    [told] = of_type(ReplyFailed, await world.told())
    assert (told.state, told.reason) == ("refused", reply["reason"])


async def test_a_network_that_cannot_be_reached_is_tried_again(world: World) -> None:
    id_ = await world.queued()
    await world.sends(url="http://127.0.0.1:9")
    reply = await world.reply(id_)
    assert (reply["state"], reply["reason"]) == ("queued", "the network could not be reached: ConnectError")

    await world.sends(later=2)

    assert (await world.reply(id_))["state"] == "posted"


async def test_two_senders_send_each_reply_once(world: World) -> None:
    ids = [await world.queued(str(2000 + n), text=f"Bonjour {n}") for n in range(12)]
    async with world.sender() as one, world.sender() as other:
        for _ in range(3):
            await asyncio.gather(one.turn(), other.turn())
            await asyncio.gather(one.finish(), other.finish())

    assert {(await world.reply(id_))["state"] for id_ in ids} == {"posted"}
    assert await world.sandbox.per_mention() == {str(2000 + n): 1 for n in range(12)}


async def test_a_follow_up_is_not_mistaken_for_what_it_follows(world: World) -> None:
    first = await world.queued(text="Un instant ^Ana")
    await world.sends()
    answer = await world.ask(text="C'est réglé ^Ana", follow_up_of=first)
    await world.sandbox.next({"kind": "error"})
    await world.sends()

    await world.sends(later=LOOK)

    follow_up = await world.reply(answer.json()["id"])
    assert follow_up["state"] == "unknown"
    await world.sends(later=LOOK_AGAIN)
    await world.sends(later=LOOK_AGAIN + 1)
    assert await world.sandbox.per_mention() == {"1001": 2}
