"""Timelines, search, edits and both vocabularies: the sandbox beside the facts about X. Each test names its fact."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.sandbox.scene import Scene, scene


@pytest.fixture
async def x() -> AsyncIterator[Scene]:
    async with scene() as made:
        await made.stage.post("/sandbox/accounts", json={"username": "acme", "id": "111"})
        yield made


async def mentions(x: Scene, **query: Any) -> Any:
    answer = await x.http.get("/2/users/111/mentions", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- 2.4: mentions timeline, newest first, with pages; empty without `data`


async def test_an_empty_timeline_has_no_data(x: Scene) -> None:
    assert await mentions(x) == {"meta": {"result_count": 0}}


async def test_mentions_are_walked_page_by_page_from_an_id(x: Scene) -> None:
    await x.seed(*[{"id": str(n), "text": f"@Acme n° {n}", "username": "jo"} for n in range(10, 22)])
    await x.seed({"id": "30", "text": "of @acme_fr", "username": "jo"}, {"id": "31", "text": "me", "username": "acme"})

    first = await mentions(x, since_id="11", max_results=5)
    assert [post["id"] for post in first["data"]] == ["21", "20", "19", "18", "17"]
    assert (first["meta"]["newest_id"], first["meta"]["oldest_id"], first["meta"]["result_count"]) == ("21", "17", 5)
    second = await mentions(x, since_id="11", max_results=5, pagination_token=first["meta"]["next_token"])
    assert [post["id"] for post in second["data"]] == ["16", "15", "14", "13", "12"]
    assert "next_token" not in second["meta"]


async def test_at_most_800_mentions_back(x: Scene) -> None:
    await x.seed(*[{"id": str(n), "text": "@acme", "username": "jo"} for n in range(1, 803)])
    assert (await mentions(x, until_id="4", max_results=5))["data"][-1]["id"] == "3"


@pytest.mark.parametrize("size", [4, 101])
async def test_a_page_holds_5_to_100(x: Scene, size: int) -> None:
    answer = await x.http.get("/2/users/111/mentions", params={"max_results": size})
    body = answer.json()
    assert (answer.status_code, body["title"]) == (400, "Invalid Request")
    assert body["detail"] == "One or more parameters to your request was invalid."
    assert body["errors"][0]["parameters"] == {"max_results": [str(size)]}


async def test_times_bound_a_timeline(x: Scene) -> None:
    for hour in (9, 10, 11):
        at = f"2026-03-01T{hour:02}:00:00Z"
        await x.seed({"id": str(hour), "text": "@acme", "username": "jo", "created_at": at})
    found = await mentions(x, start_time="2026-03-01T10:00:00Z", end_time="2026-03-01T11:00:00Z")
    assert [post["id"] for post in found["data"]] == ["10"]


async def test_recent_search_reads_seven_days(x: Scene) -> None:
    await x.seed(
        {"id": "8", "text": "parcel lost", "username": "jo", "created_at": "2026-02-23T11:59:00Z"},
        {"id": "9", "text": "parcel lost", "username": "jo", "created_at": "2026-02-23T12:00:00Z"},
        {"id": "10", "text": "parcel found", "username": "lu"},
    )
    found = await x.http.get("/2/tweets/search/recent", params={"query": "parcel -found"})
    assert [post["id"] for post in found.json()["data"]] == ["9"]
    for wrong in ("", "a" * 513, "(parcel", "-parcel"):
        refused = await x.http.get("/2/tweets/search/recent", params={"query": wrong})
        assert (refused.status_code, refused.json()["title"]) == (400, "Invalid Request")


# --- 1.4: a post


async def test_a_post_has_the_fields_of_the_fact_sheet(x: Scene) -> None:
    await x.seed({"id": "18", "text": "News", "username": "acme", "author_id": "111"})
    await x.seed(
        {
            "id": "19",
            "text": "@acme my parcel is late https://t.co/abc #late $ACME",
            "username": "jo",
            "author_id": "222",
            "created_at": "2026-03-01T09:15:00Z",
            "in_reply_to": "18",
        }
    )
    fields = (
        "created_at,author_id,conversation_id,in_reply_to_user_id,referenced_tweets,entities,lang,public_metrics,"
        "reply_settings,possibly_sensitive,edit_controls,display_text_range"
    )
    query = {"tweet.fields": fields, "expansions": "author_id,referenced_tweets.id,in_reply_to_user_id"}
    found = (await x.http.get("/2/tweets/19", params=query)).json()
    post = found["data"]
    assert (post["author_id"], post["created_at"], post["conversation_id"]) == ("222", "2026-03-01T09:15:00.000Z", "18")
    assert (post["in_reply_to_user_id"], post["referenced_tweets"]) == ("111", [{"type": "replied_to", "id": "18"}])
    assert post["entities"]["mentions"] == [{"start": 0, "end": 5, "username": "acme", "id": "111"}]
    link = post["entities"]["urls"][0]
    assert (link["start"], link["end"], link["url"]) == (24, 40, "https://t.co/abc")
    assert [each["tag"] for each in post["entities"]["hashtags"] + post["entities"]["cashtags"]] == ["late", "ACME"]
    assert (post["reply_settings"], post["public_metrics"]["like_count"]) == ("everyone", 0)
    assert post["edit_controls"]["editable_until"] == "2026-03-01T10:15:00.000Z"
    assert [user["username"] for user in found["includes"]["users"]] == ["jo", "acme"]
    assert [other["id"] for other in found["includes"]["tweets"]] == ["18"]


async def test_only_id_text_and_history_come_unasked(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    assert (await x.http.get("/2/tweets/19")).json() == {
        "data": {"id": "19", "text": "@acme hi", "edit_history_tweet_ids": ["19"]}
    }


# --- 1.3: both vocabularies


async def test_who_asks_in_the_new_words_is_answered_in_them(x: Scene) -> None:
    await x.seed({"id": "18", "text": "News", "username": "acme"})
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo", "in_reply_to": "18"})
    new = (
        await x.http.get("/2/tweets/19", params={"post.fields": "referenced_posts", "expansions": "referenced_posts"})
    ).json()
    assert new["data"]["referenced_posts"] == [{"type": "replied_to", "id": "18"}]
    assert new["data"]["edit_history_post_ids"] == ["19"]
    assert [post["id"] for post in new["includes"]["posts"]] == ["18"]
    assert not any("tweet" in name for name in (*new["data"], *new["includes"]))


@pytest.mark.parametrize(("vocabulary", "name"), [("old", "referenced_tweets"), ("new", "referenced_posts")])
@pytest.mark.parametrize("parameter", ["tweet.fields", "post.fields"])
async def test_a_vocabulary_can_be_held_to(x: Scene, vocabulary: str, name: str, parameter: str) -> None:
    await x.behave(vocabulary=vocabulary)
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo", "in_reply_to": "18"})
    found = await x.http.get("/2/tweets/19", params={parameter: "referenced_tweets,referenced_posts"})
    assert [each for each in found.json()["data"] if each.startswith("referenced")] == [name]


# --- 1.4: an edit is a new id, the history lists all, oldest first; a deletion takes all


async def test_an_edit_is_a_new_post_with_a_history(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    second = (await x.stage.put("/sandbox/posts/19", json={"text": "@acme hello"})).json()["id"]

    [post] = (await mentions(x))["data"]
    assert (post["id"], post["text"], post["edit_history_tweet_ids"]) == (second, "@acme hello", ["19", second])
    old = (await x.http.get("/2/tweets/19")).json()["data"]
    assert (old["text"], old["edit_history_tweet_ids"]) == ("@acme hi", ["19", second])
    await x.stage.delete("/sandbox/posts/19")
    assert (await mentions(x))["meta"]["result_count"] == 0
    gone = (await x.http.get("/2/tweets", params={"ids": f"19,{second}"})).json()
    assert [error["resource_id"] for error in gone["errors"]] == ["19", second]


async def test_we_edit_our_own_post_within_an_hour_five_times(x: Scene) -> None:
    async def edit(id_: str, text: str) -> Any:
        return await x.http.post("/2/tweets", json={"text": text, "edit_options": {"previous_post_id": id_}})

    id_ = (await x.http.post("/2/tweets", json={"text": "0"})).json()["data"]["id"]
    first = id_
    for n in range(1, 6):
        data = (await edit(id_, str(n))).json()["data"]
        id_ = data["id"]
        assert (data["edit_history_tweet_ids"][0], len(data["edit_history_tweet_ids"])) == (first, n + 1)
    assert (await edit(id_, "6")).status_code == 403
    late = (await x.http.post("/2/tweets", json={"text": "other"})).json()["data"]["id"]
    x.clock.later(hours=1)
    assert (await edit(late, "too late")).status_code == 403


async def test_a_reply_cannot_be_edited(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    id_ = (await x.reply("Bonjour", "19")).json()["data"]["id"]
    wish = {"text": "Bonsoir", "edit_options": {"previous_post_id": id_}}
    assert (await x.http.post("/2/tweets", json=wish)).status_code == 403


async def test_nobody_edits_what_is_not_there(x: Scene) -> None:
    assert (await x.stage.put("/sandbox/posts/404", json={"text": "a"})).status_code == 404


# --- 6: partial success


async def test_some_found_and_some_missing_is_200_with_both(x: Scene) -> None:
    await x.seed({"id": "19", "text": "@acme hi", "username": "jo"})
    answer = await x.http.get("/2/tweets", params={"ids": "19,404"})
    body = answer.json()
    assert (answer.status_code, [post["id"] for post in body["data"]]) == (200, ["19"])
    assert body["errors"][0]["type"] == "https://api.x.com/2/problems/resource-not-found"


# --- 7: users


async def test_people_are_found_by_name(x: Scene) -> None:
    found = await x.http.get("/2/users/by/username/ACME", params={"user.fields": "public_metrics,verified_type"})
    data = found.json()["data"]
    assert (data["id"], data["username"], data["verified_type"]) == ("111", "acme", "none")
    assert set(data["public_metrics"]) == {"followers_count", "following_count", "tweet_count", "listed_count"}
    assert "errors" in (await x.http.get("/2/users/by/username/nobody")).json()
