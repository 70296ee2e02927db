"""Conversations change hands, become one, are answered by one reply; and what a person's say together."""

import asyncio
import random
from typing import Any

import pytest

from libs.common.events import Labels, MentionAnswered, MentionRouted, WorkItemAssigned, WorkItemCanceled, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention, own_post, reply
from tests.integration.router.talks import do, taken, the_conversation, used, wakes

# --- transfers


async def test_to_another_queue_it_waits_there_with_its_age_and_a_note(world: World) -> None:
    talk = await taken(world)
    await do(world, talk, "transfer", queue="en", note="speaks English")

    [item] = (await world.get("/v1/work-items?queue=en"))["items"]
    assert (item["state"], item["agent"], item["enqueued_at"]) == ("pending", None, "2026-03-02T12:00:00Z")
    [note] = (await world.get(f"/v1/conversations/{talk}/notes"))["items"]
    assert (note["text"], await used(world)) == ("speaks English", 0)


async def test_another_team_sees_what_it_is_given_and_no_other_conversation(world: World) -> None:
    await world.set_up("queues", "north", team="nord", languages=["fr"])
    await world.hears(mention("1"), mention("2", author="lu"))
    talk = (await the_conversation(world))["id"]
    assert (await world.other_team.get("/v1/conversations")).json()["items"] == []

    assert (await do(world, talk, "transfer", team="nord"))["team"] == "nord"

    [seen] = (await world.other_team.get("/v1/conversations")).json()["items"]
    assert seen["id"] == talk
    [item] = (await world.other_team.get("/v1/work-items")).json()["items"]
    assert (item["queue"], item["team"]) == ("north", "nord")
    assert (await world.other_team.get("/v1/mentions/x/1")).status_code == 200
    assert (await world.other_team.get("/v1/mentions/x/2")).status_code == 404
    retold = of_type(MentionRouted, await world.told())[-1]
    assert (retold.post_id, retold.team, retold.conversation_id) == ("1", "nord", talk), "who answers must know"
    await do(world, talk, "transfer", 404, team="nowhere")


async def test_to_an_agent_it_is_in_their_hands(world: World) -> None:
    talk = await taken(world)
    await world.agent("bob", capacity=1)

    await do(world, talk, "transfer", agent="bob")

    assert (await used(world, "ana"), await used(world, "bob")) == (0, 1)
    assert of_type(WorkItemAssigned, await world.told())[-1].agent == "bob"
    await world.hears(mention("2", author="lu"))
    other = (await the_conversation(world, "lu"))["id"]
    assert (await do(world, other, "transfer", 409, agent="bob"))["type"] == "urn:guichet:problem:no-room"
    assert (await do(world, other, "transfer", 422))["errors"], "it goes to exactly one"


async def test_a_transfer_ends_a_hold(world: World) -> None:
    talk = await taken(world)
    await do(world, talk, "hold")

    assert (await do(world, talk, "transfer", queue="en"))["state"] == "open"

    [item] = await world.rows("work_items")
    assert (item["state"], item["weight"]) == ("pending", 1)


# --- merges


async def test_two_conversations_become_one_with_one_open_item(world: World) -> None:
    await world.hears(mention("1", urgency="critical"), mention("2", author="lu", at=NOON + MINUTE))
    one, other = [(await the_conversation(world, who))["id"] for who in ("jo", "lu")]

    merged = await do(world, one, "merge", into=other)

    assert (merged["id"], merged["urgency"]) == (other, "critical")
    said = (await world.get(f"/v1/conversations/{other}/timeline"))["items"]
    assert [line["post_id"] for line in said if line["kind"] == "message"] == ["1", "2"]
    items = {row["opened_by"]: (row["state"], row["conversation_id"]) for row in await world.rows("work_items")}
    assert items == {"1": ("pending", other), "2": ("canceled", other)}
    assert of_type(WorkItemCanceled, await world.told())[-1].reason == "merged"
    gone = await world.get(f"/v1/conversations/{one}")
    assert (gone["state"], gone["reason"], gone["merged_into"]) == ("dismissed", "duplicate", other)
    assert (await world.get("/v1/mentions/x/2"))["item"]["state"] == "pending"
    assert (await do(world, one, "resolve", 409))["state"] == "merged"


async def test_what_comes_to_a_merged_conversation_goes_on_in_the_other(world: World) -> None:
    await world.hears(mention("1"), mention("2", author="lu"))
    one, other = [(await the_conversation(world, who))["id"] for who in ("jo", "lu")]
    await do(world, one, "merge", into=other)

    await world.hears(mention("3", at=NOON + MINUTE), own_post("o1", to="1", at=NOON + 2 * MINUTE))

    assert (await world.get("/v1/mentions/x/3"))["conversation_id"] == other
    assert {row["state"] for row in await world.rows("work_items")} == {"canceled", "completed"}
    assert (await world.get(f"/v1/conversations/{other}"))["state"] == "waiting_customer"


async def test_a_question_to_somebody_who_helps_goes_along(world: World) -> None:
    await world.set_up("queues", "north", team="nord", languages=["fr"])
    await world.hears(mention("1"), mention("2", author="lu"))
    one, other = [(await the_conversation(world, who))["id"] for who in ("jo", "lu")]
    asked = {"conversation_id": one, "to": "depot", "question": "is the bag there?", "by": "ana"}
    await world.call("POST", "/v1/consultations", asked, 201)

    await do(world, one, "merge", into=other)
    await do(world, other, "transfer", team="nord")

    [question] = (await world.other_team.get("/v1/consultations")).json()["items"]
    assert question["conversation_id"] == other


async def test_merged_twice_the_first_still_leads_to_the_last(world: World) -> None:
    await world.hears(mention("1", author="a"), mention("2", author="b"), mention("3", author="c"))
    first, second, third = [(await the_conversation(world, who))["id"] for who in "abc"]
    await do(world, first, "merge", into=second)
    await do(world, second, "merge", into=third)

    assert (await world.get(f"/v1/conversations/{first}"))["merged_into"] == third
    assert (await do(world, third, "merge", 422, into=third))["type"] == "urn:guichet:problem:same-conversation"
    assert (await do(world, third, "merge", 409, into=first))["merged_into"] == third


async def test_nobody_merges_or_changes_what_they_do_not_see(world: World) -> None:
    talk = await taken(world)
    await world.hears(mention("2", author="lu", team="nord"))
    theirs = (await world.other_team.get("/v1/conversations")).json()["items"][0]["id"]

    for path, body in (("merge", {"into": talk}), ("merge", {"into": "cnv_no"})):
        answer = await world.other_team.post(f"/v1/conversations/{theirs}/{path}", json=body)
        assert answer.status_code == 404, answer.text
    for action in ("resolve", "reopen", "resume", "hold"):
        assert (await world.other_team.post(f"/v1/conversations/{talk}/{action}", json={})).status_code == 404
    assert (await world.other_team.get(f"/v1/conversations/{talk}/notes")).status_code == 404
    assert (await world.other_team.get("/v1/people/x/jo")).status_code == 404


async def test_two_merges_the_other_way_round_at_once_leave_one_conversation(world: World) -> None:
    await world.hears(mention("1"), mention("2", author="lu"))
    one, other = [(await the_conversation(world, who))["id"] for who in ("jo", "lu")]

    answers = await asyncio.gather(
        world.http.post(f"/v1/conversations/{one}/merge", json={"into": other}),
        world.http.post(f"/v1/conversations/{other}/merge", json={"into": one}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert sorted(row["state"] for row in await world.rows("work_items")) == ["canceled", "pending"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_done_agents_use_what_they_have_in_hand(world: World, seed: int) -> None:
    chance = random.Random(seed)
    for agent in ("ana", "bob"):
        await world.agent(agent, capacity=2)
    people = [f"p{n}" for n in range(5)]
    await world.hears(*[mention(f"{who}-0", author=who) for who in people])
    talks = [(await the_conversation(world, who))["id"] for who in people]
    bodies: dict[str, Any] = {
        "hold": dict, "resume": dict, "resolve": dict, "reopen": dict,
        "dismiss": lambda: {"reason": "spam"}, "snooze": lambda: {"until": "2999-01-01T00:00:00Z"},
        "merge": lambda: {"into": chance.choice(talks)},
        "transfer": lambda: chance.choice([{"agent": "ana"}, {"agent": "bob"}, {"queue": "en"}]),
    }  # fmt: skip

    for number in range(1, 40):
        who, talk = chance.choice(people), chance.choice(talks)
        match chance.choice(["take", "write", "answer", "act", "act", "act", "wake"]):
            case "take":
                await world.http.post("/v1/work-items/take-next", json={"agent": chance.choice(["ana", "bob"])})
            case "write":
                await world.hears(mention(f"{who}-{number}", author=who, at=NOON + number * MINUTE))
            case "answer":
                await world.hears(reply(f"o-{number}", to=f"{who}-0", person=who, at=NOON + number * MINUTE))
            case "wake":
                await wakes(world, MINUTE)
            case _:
                action = chance.choice(list(bodies))
                answer = await world.http.post(f"/v1/conversations/{talk}/{action}", json=bodies[action]())
                assert answer.status_code in (200, 409, 422), answer.text

        items = await world.rows("work_items")
        held = [item for item in items if item["state"] in ("reserved", "assigned", "wrapping")]
        for person in await world.rows("agents"):
            assert person["used"] == sum(item["weight"] for item in held if item["agent"] == person["slug"]), number
        open_ones = [item["conversation_id"] for item in [*held, *(i for i in items if i["state"] == "pending")]]
        assert len(open_ones) == len(set(open_ones))
        states = {row["id"]: row["state"] for row in await world.rows("conversations")}
        assert {states[id_] for id_ in open_ones} <= {"open", "on_hold", "snoozed", "stale", "waiting_customer"}


# --- answers and people


async def test_a_reply_answers_directly_what_it_names_and_covers_what_came_before(world: World) -> None:
    await world.hears(mention("1"), mention("2", at=NOON + MINUTE), mention("4", at=NOON + 9 * MINUTE))
    await world.hears(reply("99", to="2", at=NOON + 5 * MINUTE))

    answers = {(event.post_id, event.how) for event in of_type(MentionAnswered, await world.told())}
    assert answers == {("2", "direct"), ("1", "covered")}
    first = await world.get("/v1/mentions/x/1")
    assert (first["answered_at"], first["covered_by"]) == (None, "99")
    await world.hears(own_post("o2", to="1", at=NOON + 10 * MINUTE))
    late = {(event.post_id, event.own_post_id, event.how) for event in of_type(MentionAnswered, await world.told())}
    assert late - {("2", "99", "direct"), ("1", "99", "covered")} == {("1", "o2", "direct"), ("4", "o2", "covered")}


@pytest.mark.parametrize("apart", [False, True])
async def test_the_earliest_reply_covers_whatever_the_order(world: World, apart: bool) -> None:
    posts = [own_post("late", at=NOON + 9 * MINUTE), own_post("early", at=NOON + 5 * MINUTE)]
    await world.hears(mention("1"))
    for batch in [[post] for post in posts] if apart else [posts]:
        await world.hears(*batch)

    assert (await world.get("/v1/mentions/x/1"))["covered_by"] == "early"


async def test_a_persons_history_stands_over_their_handles_and_keeps_no_labels(world: World) -> None:
    await world.hears(
        mention("1"), mention("2", handle="acme_fr", at=NOON + MINUTE, thread_id="t2"),
        reply("99", to="1", at=NOON + 3 * MINUTE), mention("3", author="lu"),
    )  # fmt: skip

    person = await world.get("/v1/people/x/jo")

    assert (person["handles"], person["conversations_total"]) == (["acme", "acme_fr"], 2)
    assert person["conversations_by_state"] == {"open": 1, "waiting_customer": 1}
    assert (person["mentions"], person["answered"]) == (2, 1)
    assert person["last_answered_at"] == "2026-03-02T12:03:00Z"
    assert not set(person) & {"intent", "sentiment", "topics", *Labels.__struct_fields__}
    assert (await world.get("/v1/people/x/nobody", 404))["type"] == "urn:guichet:problem:unknown"
