"""Posting and replying: the sandbox beside the facts about X. Each test names its fact."""

from collections.abc import AsyncIterator

import pytest

from sandbox.text import weighted_length
from tests.unit.sandbox.scene import Scene, scene


@pytest.fixture
async def x() -> AsyncIterator[Scene]:
    async with scene() as made:
        yield made


@pytest.fixture
async def strict(x: Scene) -> Scene:
    """On a self-serve plan of 2026."""
    await x.behave(plan="self_serve")
    return x


# --- 3: POST /2/tweets answers 201 with id, text and edit history; DELETE answers {"deleted": true}


async def test_a_reply_is_created_and_says_whom_it_answers(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme late", "username": "jo", "author_id": "222"})
    answer = await x.reply("Sorry about that", "19")

    data = answer.json()["data"]
    assert answer.status_code == 201
    assert data == {"id": data["id"], "text": "@jo Sorry about that", "edit_history_tweet_ids": [data["id"]]}
    whole = await x.http.get(f"/2/tweets/{data['id']}", params={"tweet.fields": "in_reply_to_user_id,conversation_id"})
    assert whole.json()["data"]["in_reply_to_user_id"] == "222"
    assert whole.json()["data"]["conversation_id"] == "19"


async def test_a_deleted_post_is_gone(x: Scene) -> None:
    id_ = (await x.http.post("/2/tweets", json={"text": "Bonjour"})).json()["data"]["id"]
    assert (await x.http.delete(f"/2/tweets/{id_}")).json() == {"data": {"deleted": True}}
    assert (await x.http.get(f"/2/tweets/{id_}")).json()["errors"][0]["title"] == "Not Found Error"
    assert (await x.http.get(f"/2/users/{x.network.people.named('acme').id}/tweets")).json()["meta"] == {
        "result_count": 0
    }
    assert x.network.judge.received(1)[0].id == id_


async def test_nobody_deletes_anothers_post(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme late", "username": "jo"})
    answer = await x.http.delete("/2/tweets/19")
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
    assert (await x.http.delete("/2/tweets/404")).status_code == 404


async def test_the_author_of_a_thread_hides_a_reply(x: Scene) -> None:
    await x.seed({"id": "1", "text": "News", "username": "acme"})
    await x.seed({"id": "2", "text": "Bad!", "username": "jo", "in_reply_to": "1"})
    assert (await x.http.put("/2/tweets/2/hidden", json={"hidden": True})).json() == {"data": {"hidden": True}}
    assert (await x.http.put("/2/tweets/1/hidden", json={"hidden": True})).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"text": "a", "media": {"media_ids": ["1"]}, "poll": {"options": ["x", "y"], "duration_minutes": 5}},
        {"text": "a", "media": {"media_ids": ["1", "2", "3", "4", "5"]}},
        {"text": "a", "poll": {"options": ["x"], "duration_minutes": 5}},
        {"text": "a", "poll": {"options": ["x", "y"], "duration_minutes": 4}},
    ],
)
async def test_bodies_the_specification_excludes(x: Scene, body: dict[str, object]) -> None:
    answer = await x.http.post("/2/tweets", json=body)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Request")


# --- 3.1: only who was summoned by the author may reply


@pytest.mark.parametrize(
    ("post", "status"),
    [
        ({"text": "@acme my parcel is late"}, 201),
        ({"text": "my parcel is late, @ACME!"}, 201),
        ({"text": "acme lost my parcel"}, 403),
        ({"text": "write to help@acme please"}, 403),
        ({"text": "@acme_fr my parcel is late"}, 403),
        ({"text": "look at this", "quotes": "1"}, 201),
        ({"text": "look at this", "quotes": "2"}, 403),
        ({"text": "more of it", "username": "acme"}, 201),
    ],
)
async def test_a_reply_needs_a_mention_or_a_quote(strict: Scene, post: dict[str, str], status: int) -> None:
    await strict.seed({"id": "1", "text": "News", "username": "acme"}, {"id": "2", "text": "Other", "username": "lu"})
    await strict.seed({"id": "19", "username": "jo", **post})
    answer = await strict.reply("Sorry", "19")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["type"] == "about:blank"
        assert answer.json()["detail"].startswith("Reply to this conversation is not allowed")
        assert "mentioned or otherwise engaged by the author" in answer.json()["detail"]


async def test_an_enterprise_may_reply_to_anybody(x: Scene) -> None:
    await x.seed({"id": "19", "text": "acme lost my parcel", "username": "jo"})
    assert (await x.reply("Sorry", "19")).status_code == 201


async def test_nobody_is_named_unasked_in_a_post_of_its_own(strict: Scene) -> None:
    answer = await strict.http.post("/2/tweets", json={"text": "Hello @jo"})
    assert answer.status_code == 403
    assert "only reply to or quote posts where you are mentioned or are the author" in answer.json()["detail"]


async def test_quotes_are_not_for_self_serve(strict: Scene) -> None:
    await strict.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    assert (await strict.http.post("/2/tweets", json={"text": "So", "quote_tweet_id": "19"})).status_code == 403
    await strict.behave(plan="enterprise")
    assert (await strict.http.post("/2/tweets", json={"text": "So", "quote_tweet_id": "19"})).status_code == 201


# --- 3.2: errors of POST /2/tweets


async def test_a_post_holds_one_cashtag(strict: Scene) -> None:
    assert (await strict.http.post("/2/tweets", json={"text": "$ACME costs $20"})).status_code == 201
    answer = await strict.http.post("/2/tweets", json={"text": "$ACME and $OTHR"})
    assert (answer.status_code, "maximum of one cashtag" in answer.json()["detail"]) == (403, True)


async def test_the_same_text_again_is_duplicate_content(x: Scene) -> None:
    await x.http.post("/2/tweets", json={"text": "Thanks"})
    answer = await x.http.post("/2/tweets", json={"text": "Thanks"})
    assert answer.json() == {
        "title": "Forbidden",
        "status": 403,
        "type": "about:blank",
        "detail": "You are not allowed to create a Tweet with duplicate content.",
    }


async def test_a_reply_to_what_was_deleted_is_refused(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme late", "username": "jo"})
    await x.stage.delete("/sandbox/posts/19")
    answer = await x.reply("Sorry", "19")
    assert (answer.status_code, "deleted or not visible to you" in answer.json()["detail"]) == (403, True)


async def test_a_reply_to_what_was_never_here_is_refused_on_self_serve(strict: Scene) -> None:
    answer = await strict.reply("Sorry", "404")
    assert (answer.status_code, "deleted or not visible to you" in answer.json()["detail"]) == (403, True)


async def test_a_text_over_280_is_too_long(x: Scene) -> None:
    assert (await x.http.post("/2/tweets", json={"text": "a" * 280})).status_code == 201
    answer = await x.http.post("/2/tweets", json={"text": "a" * 281})
    assert (answer.status_code, "Tweet text is too long" in answer.json()["detail"]) == (400, True)
    assert (await x.http.post("/2/tweets", json={"text": "日" * 141})).status_code == 400
    await x.behave(longest=25_000)
    assert (await x.http.post("/2/tweets", json={"text": "a" * 281})).status_code == 201


async def test_the_name_the_network_writes_in_front_counts_nothing(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme late", "username": "jo"})
    assert (await x.reply("a" * 280, "19")).status_code == 201


# --- 3.3: weighted length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Hello, world! 👋", 16),
        ("caf\u00e9", 4),
        ("cafe\u0301", 4),
        ("👨‍👩‍👧‍👦", 2),
        ("🇩🇪", 2),
        ("1️⃣", 2),
        ("🙋🏽", 2),
        ("😮‍💨", 2),
        ("👨‍🦽‍➡️", 2),
        ("日本語", 6),
        ("Ünïcödé", 7),
        ("１２３", 6),
        ("https://example.com/very/long/path", 23),
        ("see example.com now", 31),
        ("http://localhost:8000/", 22),
        ("@brand @other hello", 19),
        ("“q” … –", 8),
    ],
)
def test_lengths_of_the_fact_sheet(text: str, length: int) -> None:
    assert weighted_length(text) == length


# --- 4: private messages


async def test_a_message_is_sent_and_found_under_both_ids(x: Scene) -> None:
    await x.stage.post("/sandbox/accounts", json={"username": "acme", "id": "111"})
    sent = await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "Hi"})
    assert sent.status_code == 201
    data = sent.json()["data"]
    assert data["dm_conversation_id"] == "111-222"

    fields = {"dm_event.fields": "sender_id,dm_conversation_id,created_at"}
    event = (await x.http.get("/2/dm_conversations/with/222/dm_events", params=fields)).json()["data"][0]
    assert event == {
        "id": data["dm_event_id"],
        "event_type": "MessageCreate",
        "text": "Hi",
        "sender_id": "111",
        "dm_conversation_id": "111-222",
        "created_at": "2026-03-02T12:00:00.000Z",
    }
    again = await x.http.post("/2/dm_conversations/111-222/messages", json={"text": "There?"})
    assert again.json()["data"]["dm_conversation_id"] == "111-222"
    both = (await x.http.get("/2/dm_conversations/111-222/dm_events")).json()
    assert [each["text"] for each in both["data"]] == ["There?", "Hi"]


async def test_messages_come_in_pages_newest_first_for_thirty_days(x: Scene) -> None:
    await x.stage.post("/sandbox/messages", json={"sender": "jo", "recipient": "acme", "text": "old"})
    x.clock.later(days=30)
    for text in ("un", "deux"):
        await x.stage.post("/sandbox/messages", json={"sender": "jo", "recipient": "acme", "text": text})
    first = (await x.http.get("/2/dm_events", params={"max_results": 1})).json()
    assert [each["text"] for each in first["data"]] == ["deux"]
    rest = {"max_results": 1, "pagination_token": first["meta"]["next_token"]}
    last = (await x.http.get("/2/dm_events", params=rest)).json()
    assert ([each["text"] for each in last["data"]], "next_token" in last["meta"]) == (["un"], False)


async def test_closed_messages_are_refused(x: Scene) -> None:
    person = {"username": "jo", "id": "222", "messages": "who_wrote"}
    await x.stage.post("/sandbox/accounts", json=person)
    path = "/2/dm_conversations/with/222/messages"
    refused = await x.http.post(path, json={"text": "Hi"})
    assert refused.status_code == 403
    assert refused.json()["detail"] == "You do not have permission to DM one or more participants."
    shown = await x.http.get("/2/users/by/username/jo", params={"user.fields": "receives_your_dm"})
    assert shown.json()["data"]["receives_your_dm"] is False
    await x.stage.post("/sandbox/messages", json={"sender": "jo", "recipient": "acme", "text": "Help"})
    assert (await x.http.post(path, json={"text": "Hi"})).status_code == 201


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "a" * 10_001}, {"attachments": []}])
async def test_a_message_holds_something_and_no_more_than_ten_thousand_characters(
    x: Scene, body: dict[str, object]
) -> None:
    assert (await x.http.post("/2/dm_conversations/with/222/messages", json=body)).status_code == 400
    assert (await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "a" * 10_000})).status_code == 201


async def test_nobody_reads_what_others_write_to_each_other(x: Scene) -> None:
    answer = await x.http.get("/2/dm_conversations/1-2/dm_events")
    assert answer.status_code == 403
    assert (await x.http.get("/2/dm_conversations/group/dm_events")).status_code == 400


async def test_a_message_can_be_taken_back(x: Scene) -> None:
    sent = await x.http.post("/2/dm_conversations/with/222/messages", json={"text": "Hi"})
    path = f"/2/dm_events/{sent.json()['data']['dm_event_id']}"
    assert (await x.http.delete(path)).json() == {"data": {"deleted": True}}
    assert (await x.http.get("/2/dm_events")).json() == {"meta": {"result_count": 0}}
    assert (await x.http.delete(path)).status_code == 403
