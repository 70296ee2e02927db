"""What people and time do to conversations over REST: states, versions, notes, leases, the timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.common.events import WorkItemCanceled, WorkItemCompleted, WorkItemReleased, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention, reply
from tests.integration.router.talks import do, taken, the_conversation, used, wakes

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def test_on_hold_the_agent_keeps_it_and_has_room_for_another(world: World) -> None:
    talk = await taken(world, capacity=1)
    held = await do(world, talk, "hold", reason="the depot looks for the bag")

    assert (held["state"], held["reason"]) == ("on_hold", "the depot looks for the bag")
    assert await used(world) == 0
    [item] = (await world.get("/v1/agents/ana/workload"))["items"]
    assert (item["state"], item["weight"]) == ("assigned", 0)
    back = await do(world, talk, "resume")
    assert (back["state"], back["reason"]) == ("open", None)
    assert await used(world) == 1


async def test_without_room_it_waits_with_its_age(world: World) -> None:
    talk = await taken(world, capacity=1)
    await do(world, talk, "hold")
    await world.hears(mention("2", author="lu"))
    await world.take("ana")

    await do(world, talk, "resume")

    [waiting] = (await world.get("/v1/work-items?state=pending"))["items"]
    assert (waiting["conversation_id"], waiting["weight"], waiting["reason"]) == (talk, 1, "agent_not_there")
    assert of_type(WorkItemReleased, await world.told())[-1].reason == "agent_not_there"
    assert await used(world) == 1


async def test_a_snooze_ends_by_itself(world: World) -> None:
    talk = await taken(world)
    until = datetime.now(UTC) + HOUR
    assert (await do(world, talk, "snooze", until=until.isoformat()))["state"] == "snoozed"
    assert await wakes(world, HOUR - MINUTE) == 0
    assert await used(world) == 0

    assert await wakes(world, HOUR + MINUTE) == 1

    assert (await the_conversation(world))["state"] == "open"
    assert await used(world) == 1


async def test_a_time_that_is_over_is_no_time_to_snooze_until(world: World) -> None:
    problem = await do(world, await taken(world), "snooze", 422, until="2020-01-01T00:00:00Z")

    assert problem["errors"][0]["path"] == "$.until"


async def test_the_customer_writing_again_wakes_it(world: World) -> None:
    talk = await taken(world)
    await do(world, talk, "snooze", until=(datetime.now(UTC) + DAY).isoformat())
    await world.hears(mention("2", at=NOON + MINUTE))
    assert (await the_conversation(world))["state"] == "open"

    assert await wakes(world, MINUTE) == 1

    assert await used(world) == 1
    assert len(await world.rows("work_items")) == 1


async def test_an_answer_while_it_is_on_hold_completes_it_and_frees_nobody_twice(world: World) -> None:
    talk = await taken(world)
    await do(world, talk, "hold")
    await world.hears(reply("99", to="1", at=NOON + MINUTE))

    assert (await the_conversation(world))["state"] == "waiting_customer"
    assert await used(world) == 0


async def test_only_what_somebody_has_can_be_put_aside(world: World) -> None:
    await world.hears(mention("1"))
    talk = (await the_conversation(world))["id"]

    assert (await do(world, talk, "hold", 409))["type"] == "urn:guichet:problem:nobody-has-it"


async def test_what_is_put_aside_is_resumed_before_it_is_given_back(world: World) -> None:
    talk = await taken(world)
    await do(world, talk, "hold")
    [item] = await world.rows("work_items")

    problem = await world.call("POST", f"/v1/work-items/{item['id']}/release", {}, 409)

    assert problem["fix"].startswith(f"POST /v1/conversations/{talk}/resume")


async def test_who_goes_home_keeps_what_waits_for_somebody_else(world: World) -> None:
    await do(world, await taken(world), "hold")
    await world.call("PUT", "/v1/agents/ana/presence", {"presence": "offline"})

    [item] = await world.rows("work_items")
    assert (item["state"], item["agent"]) == ("assigned", "ana")


async def test_resolving_completes_the_item_frees_the_agent_and_cancels_the_clock(world: World) -> None:
    talk = await taken(world, at=datetime.now(UTC))

    resolved = await do(world, talk, "resolve")

    assert (resolved["state"], await used(world)) == ("resolved", 0)
    [item] = await world.rows("work_items")
    assert (item["state"], item["reason"]) == ("completed", "resolved")
    [clock] = await world.rows("clocks")
    assert (clock["state"], clock["reason"]) == ("canceled", "resolved")
    assert of_type(WorkItemCompleted, await world.told())[-1].reason == "resolved"


async def test_a_resolved_conversation_closes_after_a_week(world: World) -> None:
    await do(world, await taken(world), "resolve")

    assert await wakes(world, 6 * DAY) == 0
    assert await wakes(world, 7 * DAY + MINUTE) == 1
    assert (await the_conversation(world))["state"] == "closed"


async def test_a_customer_who_writes_again_reopens_it_in_a_new_cycle(world: World) -> None:
    await do(world, await taken(world), "resolve")
    await world.hears(mention("2", at=NOON + MINUTE))

    talk = await the_conversation(world)
    assert (talk["state"], talk["cycle"]) == ("open", 2)


async def test_an_agent_reopens_it_and_an_item_waits(world: World) -> None:
    await world.hears(mention("1", decision="set_aside"))
    talk = (await the_conversation(world))["id"]

    assert (await do(world, talk, "reopen"))["state"] == "open"

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["state"], shown["item"]["state"], shown["queue"]) == ("opened", "pending", "fr")
    await world.agent("ana")
    assert (await world.take("ana"))["mention"]["post_id"] == "1"


async def test_what_is_deleted_cannot_be_answered_any_more(world: World) -> None:
    await world.hears(mention("1"), deleted("1"))
    talk = (await the_conversation(world, "jo"))["id"]

    assert (await do(world, talk, "reopen", 409))["type"] == "urn:guichet:problem:nothing-to-answer"


async def test_dismissing_cancels_the_item_and_says_so(world: World) -> None:
    talk = await taken(world)

    dismissed = await do(world, talk, "dismiss", reason="spam")

    assert (dismissed["state"], dismissed["reason"], await used(world)) == ("dismissed", "spam", 0)
    assert of_type(WorkItemCanceled, await world.told())[-1].reason == "spam"
    await do(world, talk, "dismiss", 422, reason="because")


async def test_a_wrong_step_says_from_where_it_would_be_possible(world: World) -> None:
    problem = await do(world, await taken(world), "resume", 409)

    assert (problem["state"], problem["possible_in"]) == ("open", ["on_hold", "snoozed"])


async def test_what_waits_in_public_for_a_day_is_stale_and_can_still_be_taken(world: World) -> None:
    await world.hears(mention("1"), mention("2", author="lu", at=NOON + MINUTE, private=True))

    assert await wakes(world, DAY + MINUTE) == 1

    [stale] = (await world.get("/v1/conversations?state=stale"))["items"]
    assert stale["author_id"] == "jo"
    assert [row["reason"] for row in await world.rows("conversation_changes")] == ["stale"]
    await world.agent("ana")
    assert (await world.take("ana"))["conversation"]["id"] == stale["id"]


async def test_a_state_nobody_knows_names_the_nearest(world: World) -> None:
    problem = await world.get("/v1/conversations?state=on-hold", status=400)

    assert (problem["nearest"], problem["fix"]) == ("on_hold", "Did you mean on_hold?")


async def test_an_edit_made_on_an_old_version_is_refused(world: World) -> None:
    talk = await taken(world)
    answer = await world.http.get(f"/v1/conversations/{talk}")
    seen = answer.headers["ETag"]
    await world.hears(mention("2", at=NOON + MINUTE))
    path = f"/v1/conversations/{talk}/resolve"

    refused = await world.http.post(path, headers={"If-Match": seen})
    assert (refused.status_code, refused.headers["ETag"] != seen) == (412, True)
    done = await world.http.post(path, headers={"If-Match": refused.headers["ETag"]})
    assert (done.status_code, done.headers["ETag"]) == (200, f'"{done.json()["version"]}"')


async def test_the_same_idempotency_key_is_one_note(world: World) -> None:
    path = f"/v1/conversations/{await taken(world)}/notes"
    answers = [
        await world.http.post(path, json={"text": "called back"}, headers={"Idempotency-Key": "k-1"}) for _ in "12"
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = await world.http.post(path, json={"text": "another"}, headers={"Idempotency-Key": "k-1"})
    assert other.status_code == 422
    assert len((await world.get(path))["items"]) == 1


async def test_a_lease_says_who_else_is_on_it_for_half_a_minute(world: World) -> None:
    talk = await taken(world)
    await world.agent("bob")
    path = f"/v1/conversations/{talk}/lease"
    await world.call("PUT", path, {"agent": "ana", "draft": True})

    seen = await world.call("PUT", path, {"agent": "bob"})

    assert seen["others"] == ["ana"]
    assert [(lease["agent"], lease["draft_at"] is not None) for lease in seen["items"]] == [
        ("ana", True),
        ("bob", False),
    ]
    await world.call("PUT", path, {"agent": "ana"})
    assert (await world.get(path))["items"][0]["draft_at"] is not None, "their draft is still from then"
    await world.call("DELETE", f"{path}?agent=bob", {}, 204)
    assert (await world.get(path))["others"] == ["ana"]
    await world.call("PUT", path, {"agent": "nobody"}, 404)


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_timeline_has_all_that_happened_in_order_however_it_is_paged(world: World, limit: int) -> None:
    talk = await taken(world)
    await world.call("POST", f"/v1/conversations/{talk}/notes", {"text": "a regular", "agent": "ana"}, 201)
    await world.hears(reply("99", to="1", at=NOON + MINUTE), mention("2", at=NOON + 2 * MINUTE, private=True))
    await do(world, talk, "resolve")

    lines, path = [], f"/v1/conversations/{talk}/timeline?limit={limit}"
    page = await world.get(path)
    lines += page["items"]
    while page["next_cursor"]:
        page = await world.get(f"{path}&cursor={page['next_cursor']}")
        lines += page["items"]

    said = [(line["side"], line["post_id"], line["agent"]) for line in lines if line["kind"] == "message"]
    assert said == [("customer", "1", None), ("brand", "99", "ana"), ("customer", "2", None)]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert [line["text"] for line in lines if line["kind"] == "note"] == ["a regular"]
    steps = [(line["state"], line["reason"], line["agent"]) for line in lines if line["kind"] == "work_item"]
    assert steps[:2] == [("assigned", "taken", "ana"), ("completed", "answered", "ana")]
    assert [line["state"] for line in lines if line["kind"] == "conversation"] == ["resolved"]


async def test_a_review_decides_about_many_and_says_of_which_it_could_not(world: World) -> None:
    await world.hears(*(mention(str(n), author=f"p{n}") for n in range(3)))
    ids = [row["id"] for row in (await world.get("/v1/conversations"))["items"]]
    await world.call("POST", f"/v1/conversations/{ids[1]}/dismiss", {"reason": "spam"})
    review = {"conversations": [*ids, "cnv_unknown", ids[0]], "action": "dismiss", "reason": "duplicate"}

    answer = await world.call("POST", "/v1/conversations/reviews", review)

    assert answer["done"] == [ids[0], ids[2]]
    assert {each["conversation_id"]: each["problem"]["status"] for each in answer["refused"]} == {
        ids[1]: 409,
        "cnv_unknown": 404,
    }
    assert (await world.get("/v1/work-items?state=pending"))["items"] == []
    assert (await world.get(f"/v1/conversations/{ids[2]}"))["state"] == "dismissed"


@pytest.mark.parametrize(
    "body",
    [{"action": "dismiss"}, {"action": "resolve", "reason": "spam"}, {"conversations": [], "action": "resolve"},
     {"conversations": ["c"] * 201, "action": "resolve"}],
)  # fmt: skip
async def test_a_review_that_is_not_clear_changes_nothing(world: World, body: dict[str, Any]) -> None:
    await world.hears(mention("1"))
    [talk] = (await world.get("/v1/conversations"))["items"]

    await world.call("POST", "/v1/conversations/reviews", {"conversations": [talk["id"]]} | body, status=422)

    assert (await world.get(f"/v1/conversations/{talk['id']}"))["state"] == "open"


async def test_a_review_of_a_stranger_touches_nothing(world: World) -> None:
    await world.hears(mention("1"))
    [talk] = (await world.get("/v1/conversations"))["items"]

    answer = await world.other_team.post(
        "/v1/conversations/reviews", json={"conversations": [talk["id"]], "action": "resolve"}
    )

    assert [each["problem"]["status"] for each in answer.json()["refused"]] == [404]
    assert (await world.get(f"/v1/conversations/{talk['id']}"))["state"] == "open"
