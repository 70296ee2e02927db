"""Messages in whatever order and however often they come: kept once, waiting once, answered once."""

import pytest

from libs.common.events import (
    Event,
    MentionAnswered,
    MentionRouted,
    ResponseBreached,
    WorkItemCanceled,
    WorkItemCompleted,
    of_type,
)
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention, own_post, reply


def _batches(how: str, first: Event, second: Event) -> list[list[Event]]:
    return [[first, second]] if how == "together" else [[first], [second]]


async def test_a_mention_waits_in_its_languages_queue_and_says_so(world: World) -> None:
    await world.hears(mention("1", urgency="high"))

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["state"], shown["queue"], shown["item"]["urgency"]) == ("opened", "fr", "high")
    [routed] = of_type(MentionRouted, await world.told())
    assert (routed.outcome, routed.queue, routed.item_id) == ("opened", "fr", shown["item"]["id"])


async def test_a_mention_delivered_twice_is_routed_once(world: World) -> None:
    await world.hears(mention("1"), mention("1"))
    before = await world.told()
    await world.hears(mention("1"))

    assert len(await world.rows("mentions")) == 1
    assert len(await world.rows("work_items")) == 1
    assert await world.told() == before


async def test_a_persons_further_messages_join_the_one_item(world: World) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + MINUTE))
    await world.hears(mention("3", at=NOON + 2 * MINUTE, urgency="critical"))

    [item] = await world.rows("work_items")
    assert (item["urgency"], item["rank"], item["version"]) == ("critical", 1, 2)
    assert {row["outcome"] for row in await world.rows("mentions")} == {"opened", "joined"}


async def test_messages_of_two_people_open_two_items(world: World) -> None:
    await world.hears(mention("1", author="jo"), mention("2", author="lu", language="en"))

    assert {(row["queue"], row["urgency"]) for row in await world.rows("work_items")} == {
        ("fr", "normal"),
        ("en", "normal"),
    }


async def test_what_needs_no_answer_is_kept_and_waits_in_no_queue(world: World) -> None:
    await world.hears(mention("1", decision="set_aside"))

    assert (await world.get("/v1/mentions/x/1"))["state"] == "set_aside"
    assert await world.rows("work_items") == []


@pytest.mark.parametrize("batches", ["together", "apart"])
async def test_an_answer_completes_the_item_and_says_what_it_answered(world: World, batches: str) -> None:
    asked, answer = mention("1"), own_post("o1", to="1", at=NOON + 5 * MINUTE)
    for batch in _batches(batches, asked, answer):
        await world.hears(*batch)

    [item] = await world.rows("work_items")
    assert (item["state"], item["reason"]) == ("completed", "answered_elsewhere")
    [answered] = of_type(MentionAnswered, await world.told())
    assert (answered.post_id, answered.own_post_id) == ("1", "o1")
    assert answered.answered_at - answered.posted_at == 5 * MINUTE
    assert len(of_type(WorkItemCompleted, await world.told())) == 1


@pytest.mark.parametrize("batches", ["together", "apart"])
async def test_an_answer_that_comes_before_its_mention_counts_all_the_same(world: World, batches: str) -> None:
    asked, answer = mention("1"), own_post("o1", to="1", at=NOON + 5 * MINUTE)
    for batch in _batches(batches, answer, asked):
        await world.hears(*batch)

    assert await world.rows("work_items") == []
    shown = await world.get("/v1/mentions/x/1")
    assert (shown["state"], shown["answered_by"]) == ("answered", "o1")
    [answered] = of_type(MentionAnswered, await world.told())
    assert answered.answered_at - answered.posted_at == 5 * MINUTE


async def test_the_earliest_answer_is_the_mentions_answer_whatever_the_order(world: World) -> None:
    await world.hears(mention("1"))
    await world.hears(own_post("late", to="1", at=NOON + 9 * MINUTE))
    await world.hears(own_post("early", to="1", at=NOON + 2 * MINUTE))

    assert (await world.get("/v1/mentions/x/1"))["answered_by"] == "early"


async def test_our_reply_seen_again_on_the_network_is_the_same_post(world: World) -> None:
    await world.hears(mention("1"))
    await world.hears(reply("99", to="1", at=NOON + MINUTE))
    before = await world.told()
    await world.hears(own_post("99", to="1", at=NOON + MINUTE))

    [own] = await world.rows("own_posts")
    assert (own["reply_id"], own["agent"]) == ("rep_99", "ana")
    assert await world.told() == before


async def test_a_reply_frees_the_agent_who_held_the_item(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("1"))
    await world.take("ana")
    await world.hears(reply("99", to="1", at=NOON + MINUTE))

    shown = await world.get("/v1/agents/ana")
    assert (shown["used"], shown["availability"]) == (0, "available")
    [item] = await world.rows("work_items")
    assert (item["state"], item["reason"], item["agent"]) == ("completed", "answered", "ana")


async def test_an_older_answer_leaves_a_newer_question_waiting(world: World) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + 9 * MINUTE))
    await world.hears(own_post("o1", to="1", at=NOON + 5 * MINUTE))

    [item] = await world.rows("work_items")
    assert item["state"] == "pending"
    assert [event.post_id for event in of_type(MentionAnswered, await world.told())] == ["1"]


async def test_the_customer_writing_again_after_the_answer_opens_a_new_item(world: World) -> None:
    await world.hears(mention("1"), own_post("o1", to="1", at=NOON + MINUTE))
    await world.hears(mention("2", at=NOON + 2 * MINUTE))

    states = sorted(row["state"] for row in await world.rows("work_items"))
    assert states == ["completed", "pending"]
    assert len(await world.rows("conversations")) == 1


async def test_an_edit_changes_the_text_and_an_older_version_does_not(world: World) -> None:
    await world.hears(mention("1", version=2, text="two"))
    await world.hears(mention("1", version=3, text="three"))
    await world.hears(mention("1", version=1, text="one"))

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["text"], shown["version"]) == ("three", 3)
    assert len(await world.rows("work_items")) == 1


async def test_an_edit_that_makes_a_message_more_urgent_raises_its_item_and_says_why(world: World) -> None:
    await world.hears(mention("1", urgency="none"))
    await world.hears(mention("1", version=2, urgency="critical", text="your driver hit me"))

    [item] = await world.rows("work_items")
    assert (item["urgency"], item["rank"], item["due_at"] is not None) == ("critical", 1, True)
    history = (await world.get(f"/v1/work-items/{item['id']}"))["history"]
    assert [(change["version"], change["reason"]) for change in history] == [(2, "more_urgent")]


async def test_a_mention_belongs_to_the_team_of_its_handle(world: World) -> None:
    await world.hears(mention("1", team="nord"))

    shown = await world.other_team.get("/v1/mentions/x/1")
    assert (shown.status_code, shown.json()["team"]) == (200, "nord")


async def test_an_id_with_a_slash_can_be_asked_for(world: World) -> None:
    await world.hears(mention("A/17", network="crm"))

    assert (await world.get("/v1/mentions/crm/A%2F17"))["post_id"] == "A/17"


async def test_a_deleted_post_loses_its_text_and_waits_for_nobody(world: World) -> None:
    await world.hears(mention("1"))
    await world.hears(deleted("1"))

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["state"], shown["text"], shown["author_username"]) == ("deleted", "", "")
    [item] = await world.rows("work_items")
    assert (item["state"], item["reason"]) == ("canceled", "deleted")
    assert len(of_type(WorkItemCanceled, await world.told())) == 1


@pytest.mark.parametrize("batches", ["together", "apart"])
async def test_a_post_deleted_before_it_came_never_shows_its_text(world: World, batches: str) -> None:
    gone, late = deleted("1"), mention("1", text="secret")
    for batch in _batches(batches, gone, late):
        await world.hears(*batch)

    assert (await world.get("/v1/mentions/x/1"))["text"] == ""
    assert await world.rows("work_items") == []


async def test_a_post_deleted_in_the_batch_it_came_in_is_kept_as_deleted(world: World) -> None:
    await world.hears(mention("1"), deleted("1"))

    assert (await world.get("/v1/mentions/x/1"))["text"] == ""
    assert [row["state"] for row in await world.rows("work_items")] == ["canceled"]


async def test_a_large_batch_is_one_transaction_with_every_message_once(world: World) -> None:
    people = [f"p{n}" for n in range(250)]
    batch = [mention(f"{who}-{n}", author=who, at=NOON + n * MINUTE) for n in (0, 1) for who in people]

    await world.hears(*batch)
    await world.hears(*batch)

    assert len(await world.rows("mentions")) == 500
    assert len(await world.rows("work_items")) == 250
    assert len(of_type(MentionRouted, await world.told())) == 500
    assert len(of_type(ResponseBreached, await world.told())) == 250, "their deadlines passed long ago"


async def test_an_answer_and_a_new_question_in_one_batch_close_the_old_item_and_open_a_new_one(world: World) -> None:
    await world.hears(mention("1"))
    await world.hears(own_post("o1", to="1", at=NOON + MINUTE), mention("2", at=NOON + 2 * MINUTE))

    states = {row["opened_by"]: row["state"] for row in await world.rows("work_items")}
    assert states == {"1": "completed", "2": "pending"}
