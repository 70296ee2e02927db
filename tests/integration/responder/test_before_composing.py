"""What one should know before writing: whether a mention may be answered, what is left, who has it in hand."""

from typing import Any

import pytest

from libs.common.events import (
    Event,
    ReplyFailed,
    WorkItemAssigned,
    WorkItemCanceled,
    WorkItemCompleted,
    WorkItemReleased,
    of_type,
)
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed
from tests.integration.responder.test_replying_well import slug_of


async def options(world: World, post_id: str = "1001", **more: str) -> Any:
    answer = await world.http.get("/v1/reply-options", params={"network": "x", "post_id": post_id} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def item(kind: type[Event], agent: str = "ana", at: Any = NOON, **more: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": f"{kind.__name__}-{agent}-{at}",
        "occurred_at": at,
        "key": "key-jo",
        "item_id": "itm_1",
        "conversation_id": "cnv_1",
        "queue": "fr",
        "agent": agent,
        "version": 2,
    }
    if kind is WorkItemAssigned:
        fields["waited_seconds"] = 1.0
    else:
        fields["reason"] = "done"
    return kind(**fields | more)


# --- reply options


async def test_whoever_is_about_to_answer_learns_what_they_may(world: World) -> None:
    await world.hears(routed(summoned="named", conversation_version=4))
    found = await options(world)

    assert (found["can_reply"], found["reason"], found["why"]) == ("api", "named", "they named the handle")
    assert (found["can_dm"], found["dm_reason"]) == ("unknown", "they_never_wrote")
    assert found["answer_url"] == "https://x.com/intent/post?in_reply_to=1001&text="
    assert (found["longest"], found["conversation_id"], found["conversation_version"]) == (280, "cnv_1", 4)
    nothing = ("budget", "closure", "draft", "reply", "held_by", "answer_instead")
    assert [found[name] for name in nothing] == [None] * len(nothing)


async def test_words_without_a_link_ask_to_go_on_in_private(world: World) -> None:
    await world.hears(routed(summoned="named"))

    words = (await options(world))["handoff"]

    assert words.startswith("Bonjour @jo, ")
    assert "http" not in words


async def test_a_handle_asks_in_its_own_words(world: World) -> None:
    own = {"texts": {"fr": "{author}, la suite en privé ?"}}
    assert (await world.http.put("/v1/templates/private", json=own)).status_code in (200, 201)
    rule = await world.http.put("/v1/reply-rules/handles/x/acme", json={"handoff": "private"})
    assert rule.status_code == 200, rule.text
    await world.hears(routed(summoned="named"))

    assert (await options(world))["handoff"] == "@jo, la suite en privé ?"


async def test_words_with_a_link_are_refused_and_say_which(world: World) -> None:
    own = {"texts": {"fr": "{author}, ici : https://acme.com/aide"}}
    assert (await world.http.put("/v1/templates/private", json=own)).status_code in (200, 201)

    refused = await world.http.put("/v1/reply-rules/handles/x/acme", json={"handoff": "private"})

    assert (refused.status_code, refused.json()["type"]) == (422, "urn:guichet:problem:has-a-link")
    assert "https://acme.com/aide" in refused.json()["detail"]


@pytest.mark.parametrize("why", ["private", "wrote", "not"])
async def test_who_is_in_private_or_cannot_be_answered_is_not_asked(world: World, why: str) -> None:
    if why == "wrote":
        await world.hears(routed("1000", private=True, conversation_id="cnv_0"))
    await world.hears(routed(private=why == "private", summoned="not" if why == "not" else "named"))

    assert (await options(world))["handoff"] is None


async def test_what_is_there_already_is_shown(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1), item(WorkItemAssigned))
    first = (await world.ask(agent="ana")).json()["id"]
    await world.sends()
    older = await world.ask(text="brouillon", agent="ana", state="draft")
    newer = await world.ask(text="autre brouillon", agent="ana", state="draft")
    tag = {"If-Match": f'"{older.json()["version"]}"'}
    await world.http.put(f"/v1/replies/{older.json()['id']}", json={"text": "mieux"}, headers=tag)
    found = await options(world)

    assert newer.status_code == 202
    assert (found["reply"]["id"], found["reply"]["state"]) == (first, "posted")
    assert (found["draft"]["text"], found["held_by"]) == ("mieux", "ana")
    budget = found["budget"]
    assert (budget["operation"], budget["limit"] - budget["remaining"]) == ("post", 1)
    assert budget["reset_at"] is not None


async def test_who_wrote_in_private_takes_a_private_message_of_that_handle(world: World) -> None:
    private = routed("1002", private=True, conversation_id="cnv_2")
    await world.hears(routed("1001"), private, routed("1003", handle="other"), routed("1004", author_id="333"))

    assert (await options(world))["can_dm"] == "yes"
    of_message = await options(world, "1002")
    assert (of_message["can_dm"], of_message["can_reply"], of_message["longest"]) == ("yes", "api", 10_000)
    assert [(await options(world, post_id))["can_dm"] for post_id in ("1003", "1004")] == ["unknown", "unknown"]


async def test_options_are_the_team_s_and_need_a_mention(world: World) -> None:
    await world.hears(routed())
    asked: dict[str, Any] = {"params": {"network": "x", "post_id": "1001"}}
    assert (await world.other_team.get("/v1/reply-options", **asked)).status_code == 404
    unknown = await world.http.get("/v1/reply-options", params={"network": "xx", "post_id": "1001"})
    assert (unknown.status_code, slug_of(unknown)) == (404, "no-such-mention")
    assert (await world.http.get("/v1/reply-options?network=x")).status_code == 422


# --- eligibility in POST /v1/replies


async def test_who_did_not_call_us_on_x_is_answered_by_hand_and_matched_back(world: World) -> None:
    await world.hears(routed(summoned="not"))
    found = await options(world)
    assert (found["can_reply"], found["reason"]) == ("manual", "not_summoned")
    reply = (await world.ask(text="On regarde")).json()

    assert (reply["state"], reply["text"]) == ("manual_required", "On regarde")
    assert reply["answer_url"] == "https://x.com/intent/post?in_reply_to=1001&text=On%20regarde"
    [told] = of_type(ReplyFailed, await world.told())
    assert told.reason == found["why"] == reply["reason"]
    await world.sends()
    assert await world.sandbox.attempts() == 0

    await world.hears(answered("1001", by="o-7"))
    settled = await world.reply(reply["id"])
    assert (settled["state"], settled["own_post_id"], settled["by_hand"]) == ("posted", "o-7", True)


async def test_what_x_may_refuse_is_tried_once_and_its_text_kept(world: World) -> None:
    await world.hears(routed(summoned="implied"))
    assert (await options(world))["can_reply"] == "uncertain"
    await world.sandbox.next({"kind": "error", "status": 403, "detail": "Reply to this conversation is not allowed"})
    id_ = (await world.ask(text="On regarde")).json()["id"]
    await world.sends()
    await world.sends(later=3600)

    reply = await world.reply(id_)
    assert (reply["state"], reply["text"]) == ("manual_required", "On regarde")
    assert "not allowed" in reply["reason"]
    assert await world.sandbox.attempts() == 1


async def test_a_mention_told_again_is_still_known_to_have_called_us(world: World) -> None:
    await world.hears(routed(summoned="named"))
    await world.hears(routed(queue="en", occurred_at=NOON + MINUTE))
    assert (await options(world))["reason"] == "named"


@pytest.mark.parametrize("kind", ["closure", "survey", "automatic", "answer"])
async def test_a_person_asks_for_an_answer_or_a_holding_reply_and_for_nothing_else(world: World, kind: str) -> None:
    await world.hears(routed())
    refused = await world.ask(kind=kind)

    assert refused.status_code == 422
    assert "'reply' or 'holding'" in refused.json()["detail"]
    assert await world.rows("replies") == []


async def test_the_same_words_again_are_warned_of(world: World) -> None:
    first = await world.queued(text="On regarde,  merci")
    await world.sends()
    again = await world.ask(text="On regarde, merci ", follow_up_of=first)
    other = await world.ask("1001", text="On regarde", state="draft")

    assert (again.status_code, again.json()["warnings"]) == (202, ["repeated"])
    assert other.json()["warnings"] == []


# --- who has it in hand


async def test_a_conversation_that_a_colleague_has_in_hand_is_not_answered_over_their_head(world: World) -> None:
    await world.hears(routed(), item(WorkItemAssigned, "ana"))
    refused = await world.ask(agent="bo")

    assert (refused.status_code, slug_of(refused)) == (409, "held-by-another")
    assert (refused.json()["agent"], refused.json()["item_id"]) == ("ana", "itm_1")
    assert "ana" in refused.json()["detail"]
    assert "take_over" in refused.json()["fix"]
    draft = await world.ask(agent="bo", state="draft")
    sent = await world.http.post(f"/v1/replies/{draft.json()['id']}/send")
    assert (sent.status_code, slug_of(sent)) == (409, "held-by-another")
    taken = await world.http.post(f"/v1/replies/{draft.json()['id']}/send", json={"take_over": True})
    assert taken.status_code == 202


@pytest.mark.parametrize("more", [{"agent": "ana"}, {}, {"agent": "bo", "take_over": True}])
async def test_who_has_it_who_says_no_name_and_who_takes_over_may_answer(world: World, more: dict[str, Any]) -> None:
    await world.hears(routed(), item(WorkItemAssigned, "ana"))
    assert (await world.ask(**more)).status_code == 202


@pytest.mark.parametrize("kind", [WorkItemReleased, WorkItemCompleted, WorkItemCanceled])
@pytest.mark.parametrize("together", [True, False])
async def test_what_nobody_has_any_more_anybody_may_answer(world: World, kind: type[Event], together: bool) -> None:
    events = [item(WorkItemAssigned, "ana"), item(kind, "ana", NOON + MINUTE)]
    for batch in [events] if together else [events[:1], events[1:], events[:1]]:
        await world.hears(routed(), *batch)

    assert (await world.ask(agent="bo")).status_code == 202
    assert (await options(world))["held_by"] is None
