"""What a person asks of replies over REST, and what they are told when it cannot be done."""

import asyncio
from typing import Any

import pytest

from libs.common.events import ReplyFailed, of_type
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import routed


def problem(answer: Any) -> str:
    """The slug of a problem's type."""
    return str(answer.json()["type"]).rpartition(":")[2]


async def test_a_reply_is_kept_and_says_where_it_is(world: World) -> None:
    await world.hears(routed())
    answer = await world.ask(agent="ana")

    reply = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/replies/{reply['id']}"
    assert reply["id"].startswith("rep_")
    assert (reply["state"], reply["agent"], reply["handle"], reply["item_id"]) == ("queued", "ana", "acme", "itm_1")
    assert (reply["own_post_id"], reply["posted_at"], reply["version"]) == (None, None, 1)
    assert await world.reply(reply["id"]) == reply


async def test_an_unknown_mention_may_not_be_routed_yet(world: World) -> None:
    answer = await world.ask("404")

    assert (answer.status_code, problem(answer)) == (404, "no-such-mention")
    assert "not yet routed" in answer.json()["detail"]


async def test_the_idempotency_key_is_asked_for(world: World) -> None:
    answer = await world.http.post("/v1/replies", json={"network": "x", "post_id": "1001", "text": "Bonjour"})

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["title"]


async def test_the_same_key_gets_the_same_answer_and_one_reply(world: World) -> None:
    await world.hears(routed())
    first = await world.ask(key="click-1")
    await world.sends()
    again = await world.ask(key="click-1")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(await world.rows("replies")) == 1


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    await world.hears(routed())
    await world.ask(key="click-1")
    answer = await world.ask(key="click-1", text="Autre chose")

    assert (answer.status_code, problem(answer)) == (422, "key-used-before")


async def test_the_same_request_twice_at_once_is_one_reply(world: World) -> None:
    await world.hears(routed())
    answers = await asyncio.gather(*[world.ask(key="click-1") for _ in range(4)])

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_of_eight_who_answer_at_once_one_wins_and_the_others_learn_which(world: World) -> None:
    await world.hears(routed())
    answers = await asyncio.gather(*[world.ask(text=f"Réponse {n}") for n in range(8)])

    [won] = [answer for answer in answers if answer.status_code == 202]
    lost = [answer for answer in answers if answer.status_code == 409]
    assert len(lost) == 7
    assert {answer.json()["reply_id"] for answer in lost} == {won.json()["id"]}
    await world.sends()
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_a_follow_up_names_what_it_follows(world: World) -> None:
    first = await world.queued()
    early = await world.ask(text="Et encore", follow_up_of=first)
    assert (early.status_code, problem(early)) == (409, "already-answered")
    await world.sends()

    follow_up = await world.ask(text="Et encore", follow_up_of=first)
    assert follow_up.status_code == 202
    twice = await world.ask(text="Et encore une fois", follow_up_of=first)
    assert (twice.status_code, twice.json()["reply_id"]) == (409, follow_up.json()["id"])
    unnamed = await world.ask(text="Sans nom")
    assert (unnamed.status_code, unnamed.json()["reply_id"]) == (409, follow_up.json()["id"])


async def test_nothing_follows_a_reply_to_another_mention(world: World) -> None:
    first = await world.queued()
    await world.hears(routed("1002"))

    answer = await world.ask("1002", follow_up_of=first)

    assert (answer.status_code, problem(answer)) == (422, "nothing-to-follow")


async def test_after_a_refusal_the_mention_may_be_answered_anew(world: World) -> None:
    await world.queued()
    await world.sandbox.next({"kind": "error", "status": 400})
    await world.sends()

    assert (await world.ask(text="Mieux")).status_code == 202


@pytest.mark.parametrize("text", ["", " \n", "x" * 25_001, "a\0b", "\ud800", "caché \ufeff"])
async def test_a_text_no_network_takes_is_refused_at_once(world: World, text: str) -> None:
    await world.hears(routed())
    body = b'{"network":"x","post_id":"1001","text":' + _json_text(text) + b"}"
    answer = await world.http.post(
        "/v1/replies", content=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert await world.rows("replies") == []


def _json_text(text: str) -> bytes:
    return b'"' + b"".join(b"\\u%04x" % ord(character) for character in text) + b'"'


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"network": "x", "post_id": "1001", "text": "a", "txt": "b"}, "$.txt"),
        ({"network": "x", "post_id": 1001, "text": "a"}, "$.post_id"),
        ({"network": "", "post_id": "1001", "text": "a"}, "$.network"),
        ({"network": "x", "text": "a"}, "$.post_id"),
        ({"network": "x", "post_id": "a\0", "text": "a"}, "$.post_id"),
    ],
)
async def test_a_bad_field_is_named(world: World, body: dict[str, Any], path: str) -> None:
    answer = await world.http.post("/v1/replies", json=body, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.parametrize("private", [False, True])
async def test_what_we_cannot_send_is_for_a_person(world: World, private: bool) -> None:
    await world.hears(routed(network="crm", private=private))
    answer = await world.ask(network="crm")

    reason = "there is no way to post on crm from here yet"
    assert (answer.json()["state"], answer.json()["reason"]) == ("manual_required", reason)
    [told] = of_type(ReplyFailed, await world.told())
    assert (told.state, told.reason) == ("manual_required", reason)
    await world.sends()
    assert await world.sandbox.attempts() == 0


async def test_a_private_message_on_x_is_answered_from_here(world: World) -> None:
    await world.hears(routed(private=True))
    assert (await world.ask()).json()["state"] == "queued"


async def test_a_queued_reply_can_be_taken_back(world: World) -> None:
    id_ = await world.queued()
    for _ in range(2):
        answer = await world.http.post(f"/v1/replies/{id_}/cancel", json={"reason": "trop vite"})
        assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "canceled", "trop vite")
    await world.sends()

    assert await world.sandbox.attempts() == 0
    assert (await world.ask(text="Mieux")).status_code == 202


async def test_a_posted_reply_cannot_be_taken_back(world: World) -> None:
    id_ = await world.queued()
    await world.sends()
    answer = await world.http.post(f"/v1/replies/{id_}/cancel")

    assert (answer.status_code, answer.json()["reply_state"]) == (409, "posted")


async def test_who_read_an_older_version_takes_nothing_back(world: World) -> None:
    id_ = await world.queued()
    answer = await world.http.post(f"/v1/replies/{id_}/cancel", headers={"If-Match": '"7"'})

    assert answer.status_code == 412
    assert (await world.reply(id_))["state"] == "queued"


async def test_a_list_has_every_reply_once_and_keeps_in_step(world: World) -> None:
    ids = [await world.queued(str(3000 + n)) for n in range(5)]
    page = (await world.http.get("/v1/replies?limit=2")).json()
    seen = [reply["id"] for reply in page["items"]]
    while page["next_cursor"]:
        page = (await world.http.get("/v1/replies", params={"limit": 2, "cursor": page["next_cursor"]})).json()
        seen += [reply["id"] for reply in page["items"]]
    assert seen == ids == sorted(ids)

    last = (await world.reply(ids[-1]))["updated_at"]
    await world.http.post(f"/v1/replies/{ids[0]}/cancel")
    changed = (await world.http.get("/v1/replies", params={"updated_after": last})).json()["items"]
    assert [reply["id"] for reply in changed] == ids[:1]
    of_mention = (await world.http.get("/v1/replies?network=x&post_id=3002&state=queued")).json()["items"]
    assert [reply["id"] for reply in of_mention] == [ids[2]]


async def test_another_team_sees_nothing(world: World) -> None:
    id_ = await world.queued()
    strangers = world.other_team
    assert (await strangers.get(f"/v1/replies/{id_}")).status_code == 404
    assert (await strangers.post(f"/v1/replies/{id_}/cancel")).status_code == 404
    assert (await strangers.get("/v1/replies")).json()["items"] == []
    body = {"network": "x", "post_id": "1001", "text": "Bonjour"}
    answer = await strangers.post("/v1/replies", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, problem(answer)) == (404, "no-such-mention")
    assert (await world.reply(id_))["state"] == "queued"
