"""Limits, faults and the judge: the sandbox beside the facts about X. Each test names its fact."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from sandbox.app import sandbox_app
from sandbox.limits import Limits
from sandbox.state import Network
from tests.integration.responder.network import served
from tests.unit.sandbox.scene import Clock, Scene, scene

QUARTER = timedelta(minutes=15)


@pytest.fixture
async def x() -> AsyncIterator[Scene]:
    async with scene() as made:
        yield made


# --- 5: x-rate-limit-* on every answer, the reset in Unix seconds; posting has 24-hour headers too


async def test_every_answer_says_what_is_left(x: Scene) -> None:
    for answer in (
        await x.http.get("/2/users/me"),
        await x.http.get("/2/tweets", params={"ids": "404"}),
        await x.http.get("/2/users/1/mentions"),
        await x.http.post("/2/tweets", json={"text": ""}),
        await x.http.delete("/2/tweets/404"),
    ):
        limit, remaining = (int(answer.headers[f"x-rate-limit-{name}"]) for name in ("limit", "remaining"))
        assert remaining == limit - 1
        assert int(answer.headers["x-rate-limit-reset"]) == (x.clock.now + QUARTER).timestamp()
        assert answer.headers["x-transaction-id"]


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/2/users/1/mentions", 300),
        ("/2/tweets/search/recent?query=a", 300),
        ("/2/tweets?ids=1", 5_000),
        ("/2/tweets/1", 900),
        ("/2/dm_events", 15),
        ("/2/activity/subscriptions", 500),
    ],
)
async def test_the_limits_are_those_of_the_table(x: Scene, path: str, limit: int) -> None:
    assert (await x.http.get(path)).headers["x-rate-limit-limit"] == str(limit)


async def test_a_day_has_a_limit_of_its_own(x: Scene) -> None:
    answer = await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "Hi"})
    day = (x.clock.now + timedelta(hours=24)).timestamp()
    for whose in ("app", "user"):
        told = [answer.headers[f"x-{whose}-limit-24hour-{name}"] for name in ("limit", "remaining", "reset")]
        assert told == ["1440", "1439", str(int(day))]


async def test_a_full_day_refuses_what_the_quarter_would_allow() -> None:
    async with scene(Limits(posts_a_day=1)) as x:
        assert (await x.http.post("/2/tweets", json={"text": "un"})).status_code == 201
        late = await x.http.post("/2/tweets", json={"text": "deux"})
        assert (late.status_code, late.headers["x-app-limit-24hour-remaining"]) == (429, "0")
        assert late.headers["x-rate-limit-remaining"] != "0"


# --- 6.1: 429 until the reset


async def test_too_many_is_told_in_the_networks_words_until_the_reset(x: Scene) -> None:
    await x.behave(limits={"GET /2/users/:id/mentions": 2})
    answers = [await x.http.get("/2/users/1/mentions") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }
    assert answers[2].headers["x-rate-limit-remaining"] == "0"
    assert (await x.http.get("/2/users/me")).status_code == 200
    x.clock.now = x.clock.now + QUARTER
    assert (await x.http.get("/2/users/1/mentions")).status_code == 200


async def test_each_user_has_a_limit_of_their_own(x: Scene) -> None:
    await x.behave(limits={"POST /2/tweets": 1})
    other = {"Authorization": "Bearer sandbox-other"}
    told = [await x.http.post("/2/tweets", json={"text": text}) for text in ("un", "deux")]
    told.append(await x.http.post("/2/tweets", json={"text": "un"}, headers=other))
    assert [answer.status_code for answer in told] == [201, 429, 201]


async def test_a_limit_for_no_endpoint_is_refused(x: Scene) -> None:
    answer = await x.stage.patch("/sandbox/behaviour", json={"limits": {"GET /2/nothing": 1}})
    assert answer.status_code == 400
    assert "GET /2/users/:id/mentions" in answer.json()["errors"][0]["message"]
    assert (await x.stage.patch("/sandbox/behaviour", json={"plan": "free"})).status_code == 400


# --- 3.2, 6: refusals on demand


@pytest.mark.parametrize(
    ("kind", "status", "part"),
    [
        ("revoked", 401, "Unauthorized"),
        ("no_credits", 402, "does not have any credits"),
        ("spending_limit", 403, "spending limit"),
        ("suspended", 403, "suspended"),
        ("restricted", 403, "temporarily restricted"),
        ("not_permitted", 403, "You are not permitted to perform this action"),
        ("duplicate", 403, "duplicate content"),
        ("not_summoned", 403, "mentioned or otherwise engaged by the author"),
        ("not_engaged", 403, "only reply to or quote posts where you are mentioned or are the author"),
        ("not_visible", 403, "deleted or not visible to you"),
        ("too_long", 400, "Tweet text is too long"),
        ("cashtags", 403, "maximum of one cashtag"),
        ("closed_messages", 403, "permission to DM one or more participants"),
        ("client_not_enrolled", 403, "not attached to a project"),
        ("usage_capped", 429, "Usage cap exceeded"),
    ],
)
async def test_each_refusal_can_be_asked_for(x: Scene, kind: str, status: int, part: str) -> None:
    await x.befall(kind=kind)
    refused = await x.http.post("/2/tweets", json={"text": "un"})
    assert (refused.status_code, part in refused.json()["detail"]) == (status, True)
    assert (await x.http.post("/2/tweets", json={"text": "un"})).status_code == 201


async def test_a_refusal_carries_the_type_that_clients_look_for(x: Scene) -> None:
    for kind, ending in (("no_credits", "credits"), ("usage_capped", "usage-capped"), ("too_long", "invalid-request")):
        await x.befall(kind=kind, on="read")
        assert (await x.http.get("/2/users/me")).json()["type"].endswith(f"/problems/{ending}")
    await x.befall(kind="client_not_enrolled", on="read")
    body = (await x.http.get("/2/users/me")).json()
    assert (body["title"], body["reason"]) == ("Client Forbidden", "client-not-enrolled")


@pytest.mark.parametrize("on", ["message", "delete", "manage"])
async def test_faults_befall_only_what_they_are_meant_for(x: Scene, on: str) -> None:
    await x.seed({"id": "5", "text": "Bonjour", "username": "acme"})
    await x.befall(kind="error", on=on, status=503)
    answers = {
        "post": await x.http.post("/2/tweets", json={"text": "un"}),
        "read": await x.http.get("/2/users/me"),
        "message": await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "Hi"}),
        "delete": await x.http.delete("/2/tweets/5"),
        "manage": await x.http.get("/2/activity/subscriptions"),
    }
    assert [name for name, answer in answers.items() if answer.status_code == 503] == [on]


async def test_a_message_may_be_sent_and_answered_with_an_error(x: Scene) -> None:
    await x.befall(kind="error_after_posting", on="message", status=502)
    answer = await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "Hi"})
    assert answer.status_code == 502
    assert len((await x.stage.get("/sandbox/received")).json()["messages"]) == 1


async def test_faults_that_did_not_come_yet_can_be_called_off(x: Scene) -> None:
    await x.befall(kind="error", count=5)
    await x.stage.delete("/sandbox/faults")
    assert (await x.http.post("/2/tweets", json={"text": "un"})).status_code == 201


async def test_a_fault_may_wait_for_a_reply_to_one_post(x: Scene) -> None:
    await x.seed({"id": "5", "text": "un"}, {"id": "6", "text": "deux"})
    await x.befall(kind="error_after_posting", about="6")
    answers = [await x.reply("Merci", "5"), await x.reply("Merci !", "6"), await x.reply("Et merci", "6")]
    assert [answer.status_code for answer in answers] == [201, 503, 201]


async def test_a_fault_may_wait_for_who_reads_since_one_post(x: Scene) -> None:
    me = (await x.http.get("/2/users/me")).json()["data"]["id"]
    await x.befall(kind="error", on="read", about="6")
    answers = [await x.http.get(f"/2/users/{me}/tweets", params={"since_id": id_}) for id_ in ("5", "6", "6")]
    assert [answer.status_code for answer in answers] == [200, 503, 200]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"reply": 5}', b'{"reply": "\xff"}', b'{"reply": {"in_reply_to_tweet_id": 6}}']
)
async def test_a_fault_for_one_post_does_not_befall_what_cannot_be_read(x: Scene, body: bytes) -> None:
    await x.befall(kind="error", about="6")
    assert (await x.http.post("/2/tweets", content=body)).status_code == 400


async def test_a_late_post_is_in_no_timeline_until_its_time(x: Scene) -> None:
    me = (await x.http.get("/2/users/me")).json()["data"]["id"]
    await x.befall(kind="late_timeline", seconds=30)
    await x.http.post("/2/tweets", json={"text": "un"})
    assert (await x.http.get(f"/2/users/{me}/tweets")).json()["meta"]["result_count"] == 0
    await x.stage.put("/sandbox/clock", json={"ahead_seconds": 30})
    assert (await x.http.get(f"/2/users/{me}/tweets")).json()["meta"]["result_count"] == 1


# --- no idempotency key: the post is made, and the connection cut


async def test_a_post_whose_answer_is_cut_was_made_and_a_second_try_is_a_duplicate() -> None:
    network = Network(None, Clock(), Limits())
    async with (
        served(sandbox_app(network)) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, headers={"Authorization": "Bearer sandbox-acme"}) as http,
    ):
        await http.post("/sandbox/faults", json={"next": [{"kind": "cut"}]})
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post("/2/tweets", json={"text": "Merci"})
        again: Any = await http.post("/2/tweets", json={"text": "Merci"})
    assert "duplicate content" in again.json()["detail"]
    assert network.judge.counts()[0] == 1


async def test_a_request_without_an_answer_was_taken() -> None:
    network = Network(None, Clock(), Limits())
    async with (
        served(sandbox_app(network)) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, headers={"Authorization": "Bearer sandbox-acme"}) as http,
    ):
        await http.post("/sandbox/faults", json={"next": [{"kind": "no_answer", "seconds": 30}]})
        with pytest.raises(httpx2.ReadTimeout):
            await http.post("/2/tweets", json={"text": "Merci"}, timeout=0.2)
    assert network.judge.counts()[0] == 1


# --- the judge


async def test_the_judge_tells_each_call_with_its_outcome(x: Scene) -> None:
    await x.http.get("/2/users/me")
    await x.http.post("/2/tweets", json={"text": "un"})
    await x.http.post("/2/tweets", json={"text": "un"})
    await x.http.get("/2/users/me", headers={"Authorization": ""})
    assert (await x.stage.get("/sandbox/received")).json()["calls"] == {
        "GET /2/users/me 200": 1,
        "GET /2/users/me 401": 1,
        "POST /2/tweets 201": 1,
        "POST /2/tweets 403": 1,
    }


async def test_what_was_deleted_still_counts_as_received(x: Scene) -> None:
    id_ = (await x.http.post("/2/tweets", json={"text": "un"})).json()["data"]["id"]
    await x.http.delete(f"/2/tweets/{id_}")
    received = (await x.stage.get("/sandbox/received")).json()
    assert [(item["id"], item["deleted"]) for item in received["items"]] == [(id_, True)]
