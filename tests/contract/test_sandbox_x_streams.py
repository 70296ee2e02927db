"""Streams and rules: the sandbox beside the facts about X, over real HTTP. Each test names its fact."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from sandbox.app import sandbox_app
from sandbox.limits import Limits
from sandbox.rules import InvalidRule, parse, seen
from sandbox.shapes import Asked
from sandbox.state import Network
from sandbox.streams import BUFFERED, Streams
from tests.integration.responder.network import served
from tests.unit.sandbox.scene import Clock, Scene, scene

RULES = "/2/tweets/search/stream/rules"
STREAM = "/2/tweets/search/stream"
ACTIVITY = "/2/activity/stream"
PATIENCE = 10


@pytest.fixture
async def x() -> AsyncIterator[Scene]:
    async with scene() as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a sandbox on a real port."""
    app = sandbox_app(Network(None, Clock(), Limits()))
    async with (
        served(app) as url,
        httpx2.AsyncClient(
            base_url=url, trust_env=False, headers={"Authorization": "Bearer sandbox-acme"}, timeout=PATIENCE
        ) as client,
    ):
        yield client


class Reader:
    """What comes down a stream, piece by piece and line by line."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._pieces = answer.aiter_raw()
        self._rest = b""

    async def line(self) -> bytes:
        """The next line, without its end; an empty one is a keep-alive."""
        async with asyncio.timeout(PATIENCE):
            while b"\r\n" not in self._rest:
                self._rest += await anext(self._pieces)
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    async def event(self) -> Any:
        """The next line that is an object."""
        while not (line := await self.line()):
            pass
        return json.loads(line)

    async def ended(self) -> bool:
        """Whether it ends quietly now."""
        with pytest.raises(StopAsyncIteration):
            await self.event()
        return self._rest == b""


@asynccontextmanager
async def listening(http: httpx2.AsyncClient, path: str = STREAM, **query: Any) -> AsyncIterator[Reader]:
    async with http.stream("GET", path, params=query) as answer:
        assert answer.status_code == 200
        yield Reader(answer)


async def rule(http: httpx2.AsyncClient, value: str = "@acme", tag: str = "brand:acme") -> str:
    answer = await http.post(RULES, json={"add": [{"value": value, "tag": tag}]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"][0]["id"])


async def seed(http: httpx2.AsyncClient, *posts: dict[str, Any]) -> None:
    assert (await http.post("/sandbox/posts", json={"posts": posts})).status_code == 201


HI = {"id": "19", "text": "@acme hi", "username": "jo", "author_id": "222"}


# --- 2.1: the stream


async def test_a_post_that_matches_comes_as_one_line(http: httpx2.AsyncClient) -> None:
    id_ = await rule(http)
    async with listening(http, **{"tweet.fields": "author_id", "expansions": "author_id"}) as stream:
        await seed(http, {"text": "of something else", "username": "lu"}, HI)
        assert await stream.event() == {
            "data": {"id": "19", "text": "@acme hi", "author_id": "222", "edit_history_tweet_ids": ["19"]},
            "includes": {"users": [{"id": "222", "username": "jo", "name": "jo"}]},
            "matching_rules": [{"id": id_, "tag": "brand:acme"}],
        }


async def test_an_empty_line_keeps_the_stream_alive(http: httpx2.AsyncClient) -> None:
    await http.patch("/sandbox/behaviour", json={"keep_alive_seconds": 0.01})
    await rule(http)
    async with listening(http) as stream:
        assert [await stream.line() for _ in range(3)] == [b"", b"", b""]


async def test_an_object_may_come_in_pieces(http: httpx2.AsyncClient) -> None:
    await http.patch("/sandbox/behaviour", json={"chunk_bytes": 5})
    await rule(http)
    async with listening(http) as stream:
        await seed(http, HI)
        assert (await stream.event())["data"]["id"] == "19"


async def test_an_error_can_come_inside_a_stream_which_then_ends(http: httpx2.AsyncClient) -> None:
    await rule(http)
    async with listening(http) as stream:
        await http.post("/sandbox/streams", json={"how": "error"})
        [error] = (await stream.event())["errors"]
        assert error["title"] == "operational-disconnect"
        assert error["type"] == "https://api.x.com/2/problems/operational-disconnect"
        assert await stream.ended()


async def test_a_stream_can_break_in_the_middle_of_an_object(http: httpx2.AsyncClient) -> None:
    await rule(http)
    async with listening(http) as stream:
        await http.post("/sandbox/streams", json={"how": "middle"})
        with pytest.raises(httpx2.RemoteProtocolError):
            await stream.event()


async def test_the_same_post_may_come_twice(http: httpx2.AsyncClient) -> None:
    await rule(http)
    async with listening(http) as stream:
        await seed(http, HI)
        first = await stream.event()
        await http.post("/sandbox/streams", json={"how": "again"})
        assert await stream.event() == first


async def test_a_second_connection_is_refused_until_the_first_is_ended(http: httpx2.AsyncClient) -> None:
    await rule(http)
    async with listening(http) as stream:
        refused = await http.get(STREAM)
        assert refused.status_code == 429
        assert refused.json()["connection_issue"] == "TooManyConnections"
        assert refused.json()["type"] == "https://api.x.com/2/problems/streaming-connection"
        [open_one] = (await http.get("/2/connections")).json()["data"]
        assert open_one["endpoint_name"] == "filtered_stream"
        ended = await http.delete("/2/connections/filtered_stream")
        assert [each["uuid"] for each in ended.json()["data"]["results"]] == [open_one["id"]]
        assert await stream.ended()
    async with listening(http) as stream:
        await http.delete("/2/connections/all")
        assert await stream.ended()
    assert (await http.delete("/2/connections/other")).status_code == 400


async def test_who_hangs_up_makes_room(http: httpx2.AsyncClient) -> None:
    await rule(http)
    async with listening(http):
        pass
    async with asyncio.timeout(PATIENCE):
        while (await http.get("/2/connections")).json()["meta"]["result_count"]:
            pass
    async with listening(http) as stream:
        await seed(http, HI)
        assert (await stream.event())["data"]["id"] == "19"


async def test_without_rules_there_is_no_stream(http: httpx2.AsyncClient) -> None:
    refused = await http.get(STREAM)
    assert (refused.status_code, refused.json()["connection_issue"]) == (409, "RuleConfigurationIssue")


async def test_fifty_connects_in_a_quarter_of_an_hour(x: Scene) -> None:
    answers = [await x.http.get(STREAM) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [409] * 50 + [429]


async def test_a_stream_can_be_refused_for_credits(x: Scene) -> None:
    await x.befall(kind="no_credits", on="stream")
    assert (await x.http.get(STREAM)).status_code == 402


async def test_two_may_listen_to_activity(http: httpx2.AsyncClient) -> None:
    wish = {"event_type": "post.mention.create", "filter": {"user_id": "111"}}
    await http.post("/sandbox/accounts", json={"username": "acme", "id": "111"})
    await http.post("/2/activity/subscriptions", json=wish)
    async with listening(http, ACTIVITY) as one, listening(http, ACTIVITY) as other:
        assert (await http.get(ACTIVITY)).status_code == 429
        await seed(http, HI)
        assert (await one.event()) == (await other.event())


async def test_a_reader_that_is_too_slow_is_disconnected(x: Scene) -> None:
    streams = Streams(x.clock)
    connection = streams.connect("filtered_stream", Asked())
    for _ in range(BUFFERED + 5):
        streams.say("filtered_stream", lambda _wish: {})
    assert [connection.lines.get_nowait() for _ in range(BUFFERED)] == [b"{}\r\n"] * BUFFERED
    assert (connection.lines.get_nowait(), connection.lines.empty()) == ("end", True)


# --- 2.1: rules


async def test_rules_are_added_read_and_deleted(x: Scene) -> None:
    made = await x.http.post(RULES, json={"add": [{"value": "@acme -is:retweet", "tag": "brand:acme"}]})
    body = made.json()
    [one] = body["data"]
    assert (made.status_code, one) == (201, {"id": one["id"], "value": "@acme -is:retweet", "tag": "brand:acme"})
    assert body["meta"]["summary"] == {"created": 1, "not_created": 0, "valid": 1, "invalid": 0}
    assert body["meta"]["sent"] == "2026-03-02T12:00:00.000Z"
    assert (await x.http.get(RULES)).json()["data"] == [one]
    assert (await x.http.get(RULES, params={"ids": "1"})).json()["meta"]["result_count"] == 0
    assert (await x.http.get(f"{RULES}/counts")).json()["data"]["project_rules_count"] == 1
    gone = await x.http.post(RULES, json={"delete": {"values": ["@acme -is:retweet", "other"]}})
    assert gone.json()["meta"]["summary"] == {"deleted": 1, "not_deleted": 1}
    assert "data" not in (await x.http.get(RULES)).json()


async def test_a_dry_run_changes_nothing(x: Scene) -> None:
    await rule(x.http)
    dry = await x.http.post(RULES, params={"dry_run": True}, json={"add": [{"value": "parcel"}]})
    assert dry.json()["meta"]["summary"]["created"] == 1
    await x.http.post(RULES, params={"dry_run": True, "delete_all": True})
    assert [each["value"] for each in (await x.http.get(RULES)).json()["data"]] == ["@acme"]
    await x.http.post(RULES, params={"delete_all": True})
    assert "data" not in (await x.http.get(RULES)).json()


async def test_a_duplicate_rule_is_told_with_the_id_it_has(x: Scene) -> None:
    id_ = await rule(x.http)
    again = (await x.http.post(RULES, json={"add": [{"value": "@acme"}, {"value": "parcel"}]})).json()
    assert [each["value"] for each in again["data"]] == ["parcel"]
    assert again["errors"] == [
        {
            "value": "@acme",
            "id": id_,
            "title": "DuplicateRule",
            "type": "https://api.x.com/2/problems/duplicate-rules",
        }
    ]
    assert again["meta"]["summary"]["not_created"] == 1


async def test_invalid_rules_and_too_many_have_types_of_their_own(x: Scene) -> None:
    await x.behave(most_rules=1)
    body = (await x.http.post(RULES, json={"add": [{"value": v} for v in ("-a", "b", "c")]})).json()
    assert [error["type"].rpartition("/")[2] for error in body["errors"]] == ["invalid-rules", "rule-cap"]
    assert body["errors"][0]["details"]
    assert body["meta"]["summary"] == {"created": 1, "not_created": 2, "valid": 2, "invalid": 1}


async def test_rules_come_in_pages(x: Scene) -> None:
    for value in "abc":
        await rule(x.http, value)
    first = (await x.http.get(RULES, params={"max_results": 2})).json()
    rest = (await x.http.get(RULES, params={"pagination_token": first["meta"]["next_token"]})).json()
    assert [each["value"] for each in first["data"] + rest["data"]] == ["c", "b", "a"]


# --- 2.1: the rule language

POSTS = [
    {"id": "1", "text": "Acme news", "username": "acme", "author_id": "111"},
    {"id": "2", "text": "@acme where is my parcel?", "username": "jo", "author_id": "222"},
    {"id": "3", "text": "ACME Support is slow #fail $ACME https://example.com/a", "username": "lu"},
    {"id": "4", "text": "lost it", "username": "jo", "in_reply_to": "1"},
    {"id": "5", "text": "look", "username": "lu", "quotes": "2"},
    {"id": "6", "text": "Société générale 🚆", "username": "zoé"},
]


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("acme", "123 5"),  # a mention's name is a word too; a quote matches on what it quotes
        ("parcel", "2 5"),
        ("PARCEL where", "2 5"),
        ("parcel OR slow", "23 5"),
        ("acme parcel OR slow", "23 5"),  # a space binds tighter
        ("acme (parcel OR slow)", "23 5"),
        ("acme -parcel", "13"),
        ('"acme support"', "3"),
        ('"support acme"', ""),
        ('"slow acme"~1', "3"),
        ('"slow example"~3', "3"),
        ('"slow example"~2', ""),
        ('"example slow"~3', "3"),
        ("par", ""),
        ("société", "6"),
        ("societe", ""),
        ("🚆", "6"),
        ("@acme", "2 5"),
        ("@ACME -from:lu", "2"),
        ("#fail", "3"),
        ("$acme", "3"),
        ("from:jo", "24"),
        ("from:222", "2"),
        ("to:acme", "4"),
        ("url:example.com", "3"),
        ("conversation_id:1", "14"),
        ("in_reply_to_tweet_id:1", "4"),
        ("from:jo is:reply", "4"),
        ("look is:quote", "5"),
        ("acme has:links", "3"),
        ("acme has:mentions -is:retweet -is:nullcast", "2 5"),
        ('(@acme OR "acme support") -is:retweet -from:acme', "23 5"),
    ],
)
async def test_what_a_rule_lets_through(x: Scene, value: str, ids: str) -> None:
    await x.seed(*POSTS)
    test = parse(value)
    posts = sorted(x.network.posts, key=lambda post: int(post.id))
    assert {p.id for p in posts if test(seen(x.network, p, with_quoted=True))} == set(ids.replace(" ", ""))


async def test_a_search_does_not_look_at_what_is_quoted(x: Scene) -> None:
    await x.seed(*POSTS)
    found = await x.http.get("/2/tweets/search/recent", params={"query": "parcel"})
    assert [post["id"] for post in found.json()["data"]] == ["2"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a" * 1025,
        "-parcel",
        "is:retweet",
        "has:links lang:fr",
        "parcel OR -slow",
        "-(a b)",
        "(a",
        "a)",
        "()",
        "a OR",
        '"a',
        '""',
        '"a b"~7',
        "-sample:10 a",
        "unknown:thing",
        "is:purple a",
    ],
)
def test_a_rule_that_cannot_be_used_says_why(value: str) -> None:
    with pytest.raises(InvalidRule, match=r"\w+ \w+"):
        parse(value)
