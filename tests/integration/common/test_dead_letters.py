"""Dead letters over REST, against the local bus: seen, replayed and discarded once, by their own service only."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from libs.common import dead_letters
from libs.common.auth import Keyring
from libs.common.bus import Record
from libs.common.bus_local import LocalBus
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.web import web_app

LIST = "/v1/router/dead-letters"
POISON = b'{"event_id": \xff}'
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such handle\n'


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    bus = LocalBus(":memory:")
    yield bus
    await bus.close()


@pytest.fixture
async def client(bus: LocalBus, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    keys = tmp_path / "keys.toml"
    key = create_key(keys, name="operator", role="service", scopes=["dead-letters:write"])
    metrics = Metrics(CollectorRegistry(), "router")
    routes = dead_letters.routes("router", bus, metrics, ["mentions.classified", "replies"])
    app = web_app("router", [routes], metrics=metrics, keyring=Keyring(keys))
    transport = httpx2.ASGITransport(app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://router", headers=headers) as client:
        yield client


def dead(offset: int = 7, topic: str = "mentions.classified", group: str = "router", error: str = TRACEBACK) -> Record:
    return Record(
        f"{topic}.dlq",
        3,
        f"{topic}/3/{offset}/{group}".encode(),
        POISON,
        (
            ("ce_type", b"mention.classified.v1"),
            ("ce_id", b"e-1"),
            ("dlq_key", b"person"),
            ("dlq_topic", topic.encode()),
            ("dlq_group", group.encode()),
            ("dlq_error", error.encode()),
            ("dlq_attempts", b"4"),
            ("dlq_version", b"0.1.0"),
        ),
    )


async def held(bus: LocalBus, topic: str) -> list[Record]:
    return [record async for record in bus.scan(topic)]


async def test_a_letter_is_listed_with_its_reason_in_one_line(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead()])
    (letter,) = (await client.get(LIST)).json()["items"]
    assert letter["key"] == "mentions.classified/3/7/router"
    assert letter["error"] == "ValueError: no such handle"
    assert (letter["type"], letter["attempts"], letter["size_bytes"]) == ("mention.classified.v1", 4, len(POISON))


async def test_only_the_letters_of_its_own_group_are_seen(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    theirs = dead(group="responder")
    await bus.publish([theirs])
    assert (await client.get(LIST)).json()["items"] == []
    answer = await client.get(f"{LIST}/{dead_letters.encode_id(theirs.key.decode())}")
    assert answer.status_code == 404


async def test_pages_hold_every_letter_once(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead(offset) for offset in range(5)] + [dead(9, topic="replies")])
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = (await client.get(LIST, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [letter["offset"] for letter in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [0, 1, 2, 3, 4, 9]
    only = (await client.get(LIST, params={"topic": "replies"})).json()["items"]
    assert [letter["offset"] for letter in only] == [9]


async def test_every_byte_of_a_letter_can_be_seen(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead()])
    letter = (await client.get(f"{LIST}/{dead_letters.encode_id('mentions.classified/3/7/router')}")).json()
    assert base64.b64decode(letter["value_base64"]) == POISON
    assert letter["full_error"] == TRACEBACK
    assert letter["headers"] == [
        {"name": "ce_type", "value": "mention.classified.v1"},
        {"name": "ce_id", "value": "e-1"},
    ]


async def test_a_replayed_letter_goes_back_byte_for_byte_and_is_gone(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead(), dead(8)])
    id_ = dead_letters.encode_id("mentions.classified/3/7/router")
    answer = await client.post(f"{LIST}/{id_}/replay")
    assert answer.json()["outcome"] == "replayed"
    (again,) = await held(bus, "mentions.classified")
    assert (again.key, again.value, again.partition) == (b"person", POISON, 3)
    assert again.headers == (("ce_type", b"mention.classified.v1"), ("ce_id", b"e-1"))
    assert [letter["offset"] for letter in (await client.get(LIST)).json()["items"]] == [8]
    assert (await client.post(f"{LIST}/{id_}/replay")).status_code == 404


async def test_a_discarded_letter_is_gone_and_its_topic_untouched(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead()])
    id_ = dead_letters.encode_id("mentions.classified/3/7/router")
    assert (await client.post(f"{LIST}/{id_}/discard")).json()["outcome"] == "discarded"
    assert (await client.get(LIST)).json()["items"] == []
    assert await held(bus, "mentions.classified") == []


async def test_a_letter_that_fails_again_is_listed_again(bus: LocalBus, client: httpx2.AsyncClient) -> None:
    await bus.publish([dead()])
    await client.post(f"{LIST}/{dead_letters.encode_id('mentions.classified/3/7/router')}/discard")
    await bus.publish([dead()])
    assert len((await client.get(LIST)).json()["items"]) == 1


@pytest.mark.parametrize("id_", ["%00", "x", "w", "bm90LW91cnM", "é", "mentions.classified"])
async def test_an_id_nobody_made_is_not_found(client: httpx2.AsyncClient, id_: str) -> None:
    assert (await client.get(f"{LIST}/{id_}")).status_code in (400, 404)


async def test_nobody_looks_without_the_scope(client: httpx2.AsyncClient) -> None:
    assert (await client.get(LIST, headers={"Authorization": "Bearer gk_x_y"})).status_code == 401
