"""A message is deleted: nobody answers it, and what was written about it goes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from libs.common.db import FEW
from libs.common.events import MentionRouted, ReplyFailed, of_type
from services.responder.domain.posting import Pace
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed
from tests.integration.responder.test_replying_well import slug_of

PATIENT = Pace(post_limit=timedelta(seconds=10))


def deleted(post_id: str = "1001", *, after: int = 5, **more: Any) -> MentionRouted:
    """As the router tells it: nothing of the person, and no labels."""
    fields: dict[str, Any] = {
        "event_id": f"gone-{post_id}",
        "occurred_at": NOON + after * MINUTE,
        "author_id": "",
        "author_username": "",
        "thread_id": "",
        "language": "und",
        "intent": "chatter",
        "urgency": "none",
        "outcome": "deleted",
        "item_id": "",
        "queue": "",
    }
    return routed(post_id, **fields | more)


class _Meanwhile(httpx2.AsyncBaseTransport):
    """Does something else while a post is on its way to the network."""

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self._act = act
        self._network = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            await self._act()
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


async def sends_while(world: World, act: Callable[[], Awaitable[None]]) -> None:
    """One turn of the sender, and this between the reservation and the network."""
    async with world.sender(transport=_Meanwhile(act), pace=PATIENT) as sender:
        await sender.turn()
        await sender.finish()


async def row(world: World, post_id: str = "1001") -> dict[str, Any]:
    [found] = [each for each in await world.rows("targets") if each["post_id"] == post_id]
    return found


async def test_a_deleted_mention_is_not_answered_and_the_problem_says_what_happened(world: World) -> None:
    await world.hears(routed())
    await world.hears(deleted())
    refused = await world.ask(text="Trop tard")

    assert (refused.status_code, slug_of(refused)) == (409, "mention-deleted")
    said = refused.json()
    assert (said["deleted_at"], said["post_id"], said["text"]) == ("2026-03-02T12:05:00+00:00", "1001", "Trop tard")
    assert "1001 on x was taken away" in said["detail"]
    assert said["fix"] == "Nothing of this conversation is left to answer."
    assert await world.rows("replies") == []
    assert (await world.ask(text="Trop tard", state="draft")).status_code == 409


async def test_the_latest_message_that_is_still_there_is_named_instead(world: World) -> None:
    await world.hears(*[routed(str(1000 + n), conversation_version=n) for n in (1, 2, 3)])
    await world.hears(routed("2001", conversation_id="cnv_2", conversation_version=9))
    await world.hears(deleted("1001"), deleted("1003"))
    said = (await world.ask("1001")).json()

    assert "Answer 1002 instead" in said["fix"]
    assert said["answer_instead"] == {"network": "x", "post_id": "1002", "href": "/v1/mentions/x/1002"}
    options = (await world.http.get("/v1/reply-options?network=x&post_id=1003")).json()
    assert (options["can_reply"], options["reason"], options["can_dm"]) == ("no", "deleted", "no")
    assert (options["answer_instead"], options["answer_url"]) == ({"network": "x", "post_id": "1002"}, None)
    assert (await world.ask("1002")).status_code == 202


async def test_nothing_of_the_person_stays_and_the_labels_do(world: World) -> None:
    await world.hears(routed(private=True))
    await world.hears(deleted())

    kept = await row(world)
    assert (kept["author_id"], kept["author_username"], kept["thread_id"]) == ("", "", "")
    assert (kept["outcome"], bool(kept["private"]), kept["intent"], kept["queue"]) == (
        "deleted",
        True,
        "complaint",
        "fr",
    )


@pytest.mark.parametrize("more", [0, 2 * FEW])
async def test_what_is_deleted_stays_so_whatever_comes_late(world: World, more: int) -> None:
    others = [routed(str(2000 + n)) for n in range(more)]
    await world.hears(routed())
    await world.hears(deleted(), routed())
    await world.hears(routed(occurred_at=NOON + MINUTE), *others)
    await world.hears(routed(queue="en", occurred_at=NOON + 60 * MINUTE), deleted(after=90))

    kept = await row(world)
    assert (kept["outcome"], kept["author_username"], kept["queue"]) == ("deleted", "", "fr")
    assert (await world.ask()).json()["deleted_at"] == "2026-03-02T12:05:00+00:00"


async def test_a_deletion_that_overtakes_its_mention_is_remembered(world: World) -> None:
    await world.hears(deleted())
    await world.hears(routed(), routed("1002", conversation_version=2))

    assert ((await row(world))["outcome"], (await row(world))["author_username"]) == ("deleted", "")
    assert (await world.ask()).status_code == 409


async def test_drafts_and_queued_replies_go_with_their_texts(world: World) -> None:
    await world.hears(routed("1001"), routed("1002", conversation_id="cnv_2"), routed("1003", summoned="not"))
    draft = (await world.ask("1001", text="brouillon", state="draft")).json()["id"]
    queued = (await world.ask("1001", text="en route")).json()["id"]
    other = (await world.ask("1002", text="reste")).json()["id"]
    by_hand = (await world.ask("1003", text="à la main")).json()["id"]
    await world.hears(deleted("1001"), deleted("1003"))

    for id_ in (draft, queued, by_hand):
        reply = await world.reply(id_)
        assert (reply["state"], reply["reason"], reply["text"]) == ("canceled", "deleted", "")
    assert ((await world.reply(other))["state"], (await world.reply(other))["text"]) == ("queued", "reste")
    await world.sends()
    assert await world.sandbox.per_mention() == {"1002": 1}
    assert world.registry.get_sample_value("replies_total", {"outcome": "canceled"}) == 2 + 1
    await world.hears(deleted("1001"))
    assert (await world.reply(draft))["version"] == 2


async def test_a_repeated_request_does_not_bring_the_text_back(world: World) -> None:
    await world.hears(routed("1001"), routed("1002", conversation_id="cnv_2"))
    first = await world.ask("1001", text="brouillon", state="draft", key="k-1")
    other = await world.ask("1002", text="reste", key="k-2")
    await world.hears(deleted("1001"))
    again = await world.ask("1001", text="brouillon", state="draft", key="k-1")

    assert (again.status_code, again.json()) == (202, first.json() | {"text": ""})
    assert (await world.ask("1002", text="reste", key="k-2")).json() == other.json()
    assert not [row for row in await world.rows("idempotency_keys") if "brouillon" in row["body"]]


async def test_a_draft_that_went_with_its_mention_says_why(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1), routed("1002", conversation_version=2))
    draft = (await world.ask(text="brouillon", state="draft")).json()["id"]
    await world.hears(deleted())
    sent = await world.http.post(f"/v1/replies/{draft}/send")
    written = await world.http.put(f"/v1/replies/{draft}", json={"text": "encore"})

    assert [(each.status_code, slug_of(each)) for each in (sent, written)] == [(409, "mention-deleted")] * 2
    assert (written.json()["text"], sent.json()["answer_instead"]["post_id"]) == ("encore", "1002")
    canceled = (await world.ask("1002", state="draft")).json()["id"]
    await world.http.post(f"/v1/replies/{canceled}/cancel", json={"reason": "deleted"})
    assert slug_of(await world.http.post(f"/v1/replies/{canceled}/send")) == "not-a-draft"


async def test_a_reply_that_is_out_stays(world: World) -> None:
    id_ = await world.queued(text="Bonjour")
    await world.sends()
    await world.hears(deleted())

    assert ((await world.reply(id_))["state"], (await world.reply(id_))["text"]) == ("posted", "Bonjour")


@pytest.mark.parametrize(("status", "state"), [(429, "canceled"), (400, "refused"), (201, "posted")])
async def test_what_was_on_its_way_is_taken_back_when_it_comes_back(world: World, status: int, state: str) -> None:
    id_ = await world.queued(text="Bonjour")
    if status != 201:
        await world.sandbox.next({"kind": "error", "status": status})
    states = []

    async def meanwhile() -> None:
        await world.hears(deleted())
        states.append((await world.reply(id_))["state"])

    await sends_while(world, meanwhile)
    reply = await world.reply(id_)

    assert states == ["sending"]
    assert (reply["state"], reply["text"]) == (state, "Bonjour" if state == "posted" else "")
    failed = [event.state for event in of_type(ReplyFailed, await world.told())]
    assert failed == (["refused"] if state == "refused" else [])
    await world.sends(later=3600)
    assert await world.sandbox.attempts() == 1


async def test_a_deleted_message_is_no_news(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1), routed("1002", conversation_version=2))
    await world.hears(deleted("1002"))
    assert (await world.ask("1001", based_on_version=1)).status_code == 202


async def test_the_report_counts_it_as_deleted_and_not_as_waiting(world: World) -> None:
    await world.hears(routed("1001", item_id="itm_1"), routed("1002", outcome="joined"), answered("1003"))
    await world.hears(deleted("1002"))

    states = {each["post_id"]: each["state"] for each in await world.rows("report_mentions")}
    assert states == {"1001": "waiting", "1002": "deleted"}
