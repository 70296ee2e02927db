"""Bad input: a problem that names the place and the fix, nothing half told, never a 500."""

import json
from typing import Any

import pytest

from tests.integration.ingest.world import NDJSON, World, item, x_post


def rejected(answer: Any) -> list[tuple[int, str, str]]:
    """(index, short type, path) of each."""
    found = answer.json()["rejected"]
    return [(each["index"], each["type"].rpartition(":")[2], each.get("path", "")) for each in found]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b'[{"network": "crm", "id": }]', 400, "malformed-json"),
        (b'{"network": "crm"} trailing', 400, "malformed-json"),
        (b'{"text": "\x01"}', 400, "malformed-json"),
        (b"[" * 100_000, 400, "malformed-json"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "malformed-json"),
        (b'{"text": "\xff\xfe"}', 400, "invalid-utf-8"),
        (b'{"unknown": "\xed\xa0\x80"}', 400, "invalid-utf-8"),
        ("[1]".encode("utf-16"), 400, "invalid-utf-8"),
        (b"[]", 422, "empty-batch"),
        (b'"a text"', 422, "not-an-item"),
        (b"null", 422, "not-an-item"),
        (b"17", 422, "not-an-item"),
        (b"[null, 3]", 422, "all-refused"),
        (json.dumps([item(n) for n in range(1001)]).encode(), 422, "too-many"),
        (json.dumps(item(text="x" * 2_000_000)).encode(), 413, "too-large"),
    ],
)
async def test_a_body_of_which_nothing_can_be_taken_is_a_problem_with_a_fix(
    world: World, body: bytes, status: int, slug: str
) -> None:
    answer = await world.post(body)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:guichet:problem:{slug}"
    assert problem["fix"]
    assert await world.told() == []


@pytest.mark.parametrize(
    ("lines", "status", "slug"),
    [
        (b"", 422, "empty-batch"),
        (b"\n \n", 422, "empty-batch"),
        (b"{\n}\n", 400, "malformed-json"),
        (b'{"text": "\xff"}\n', 400, "invalid-utf-8"),
        (b"3\n{\n", 422, "all-refused"),
        (b'{"id": "1"}\n' * 1001, 422, "too-many"),
    ],
)
async def test_ndjson_of_which_nothing_can_be_taken_is_a_problem_with_a_fix(
    world: World, lines: bytes, status: int, slug: str
) -> None:
    answer = await world.call("POST", "/v1/mentions", content=lines, headers=NDJSON)

    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:guichet:problem:{slug}")
    assert answer.json()["fix"]


@pytest.mark.parametrize(
    ("bad", "slug", "path"),
    [
        ({"id": "1"}, "missing", "$.network"),
        ({k: v for k, v in item().items() if k != "id"}, "missing", "$.id"),
        ({k: v for k, v in item().items() if k != "text"}, "missing", "$.text"),
        (item(author={}), "missing", "$.author.id"),
        (item(author="jo"), "invalid", "$.author"),
        (item(author={"id": True}), "invalid", "$.author.id"),
        (item(author={"id": "c", "followers": "many"}), "invalid", "$.author.followers"),
        (item(author={"id": "c", "followers": -1}), "invalid", "$.author.followers"),
        (item(id_=""), "invalid", "$.id"),
        (item(id_="x" * 201), "invalid", "$.id"),
        (item(id_=10**50), "invalid", "$"),
        ({**item(), "id": 1.5}, "invalid", "$.id"),
        ({**item(), "text": None}, "invalid", "$.text"),
        (item(text=""), "no-text", "$.text"),
        (item(text=" \n"), "no-text", "$.text"),
        (item(text="x" * 25_001), "too-long", "$.text"),
        (item(network="X.com"), "bad-network", "$.network"),
        (item(network="n" * 33), "bad-network", "$.network"),
        (item(posted_at="yesterday"), "invalid", "$.posted_at"),
        (item(posted_at=1748865600), "invalid", "$.posted_at"),
        (item(posted_at="2025-06-02T12:00:00"), "no-zone", "$.posted_at"),
        (item(posted_at="0001-01-01T00:00:00+05:00"), "absurd-date", "$.posted_at"),
        (item(posted_at="2006-03-20T23:59:59Z"), "absurd-date", "$.posted_at"),
        (item(posted_at="9999-12-31T23:59:59-10:00"), "absurd-date", "$.posted_at"),
        (item(private="yes"), "invalid", "$.private"),
        (item(version=0), "invalid", "$.version"),
        (item(version=2**40), "invalid", "$.version"),
        (item(edit_of="A-0"), "missing", "$.version"),
        (item(reach={"likes": []}), "invalid", "$.reach.likes"),
        (item(handle="nobody"), "unknown-handle", "$.handle"),
    ],
)
async def test_one_bad_item_names_its_place_and_the_others_are_taken(
    world: World, bad: dict[str, Any], slug: str, path: str
) -> None:
    answer = await world.post([item("first"), bad, item("last")])

    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 2
    assert rejected(answer) == [(1, slug, path)]
    assert answer.json()["rejected"][0]["detail"]
    assert answer.json()["rejected"][0]["fix"]
    assert [mention.post_id for mention in await world.mentions()] == ["first", "last"]


async def test_one_bad_item_in_a_thousand_is_named_with_its_id(world: World) -> None:
    batch = [item(f"A-{n}") for n in range(1000)]
    batch[613]["author"] = {"name": "no id"}

    answer = await world.post(batch)

    assert answer.json()["accepted"] == 999
    assert rejected(answer) == [(613, "missing", "$.author.id")]
    assert answer.json()["rejected"][0]["id"] == "A-613"
    assert len(await world.mentions()) == 999


async def test_one_bad_line_is_named_and_the_others_are_taken(world: World) -> None:
    good = json.dumps(item("good")).encode()
    lines = [b"{", b'{"id": "\xff"}', json.dumps(item("big", more="x" * 70_000)).encode(), good]

    answer = await world.call("POST", "/v1/mentions", content=b"\n".join(lines), headers=NDJSON)

    assert answer.json()["accepted"] == 1
    assert rejected(answer) == [(0, "malformed-json", ""), (1, "invalid-utf-8", ""), (2, "line-too-long", "")]


async def test_when_all_are_refused_the_answer_is_a_problem_that_names_each(world: World) -> None:
    answer = await world.post([item("1", text=""), item("2", handle="nobody")])

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert rejected(answer) == [(0, "no-text", "$.text"), (1, "unknown-handle", "$.handle")]
    assert answer.json()["accepted"] == 0
    assert await world.told() == []


async def test_an_unknown_handle_brings_the_nearest_known(world: World) -> None:
    await world.has_handle("support-fr")
    answer = await world.post(item(handle="suport-fr"))
    assert answer.json()["rejected"][0]["fix"] == "Did you mean 'support-fr'?"


async def test_numbers_as_ids_become_texts(world: World) -> None:
    big = 2**64 + 1
    await world.post(item(big, author={"id": 7}, in_reply_to=41, thread_id=40))

    [mention] = await world.mentions()
    assert (mention.post_id, mention.author_id, mention.in_reply_to, mention.thread_id) == (str(big), "7", "41", "40")


async def test_fields_we_do_not_know_and_nulls_are_passed_over(world: World) -> None:
    answer = await world.post(item(handle=None, language=None, reach=None, edit_of=None, thread_id="", novelty=[{}]))
    assert answer.status_code == 202


async def test_nul_and_half_surrogates_become_the_replacement_character(world: World) -> None:
    body = (
        rb'[{"network":"crm","id":"1","text":"a\u0000b\ud800c\udc00 \ud83d\ude00 \\ud800","author":{"id":"c\udfff"},'
        rb'"other":"\ud900"}]'
    )

    answer = await world.post(body)

    assert answer.status_code == 202, answer.text
    [mention] = await world.mentions()
    assert mention.text == "a�b�c� 😀 \\ud800"
    assert mention.author_id == "c�"


async def test_a_deeply_nested_field_does_not_travel(world: World) -> None:
    deep = b'{"network":"crm","id":"1","text":"hi","author":{"id":"c"},"x":' + b"[" * 600 + b"]" * 600 + b"}"

    assert (await world.post(deep)).status_code == 202
    [mention] = await world.mentions()
    assert bytes(mention.raw) == b"null"


async def test_x_posts_are_refused_by_x_s_own_names(world: World) -> None:
    batch = [
        x_post("1"),
        {"id": "2", "text": "no author"},
        x_post("3", created_at="2025-06-02T12:00:00"),
        x_post("4", text=""),
        x_post("5", text="", attachments={"media_keys": ["3_1"]}),
        {"data": {"id": 6, "text": "no author"}},
        {"errors": [{"title": "operational-disconnect"}]},
    ]

    answer = await world.post(batch, "/v1/mentions?shape=x")

    assert answer.json()["accepted"] == 2
    assert rejected(answer) == [
        (1, "missing", "$.author_id"),
        (2, "no-zone", "$.created_at"),
        (3, "no-text", "$.text"),
        (5, "missing", "$.data.author_id"),
        (6, "missing", "$.id"),
    ]
    assert [each.get("id") for each in answer.json()["rejected"]] == ["2", "3", "4", "6", None]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/mentions?shap=x", {}, 400),
        ("/v1/mentions?shape=mastodon", {}, 422),
        ("/v1/mentions?shape=x&network=NO", {}, 422),
        ("/v1/mentions?network=crm", {}, 422),
        ("/v1/mentions", {"Content-Type": "text/plain"}, 415),
        ("/v1/mentions", {"Content-Type": "application/json; charset=utf-8"}, 202),
    ],
)
async def test_the_address_and_the_type_are_checked_too(
    world: World, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await world.post(json.dumps(item()).encode(), path, headers=headers)

    assert answer.status_code == status, answer.text
    if status != 202:
        assert answer.json()["fix"]


async def test_a_stranger_may_not_hand_in_anything(world: World) -> None:
    assert (await world.post(item(), key=world.reader)).status_code == 403
    assert (await world.post(item(), key="gk_nobody_x")).status_code == 401
    assert await world.told() == []
