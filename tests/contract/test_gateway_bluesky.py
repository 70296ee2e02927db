"""What is Bluesky's alone: the record under a key of our own, its thread, its facets."""

import pytest

from services.responder.domain.posting import Answered, ByHand, Lost, Posted, Refused
from services.responder.gateways import Gateway
from services.responder.gateways.bluesky import record_key
from tests.contract.gateway_fakes import FakeBluesky
from tests.contract.test_gateway_contract import meaning


@pytest.fixture
def network() -> FakeBluesky:
    return FakeBluesky()


@pytest.fixture
def gateway(network: FakeBluesky) -> Gateway:
    return network.gateway()


async def test_an_answer_to_the_first_post_of_a_thread_has_it_as_its_root(
    network: FakeBluesky, gateway: Gateway
) -> None:
    await gateway.post(network.to_mention())

    record = network.body()["record"]
    parent = {"uri": network.mention, "cid": "bafy-parent"}
    assert record["reply"] == {"root": parent, "parent": parent}
    assert record["$type"] == "app.bsky.feed.post"
    assert record["createdAt"] == "2026-03-02T12:00:00.000Z"
    assert "facets" not in record


async def test_an_answer_within_a_thread_keeps_its_root(network: FakeBluesky, gateway: Gateway) -> None:
    root = {"uri": "at://did:plc:ccc/app.bsky.feed.post/3kroot", "cid": "bafy-root"}
    network.parents[network.mention]["record"]["reply"] = {"root": root, "parent": {"uri": "at://x/y/z", "cid": "c"}}
    await gateway.post(network.to_mention())

    assert network.body()["record"]["reply"] == {
        "root": root,
        "parent": {"uri": network.mention, "cid": "bafy-parent"},
    }


async def test_links_and_names_are_marked(network: FakeBluesky, gateway: Gateway) -> None:
    await gateway.post(network.to_mention(text="Désolé @jo.example.com et @nobody.example.com : https://example.com"))

    marked = [each["features"][0] for each in network.body()["record"]["facets"]]
    assert marked == [
        {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:bbb"},
        {"$type": "app.bsky.richtext.facet#link", "uri": "https://example.com"},
    ]


async def test_a_later_try_finds_what_the_first_one_left(network: FakeBluesky, gateway: Gateway) -> None:
    network.faults = ["lost"]
    await gateway.post(network.to_mention(id="rep_9"))
    exchange = await gateway.post(network.to_mention(id="rep_9", fence=2))

    assert meaning(exchange) == Posted(network.posts[0]["id"])
    assert network.attempts == 1


async def test_two_tries_at_once_leave_one_post(network: FakeBluesky, gateway: Gateway) -> None:
    """The second did not see the first: the key is taken, and the reply is looked for."""
    await gateway.post(network.to_mention(id="rep_9"))
    assert isinstance(await gateway.post(network.to_mention(id="rep_9")), Lost)
    assert len(network.posts) == 1
    [seen] = await gateway.look(network.to_mention(id="rep_9"))
    assert seen.post_id == f"at://did:plc:aaa/app.bsky.feed.post/{record_key(network.to_mention(id='rep_9'))}"


async def test_an_answer_to_what_is_gone_is_refused_and_not_tried(network: FakeBluesky, gateway: Gateway) -> None:
    network.parents.clear()
    assert isinstance(meaning(await gateway.post(network.to_mention())), Refused)
    assert network.attempts == 0


@pytest.mark.parametrize("more", [{"private": True}, {"in_reply_to": "3kabc"}])
async def test_what_cannot_be_sent_is_for_a_person(
    network: FakeBluesky, gateway: Gateway, more: dict[str, object]
) -> None:
    assert isinstance(await gateway.post(network.to_mention(**more)), ByHand)
    assert network.requests == []


async def test_a_session_that_is_over_is_told_as_credentials(network: FakeBluesky, gateway: Gateway) -> None:
    network.token = "another"
    exchange = await gateway.post(network.to_mention())
    assert isinstance(exchange, Answered)
    assert exchange.status == 401
