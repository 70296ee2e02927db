"""A reply of ours that did not go out: nobody is forgotten over it."""

from typing import Any

from libs.common.events import ReplyFailed
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention, reply


def failed(to: str, **more: Any) -> ReplyFailed:
    """Ana's reply to this post was refused."""
    return ReplyFailed(
        event_id=f"f-{to}", occurred_at=NOON, key="key-jo", reply_id="rep_1", network="x", in_reply_to=to,
        handle="acme", agent="ana", state="refused", reason="duplicate", **more,
    )  # fmt: skip


async def talk_of(world: World, author: str = "jo") -> dict[str, Any]:
    [talk] = (await world.get(f"/v1/conversations?author=x:{author}"))["items"]
    return dict(talk)


async def steps_of(world: World, talk: dict[str, Any]) -> list[str]:
    rows = await world.rows("conversation_changes")
    return [row["reason"] for row in rows if row["conversation_id"] == talk["id"]]


async def test_whose_item_is_open_has_it_still_and_the_timeline_says_what_happened(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"])
    await world.agent("ana")
    await world.hears(mention("1"))
    item = (await world.take("ana", ["fr"]))["item"]["id"]

    await world.hears(failed("1"))

    kept = await world.get(f"/v1/work-items/{item}")
    assert (kept["state"], kept["agent"]) == ("assigned", "ana")
    assert await steps_of(world, await talk_of(world)) == ["reply_failed"]
    [row] = await world.rows("conversation_changes")
    assert '"refused"' in str(row["why"])
    assert '"duplicate"' in str(row["why"])


async def test_what_was_done_on_the_word_of_its_agent_is_opened_again(world: World) -> None:
    await world.set_up("queues", "fr", languages=["fr"])
    await world.agent("ana")
    await world.hears(mention("1"))
    item = (await world.take("ana", ["fr"]))["item"]
    await world.call("POST", f"/v1/conversations/{item['conversation_id']}/resolve", {})

    await world.hears(failed("1"))

    talk = await talk_of(world)
    assert talk["state"] == "open"
    assert await steps_of(world, talk) == ["resolved", "reply_failed"]
    again = (await world.get("/v1/mentions/x/1"))["item"]
    assert (again["state"], again["id"] == item["id"]) == ("pending", False)
    assert (await world.get(f"/v1/work-items/{again['id']}"))["enqueued_at"] == item["enqueued_at"], (
        "it waited all along"
    )


async def test_who_was_answered_in_another_way_is_not_opened_again(world: World) -> None:
    await world.hears(mention("1"))
    await world.hears(reply("2", to="1", at=NOON + MINUTE))

    await world.hears(failed("1"))

    talk = await talk_of(world)
    assert talk["state"] == "waiting_customer"
    assert await steps_of(world, talk) == ["reply_failed"]
    assert (await world.get("/v1/work-items?state=pending"))["items"] == []


async def test_a_failed_reply_to_what_we_do_not_know_changes_nothing(world: World) -> None:
    await world.hears(failed("unknown"))

    assert await world.rows("conversation_changes") == []
