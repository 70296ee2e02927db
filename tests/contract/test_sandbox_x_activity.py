"""Activity and webhooks: the sandbox beside the facts about X. Each test names its fact."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from sandbox.app import sandbox_app
from sandbox.limits import Limits
from sandbox.signing import webhook_signature
from sandbox.state import Network
from tests.unit.sandbox.scene import Clock, Scene, client

SECRET = "c secret"
SUBSCRIPTIONS = "/2/activity/subscriptions"
HOOK = "https://hooks.acme.example/x"


class Receiver:
    """Where webhooks go: answers challenges with its secret, keeps what it gets."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.status = 200
        self.events: list[tuple[str, bytes]] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            token = request.url.params["crc_token"].encode()
            digest = hmac.new(self.secret.encode(), token, hashlib.sha256).digest()
            told = {"response_token": "sha256=" + base64.b64encode(digest).decode()}
            return httpx2.Response(self.status, json=told)
        self.events.append((request.headers["x-twitter-webhooks-signature"], request.content))
        return httpx2.Response(self.status)

    @property
    def read(self) -> list[Any]:
        """The events' data, in the order they came."""
        return [json.loads(content)["data"] for _, content in self.events]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def x(receiver: Receiver) -> AsyncIterator[Scene]:
    clock = Clock()
    network = Network(None, clock, Limits())
    app = sandbox_app(network, webhook_transport=httpx2.MockTransport(receiver))
    async with client(app, "the-app") as http, client(app, "") as stage:
        made = Scene(network, clock, http, stage)
        await stage.post("/sandbox/accounts", json={"username": "acme", "id": "111"})
        await stage.post("/sandbox/accounts", json={"username": "jo", "id": "222"})
        await made.lock()
        yield made


async def subscribed(x: Scene, *types: str, **more: Any) -> list[Any]:
    """To these events of acme, over the webhook, in the name of acme where they are private."""
    hook = (await x.http.post("/2/webhooks", json={"url": HOOK})).json()["data"]["id"]
    made = []
    for event_type in types:
        wish = {"event_type": event_type, "filter": {"user_id": "111"}, "webhook_id": hook, **more}
        token = "access-1" if event_type.startswith(("dm", "oauth")) else "the-app"
        answer = await x.http.post(SUBSCRIPTIONS, json=wish, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        made.append(answer.json())
    return made


POST_EVENTS = ("post.create", "post.mention.create", "post.reply.create", "post.quote.create")


# --- 2.3: challenge and signature


@pytest.mark.parametrize(
    ("content", "signature"),
    [
        (b"challenge-123", "sha256=x/LTIGRugANiRAS/buGUH75hcebPTpG5c8sVdYjSy9M="),
        (b'{"data":{"event_uuid":"1"}}', "sha256=f60ok05aX91a+HZRKL+xZR5OekZhLOhNopiOYhNljZ8="),
    ],
)
def test_the_signatures_of_the_fact_sheet(content: bytes, signature: str) -> None:
    assert webhook_signature("consumer-secret-for-tests", content) == signature


async def test_a_webhook_is_made_when_it_answers_the_challenge(x: Scene) -> None:
    data = (await x.http.post("/2/webhooks", json={"url": HOOK})).json()["data"]
    assert (data["url"], data["valid"], data["created_at"]) == (HOOK, True, "2026-03-02T12:00:00.000Z")
    assert (await x.http.get("/2/webhooks")).json() == {"data": [data], "meta": {"result_count": 1}}
    assert (await x.http.delete(f"/2/webhooks/{data['id']}")).json() == {"data": {"deleted": True}}
    again = await x.http.delete(f"/2/webhooks/{data['id']}")
    assert (again.status_code, again.json()["title"]) == (400, "WebhookIdInvalid")


async def test_webhooks_that_cannot_be(x: Scene, receiver: Receiver) -> None:
    async def title(url: str) -> str:
        return str((await x.http.post("/2/webhooks", json={"url": url})).json()["title"])

    await x.behave(webhook_urls="public")
    for url in ("http://hooks.acme.example/x", "https://hooks.acme.example:8443/x", "https://localhost/x", "ftp://a.b"):
        assert await title(url) == "UrlValidationFailed"
    receiver.secret = "another"
    assert await title(HOOK) == "CrcValidationFailed"
    receiver.secret = SECRET
    await x.http.post("/2/webhooks", json={"url": HOOK})
    assert await title(HOOK) == "DuplicateUrlFailed"


@pytest.mark.parametrize(
    ("secret", "status", "valid"), [("another", 200, False), (SECRET, 302, False), ("another", 503, True)]
)
async def test_a_wrong_answer_invalidates_at_once_and_no_answer_does_not(
    x: Scene, receiver: Receiver, secret: str, status: int, valid: bool
) -> None:
    id_ = (await x.http.post("/2/webhooks", json={"url": HOOK})).json()["data"]["id"]
    receiver.secret, receiver.status = secret, status
    assert (await x.stage.post("/sandbox/webhooks/challenge")).json() == {id_: valid}
    receiver.secret, receiver.status = SECRET, 200
    assert (await x.http.put(f"/2/webhooks/{id_}")).json() == {"data": {"valid": True}}


async def test_deliveries_are_signed_over_their_bytes(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create")
    await x.seed({"text": "@acme ça va ?", "username": "jo"})
    [(signature, content)] = receiver.events
    assert signature == webhook_signature(SECRET, content)
    assert "ça va" in content.decode()


async def test_nothing_goes_to_what_is_no_longer_valid(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create")
    receiver.secret = "another"
    await x.stage.post("/sandbox/webhooks/challenge")
    await x.seed({"text": "@acme hi", "username": "jo"})
    assert receiver.events == []


async def test_what_was_sent_can_be_sent_again_and_forged(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create")
    await x.seed({"text": "@acme hi", "username": "jo"})
    await x.stage.post("/sandbox/webhooks/again", json={})
    assert receiver.read[0] == receiver.read[1]
    await x.stage.post("/sandbox/webhooks/again", json={"forged": True})
    assert receiver.events[2][0] != receiver.events[0][0]
    assert (await x.stage.get("/sandbox/received")).json()["webhooks"][HOOK]["delivered"] == 3


async def test_a_replay_sends_what_went_between_two_minutes(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create")
    for n in range(3):
        await x.seed({"text": f"@acme {n}", "username": "jo"})
        x.clock.later(minutes=1)
    id_ = (await x.http.get("/2/webhooks")).json()["data"][0]["id"]
    wish = {"webhook_id": id_, "from_date": "202603021201", "to_date": "202603021202"}
    assert (await x.http.post("/2/webhooks/replay", json=wish)).json()["data"]["job_id"]
    assert [event["payload"]["text"] for event in receiver.read] == ["@acme 0", "@acme 1", "@acme 2", "@acme 1"]
    wrong = await x.http.post("/2/webhooks/replay", json={**wish, "from_date": "202613021201"})
    assert wrong.status_code == 400


# --- 2.2: subscriptions


@pytest.mark.parametrize("shape", ["list", "object", "nested"])
async def test_a_new_subscription_is_shown_in_each_of_three_ways(x: Scene, shape: str) -> None:
    await x.behave(subscription_answer=shape)
    [body] = await subscribed(x, "post.mention.create", tag="acme")
    data = body["data"]
    one = {"list": lambda: data[0], "object": lambda: data, "nested": lambda: data["subscription"]}[shape]()
    assert (one["event_type"], one["filter"], one["tag"]) == ("post.mention.create", {"user_id": "111"}, "acme")
    if shape == "list":
        assert body["meta"] == {"total_subscriptions": 1}


async def test_subscriptions_are_read_changed_and_deleted(x: Scene) -> None:
    await subscribed(x, *POST_EVENTS)
    found = (await x.http.get(SUBSCRIPTIONS)).json()
    ids = [each["subscription_id"] for each in found["data"]]
    assert ([each["event_type"] for each in found["data"]], found["meta"]["total_subscriptions"]) == (
        list(POST_EVENTS),
        4,
    )
    changed = await x.http.put(f"{SUBSCRIPTIONS}/{ids[0]}", json={"tag": "new"})
    assert changed.json()["data"]["tag"] == "new"
    assert (await x.http.delete(f"{SUBSCRIPTIONS}/{ids[0]}")).json() == {"data": {"deleted": True}}
    assert (await x.http.delete(SUBSCRIPTIONS, params={"ids": f"{ids[1]},{ids[2]}"})).status_code == 200
    assert (await x.http.get(SUBSCRIPTIONS)).json()["meta"]["total_subscriptions"] == 1
    assert (await x.http.delete(f"{SUBSCRIPTIONS}/404")).status_code == 404


async def test_an_unknown_event_a_duplicate_and_an_unknown_webhook_are_refused(x: Scene) -> None:
    wish = {"event_type": "post.mention.create", "filter": {"user_id": "111"}}
    assert (await x.http.post(SUBSCRIPTIONS, json=wish)).status_code == 200
    assert (await x.http.post(SUBSCRIPTIONS, json=wish)).status_code == 400
    for change in ({"event_type": "PostCreate"}, {"webhook_id": "404"}):
        assert (await x.http.post(SUBSCRIPTIONS, json=wish | change)).status_code == 400


async def test_private_events_need_the_accounts_own_consent(x: Scene) -> None:
    for user_id, token, status in (("111", "the-app", 403), ("222", "access-1", 403), ("111", "access-1", 200)):
        wish = {"event_type": "dm.received", "filter": {"user_id": user_id}}
        answer = await x.http.post(SUBSCRIPTIONS, json=wish, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


# --- 2.2: which posts are which events


@pytest.mark.parametrize(
    ("post", "types"),
    [
        ({"text": "@acme hi"}, ["post.mention.create"]),
        ({"text": "hi", "in_reply_to": "1"}, ["post.reply.create"]),
        ({"text": "@acme hi", "in_reply_to": "1"}, ["post.mention.create", "post.reply.create"]),
        ({"text": "hi", "in_reply_to": "2"}, []),  # only a direct reply to the account's own post
        ({"text": "look", "quotes": "1"}, ["post.quote.create"]),
        ({"text": "news of @acme", "username": "acme"}, ["post.create"]),
        ({"text": "acme"}, []),
    ],
)
async def test_a_post_is_the_events_it_is(x: Scene, receiver: Receiver, post: dict[str, str], types: list[str]) -> None:
    await x.seed({"id": "1", "text": "News", "username": "acme"})
    await x.seed({"id": "2", "text": "hm", "username": "lu", "in_reply_to": "1"})
    await subscribed(x, *POST_EVENTS)
    await x.seed({"id": "19", "username": "jo", **post})
    assert [event["event_type"] for event in receiver.read] == types


async def test_the_name_that_the_network_writes_in_front_is_no_mention(x: Scene, receiver: Receiver) -> None:
    await x.seed({"id": "1", "text": "News", "username": "acme"})
    await subscribed(x, *POST_EVENTS)
    await x.stage.put("/sandbox/credentials", json={"users": [{"username": "jo", "access_token": "of-jo"}]})
    answer = await x.http.post(
        "/2/tweets",
        json={"text": "so what", "reply": {"in_reply_to_tweet_id": "1"}},
        headers={"Authorization": "Bearer of-jo"},
    )
    assert answer.json()["data"]["text"] == "@acme so what"
    assert [event["event_type"] for event in receiver.read] == ["post.reply.create"]


async def test_a_mention_has_the_shape_of_the_fact_sheet(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create", tag="acme")
    await x.seed({"id": "19", "text": "hey @acme", "username": "jo", "author_id": "222"})
    [event] = receiver.read
    assert (event["filter"], event["tag"]) == ({"user_id": "111"}, "acme")
    assert int(event["event_uuid"]) < 2**63
    assert event["payload"]["entities"]["mentions"] == [{"start": 4, "end": 9, "username": "acme", "id": "111"}]
    assert (event["payload"]["id"], event["payload"]["edit_history_tweet_ids"]) == ("19", ["19"])
    assert event["payload"]["public_metrics"]["like_count_str"] == "0"
    assert event["includes"] == {"users": [{"id": "222", "username": "jo", "name": "jo"}], "tweets": []}


async def test_a_deletion_wraps_its_users_once_more(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.delete")
    await x.seed({"id": "19", "text": "oops", "username": "acme", "author_id": "111"})
    await x.stage.delete("/sandbox/posts/19")
    [event] = receiver.read
    assert event["payload"] == {"id": "19", "author_id": "111"}
    assert event["includes"]["users"] == [{"data": {"id": "111", "username": "acme", "name": "acme"}}]


async def test_an_edit_is_told_as_a_post_with_a_longer_history(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "post.mention.create")
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    await x.stage.put("/sandbox/posts/19", json={"text": "@acme hello"})
    histories = [event["payload"]["edit_history_tweet_ids"] for event in receiver.read]
    assert histories == [["19"], ["19", receiver.read[1]["payload"]["id"]]]


async def test_private_messages_keep_the_shape_of_version_1_1(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "dm.received", "dm.sent")
    await x.stage.post("/sandbox/messages", json={"sender": "jo", "recipient": "acme", "text": "hello!"})
    [event] = receiver.read
    assert event["event_type"] == "dm.received"
    [message] = event["payload"]["direct_message_events"]
    assert (message["type"], message["created_timestamp"]) == ("message_create", str(1772452800000))
    assert message["message_create"]["target"] == {"recipient_id": "111"}
    assert message["message_create"]["sender_id"] == "222"
    assert message["message_create"]["message_data"]["text"] == "hello!"
    assert event["payload"]["users"]["222"]["data"]["username"] == "jo"


async def test_a_consent_taken_back_is_told_with_an_empty_filter(x: Scene, receiver: Receiver) -> None:
    await subscribed(x, "oauth.revoke")
    await x.stage.post("/sandbox/accounts/acme/revoke")
    [event] = receiver.read
    assert (event["filter"], event["payload"]["user_id"], event["payload"]["app_id"]) == ({}, "111", "cid")
