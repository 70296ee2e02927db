"""What a machine of ours writes answers nobody; what customers say to it is understood."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.common.events import ConversationResolved, MentionAnswered, MentionRouted, WorkItemCompleted, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention, own_post, reply
from tests.integration.router.talks import do, taken, the_conversation

SEEN = own_post("9", to="1", at=NOON + MINUTE, private=True)


def machine(kind: str = "automatic", *, to: str = "1", post_id: str = "9", **more: Any) -> Any:
    """A machine's message, as the responder tells it."""
    return reply(post_id, to=to, at=NOON + MINUTE, agent="", kind=kind, private=True, **more)


async def test_an_acknowledgement_stops_no_clock_and_completes_nothing(world: World) -> None:
    await world.hears(mention("1", private=True))

    await world.hears(machine())

    [item] = await world.rows("work_items")
    assert item["state"] == "pending"
    shown = await world.get("/v1/mentions/x/1")
    assert shown["answered_at"] is None
    assert (await the_conversation(world))["state"] == "open"
    [told] = of_type(MentionAnswered, await world.told())
    assert (told.automatic, told.clock) == (True, None)


@pytest.mark.parametrize("first", ["seen", "told"])
async def test_it_stops_nothing_whichever_way_it_came_first(world: World, first: str) -> None:
    await world.hears(mention("1", private=True))
    for event in (SEEN, machine()) if first == "seen" else (machine(), SEEN):
        await world.hears(event)

    items = await world.rows("work_items")
    [waiting] = [item for item in items if item["state"] == "pending"]
    assert waiting["enqueued_at"] == items[0]["enqueued_at"], "it waited all along"
    shown = await world.get("/v1/mentions/x/1")
    assert (shown["answered_at"], shown["covered_at"]) == (None, None)
    talk = await the_conversation(world)
    assert talk["state"] == "open"
    assert of_type(MentionAnswered, await world.told())[-1].automatic


async def test_together_in_one_batch_it_is_known_too(world: World) -> None:
    await world.hears(mention("1", private=True), SEEN, machine())

    assert (await the_conversation(world))["state"] == "open"


async def test_what_a_person_answered_beside_it_stays_answered(world: World) -> None:
    await world.hears(mention("1", private=True), SEEN, reply("8", to="1", at=NOON + 2 * MINUTE))

    await world.hears(machine())

    shown = await world.get("/v1/mentions/x/1")
    assert shown["answered_at"] == "2026-03-02T12:02:00Z"
    assert [item["state"] for item in await world.rows("work_items")] == ["completed"]
    told = of_type(MentionAnswered, await world.told())[-2:]
    assert [(answer.own_post_id, answer.how, answer.automatic) for answer in told] == [
        ("9", "direct", True),
        ("8", "direct", False),
    ]


async def test_told_twice_changes_nothing(world: World) -> None:
    await world.hears(mention("1", private=True), SEEN)
    await world.hears(machine())
    before = await world.rows("work_items"), await world.rows("conversation_changes")

    await world.hears(machine())

    assert (await world.rows("work_items"), await world.rows("conversation_changes")) == before


async def test_a_rating_needs_no_answer(world: World) -> None:
    await resolved_and_asked(world)

    await world.hears(mention("2", private=True, text="4 !", at=NOON + 90 * MINUTE))

    told = of_type(MentionRouted, await world.told())[-1]
    assert (told.rating, told.comment, told.outcome) == (4, "", "set_aside")
    assert (await the_conversation(world))["state"] == "resolved"


async def test_a_rating_with_words_is_read_by_an_agent(world: World) -> None:
    await resolved_and_asked(world)

    await world.hears(mention("2", private=True, text="1, toujours en panne", at=NOON + 90 * MINUTE))

    told = of_type(MentionRouted, await world.told())[-1]
    assert (told.rating, told.comment, told.outcome) == (1, "toujours en panne", "opened")


async def test_only_the_first_message_after_a_survey_rates(world: World) -> None:
    await resolved_and_asked(world)

    await world.hears(mention("2", private=True, text="Merci", decision="set_aside", at=NOON + 80 * MINUTE))
    await world.hears(mention("3", private=True, text="2", at=NOON + 90 * MINUTE))

    assert [told.rating for told in of_type(MentionRouted, await world.told())] == [0, 0, 0]


async def test_stop_is_told_and_needs_no_answer(world: World) -> None:
    await resolved_and_asked(world)

    await world.hears(mention("2", private=True, text="STOP", at=NOON + 90 * MINUTE))

    told = of_type(MentionRouted, await world.told())[-1]
    assert (told.stop, told.rating, told.outcome) == (True, 0, "set_aside")


async def test_stop_said_to_a_person_is_a_message_like_any_other(world: World) -> None:
    await world.hears(mention("1", private=True, text="stop"))

    [told] = of_type(MentionRouted, await world.told())
    assert (told.stop, told.outcome) == (False, "opened")


async def test_that_a_conversation_is_resolved_is_told_even_where_nothing_waited(world: World) -> None:
    await world.hears(mention("1", private=True), reply("8", to="1", at=NOON + MINUTE))

    await do(world, (await the_conversation(world))["id"], "resolve")

    [told] = of_type(ConversationResolved, await world.told())
    assert (told.author_id, told.agent, told.private, told.cycle) == ("jo", "ana", True, 1)
    assert [event.reason for event in of_type(WorkItemCompleted, await world.told())] == ["answered"]


async def test_how_a_mention_called_us_is_passed_on(world: World) -> None:
    await world.hears(mention("1", summoned="quoted"))

    assert [told.summoned for told in of_type(MentionRouted, await world.told())] == ["quoted"]


async def test_every_deletion_is_told_without_the_person(world: World) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + MINUTE))

    await world.hears(deleted("2"))

    told = of_type(MentionRouted, await world.told())[-1]
    assert (told.post_id, told.outcome, told.author_id, told.author_username) == ("2", "deleted", "", "")
    assert [item["state"] for item in await world.rows("work_items")] == ["pending"]


async def test_who_deletes_one_of_two_messages_still_waits_for_the_other(world: World) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + MINUTE))

    await world.hears(deleted("1"))

    assert [item["state"] for item in await world.rows("work_items")] == ["pending"]
    await world.hears(deleted("2"))
    assert [item["state"] for item in await world.rows("work_items")] == ["canceled"]


async def resolved_and_asked(world: World) -> None:
    """A private conversation that Ana answered and resolved, and a survey an hour later."""
    await world.set_up("queues", "fr", languages=["fr"])
    await world.agent("ana")
    await taken(world, "1", private=True)
    await world.hears(reply("8", to="1", at=NOON + MINUTE, private=True))
    await do(world, (await the_conversation(world))["id"], "resolve")
    await world.hears(machine("survey"))


async def test_a_clock_that_an_agents_word_ends_is_counted_as_canceled(world: World) -> None:
    talk = await taken(world, "1", at=datetime.now(UTC))

    await do(world, talk, "resolve")

    shown = (await world.http.get("/metrics")).text
    assert 'sla_clocks_total{kind="first",outcome="canceled",policy="default"} 1.0' in shown


async def test_the_timeline_says_what_a_machine_wrote(world: World) -> None:
    await world.hears(mention("1", private=True), machine())

    lines = (await world.get(f"/v1/conversations/{(await the_conversation(world))['id']}/timeline"))["items"]
    assert [line["written_as"] for line in lines if line.get("side") == "brand"] == ["automatic"]
