"""The sandbox's answers have the shapes of the network's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from sandbox.app import build
from sandbox.settings import SandboxSettings


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    service = build(SandboxSettings(posts_per_window=5, duplicates_within=timedelta(minutes=15)))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=service.app),
        base_url="http://sandbox",
        headers={"Authorization": "Bearer sandbox-acme"},
    ) as client:
        yield client


async def posted(http: httpx2.AsyncClient, text: str = "On regarde", to: str = "1001") -> Any:
    answer = await http.post("/2/tweets", json={"text": text, "reply": {"in_reply_to_tweet_id": to}})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def test_a_post_is_created(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/2/tweets", json={"text": "Bonjour", "reply_settings": "everyone"})

    data = answer.json()["data"]
    assert answer.status_code == 201
    assert data == {"id": data["id"], "text": "Bonjour", "edit_history_tweet_ids": [data["id"]]}
    assert (answer.headers["x-rate-limit-limit"], answer.headers["x-rate-limit-remaining"]) == ("5", "4")
    assert answer.headers["x-rate-limit-reset"].isdigit()


@pytest.mark.parametrize("credentials", ["", "Basic abc", "Bearer "])
async def test_without_a_token_nobody_posts(http: httpx2.AsyncClient, credentials: str) -> None:
    answer = await http.post("/2/tweets", json={"text": "a"}, headers={"Authorization": credentials})

    assert answer.status_code == 401
    assert answer.json() == {"title": "Unauthorized", "status": 401, "type": "about:blank", "detail": "Unauthorized"}


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "a", "reply": {"in_reply_to_tweet_id": "x1"}}])
async def test_a_bad_body_is_a_bad_request(http: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    answer = await http.post("/2/tweets", json=body)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Request")
    assert answer.json()["type"].endswith("/invalid-request")


async def test_the_window_is_kept_and_said(http: httpx2.AsyncClient) -> None:
    for n in range(5):
        await posted(http, f"n° {n}")
    answer = await http.post("/2/tweets", json={"text": "de trop"})

    assert (answer.status_code, answer.headers["x-rate-limit-remaining"]) == (429, "0")
    assert answer.json()["title"] == "Too Many Requests"


async def test_only_what_is_asked_for_is_shown(http: httpx2.AsyncClient) -> None:
    post = await posted(http)
    plain = (await http.get(f"/2/tweets/{post['id']}")).json()["data"]
    assert plain == post
    fields = {"tweet.fields": "created_at,author_id,referenced_tweets,conversation_id"}
    whole = (await http.get(f"/2/tweets/{post['id']}", params=fields)).json()["data"]
    assert whole["referenced_tweets"] == [{"type": "replied_to", "id": "1001"}]
    assert whole["created_at"].endswith(".000Z")
    assert whole["conversation_id"] == "1001"


async def test_what_is_not_there_is_an_error_in_a_good_answer(http: httpx2.AsyncClient) -> None:
    post = await posted(http)
    one = await http.get("/2/tweets/404")
    assert (one.status_code, "data" in one.json()) == (200, False)
    several = (await http.get("/2/tweets", params={"ids": f"404,{post['id']}"})).json()
    assert [each["id"] for each in several["data"]] == [post["id"]]
    assert [each["resource_id"] for each in several["errors"]] == ["404"]


async def test_a_timeline_has_pages(http: httpx2.AsyncClient) -> None:
    me = (await http.get("/2/users/me")).json()["data"]
    assert me["username"] == "acme"
    timeline = f"/2/users/{me['id']}/tweets"
    assert (await http.get(timeline)).json() == {"meta": {"result_count": 0}}
    assert (await http.get(timeline, params={"max_results": 4})).status_code == 400
    await http.post(
        "/sandbox/posts", json={"posts": [{"id": str(n), "text": "a", "username": "acme"} for n in range(1, 8)]}
    )

    first = (await http.get(timeline, params={"max_results": 5, "since_id": "1"})).json()
    assert [post["id"] for post in first["data"]] == ["7", "6", "5", "4", "3"]
    assert first["meta"] == {"result_count": 5, "newest_id": "7", "oldest_id": "3", "next_token": "3"}
    rest = {"max_results": 5, "since_id": "1", "pagination_token": first["meta"]["next_token"]}
    last = (await http.get(timeline, params=rest)).json()
    assert ([post["id"] for post in last["data"]], "next_token" in last["meta"]) == (["2"], False)


async def test_the_judge_counts_what_came_not_what_was_seeded(http: httpx2.AsyncClient) -> None:
    seeded = await http.post("/sandbox/posts", json={"posts": [{"id": "1001", "text": "?", "username": "jo"}]})
    assert seeded.json() == {"ids": ["1001"]}
    await posted(http, "un")
    await posted(http, "deux")
    await http.post("/2/tweets", json={"text": ""})

    received = (await http.get("/sandbox/received", params={"limit": 1})).json()
    assert (received["count"], received["attempts"], received["per_in_reply_to"]) == (2, 2, {"1001": 2})
    assert [item["text"] for item in received["items"]] == ["@jo deux"]
    assert (await http.get("/sandbox/received", params={"in_reply_to": "9"})).json()["items"] == []


@pytest.mark.parametrize(
    ("fault", "status", "posts"),
    [
        ({"kind": "error", "status": 500}, 500, 0),
        ({"kind": "error_after_posting", "status": 502}, 502, 1),
        ({"kind": "rate_limited", "seconds": 60}, 429, 0),
        ({"kind": "rate_limited"}, 429, 0),
        ({"kind": "no_answer", "seconds": 0.01}, 503, 1),
        ({"kind": "late_timeline", "seconds": 60}, 201, 1),
    ],
)
async def test_faults_befall_the_next_posts_and_no_more(
    http: httpx2.AsyncClient, fault: dict[str, Any], status: int, posts: int
) -> None:
    assert (await http.post("/sandbox/faults", json={"next": [fault]})).status_code == 204
    answer = await http.post("/2/tweets", json={"text": "un"})
    assert answer.status_code == status
    assert ("x-rate-limit-reset" in answer.headers) == (
        status == 201 or fault == {"kind": "rate_limited", "seconds": 60}
    )
    assert (await http.get("/sandbox/received")).json()["count"] == posts
    assert (await http.post("/2/tweets", json={"text": "deux"})).status_code == 201


async def test_faults_on_reads_leave_posts_alone(http: httpx2.AsyncClient) -> None:
    await http.post("/sandbox/faults", json={"next": [{"kind": "error", "on": "read", "count": 2}]})
    post = await posted(http)
    statuses = [(await http.get(f"/2/tweets/{post['id']}")).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]


async def test_the_page_lets_nothing_in(http: httpx2.AsyncClient) -> None:
    await posted(http, "<img src=x onerror=alert(1)>")
    page = await http.get("/", headers={"Accept-Language": "fr"})

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "&lt;img" in page.text
    assert "Le réseau d’essai" in page.text
    assert (await http.get("/livez")).json() == {"status": "ok"}


async def test_what_is_seeded_at_once_is_one_thread(http: httpx2.AsyncClient) -> None:
    posts = [
        {"id": "1", "text": "un", "username": "jo"},
        {"id": "2", "text": "deux", "username": "acme", "in_reply_to": "1"},
        {"id": "3", "text": "trois", "username": "jo", "in_reply_to": "2"},
    ]
    await http.post("/sandbox/posts", json={"posts": posts})
    found = (await http.get("/2/tweets", params={"ids": "1,2,3", "tweet.fields": "conversation_id"})).json()
    assert [post["conversation_id"] for post in found["data"]] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/2/tweets", '{"text": "\\ud800"}'),
        ("POST", "/2/tweets", '{"text": '),
        ("POST", "/2/tweets", "[]"),
        ("GET", f"/2/tweets/{'9' * 20}", ""),
        ("GET", f"/2/tweets?ids={'9' * 20}", ""),
        ("GET", f"/2/dm_conversations/1-{'9' * 5000}/dm_events", ""),
        ("GET", "/2/users/1/mentions?start_time=yesterday", ""),
        ("GET", "/2/users/1/mentions?pagination_token=abc", ""),
        ("POST", "/2/activity/subscriptions", '{"event_type": "post.create", "filter": {}}'),
        ("POST", "/2/webhooks", '{"url": "http://[::1"}'),
        ("POST", "/sandbox/posts", '{"posts": [{"text": "a", "author": "b"}]}'),
        ("PUT", "/sandbox/clock", '{"ahead_seconds": 1e300}'),
        ("PATCH", "/sandbox/behaviour", '{"keep_alive_seconds": 0}'),
        ("PUT", "/sandbox/credentials", '{"users": [{"name": "acme"}]}'),
    ],
)
async def test_what_makes_no_sense_is_a_bad_request(
    http: httpx2.AsyncClient, method: str, path: str, body: str
) -> None:
    answer = await http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
