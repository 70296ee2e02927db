"""What is Mastodon's alone: who sees an answer, whom it names, and a key under which it is made once."""

import pytest

from services.responder.domain.posting import Answered, ByHand, NotSent, Refused
from services.responder.gateways import Gateway
from tests.contract.gateway_fakes import FakeMastodon
from tests.contract.test_gateway_contract import meaning


@pytest.fixture
def network() -> FakeMastodon:
    return FakeMastodon()


@pytest.fixture
def gateway(network: FakeMastodon) -> Gateway:
    return network.gateway()


@pytest.mark.parametrize(
    ("theirs", "private", "ours"),
    [
        ("public", False, "unlisted"),
        ("unlisted", False, "unlisted"),
        ("private", False, "private"),
        ("direct", False, "direct"),
        ("direct", True, "direct"),
        ("public", True, "direct"),
    ],
)
async def test_an_answer_is_seen_by_no_more_than_what_it_answers(
    network: FakeMastodon, gateway: Gateway, theirs: str, private: bool, ours: str
) -> None:
    network.statuses["103"]["visibility"] = theirs
    await gateway.post(network.to_mention(private=private))
    assert network.body()["visibility"] == ours


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Bonjour", "@jo@example.social Bonjour"),
        ("Bonjour @Jo@example.social !", "Bonjour @Jo@example.social !"),
        ("@jo@example.socialists Bonjour", "@jo@example.social @jo@example.socialists Bonjour"),
    ],
)
async def test_the_author_is_named_once_or_would_not_hear_of_it(
    network: FakeMastodon, gateway: Gateway, text: str, sent: str
) -> None:
    await gateway.post(network.to_mention(text=text))
    assert network.body()["status"] == sent


async def test_a_second_try_of_the_same_reply_makes_no_second_post(network: FakeMastodon, gateway: Gateway) -> None:
    network.faults = ["lost"]
    await gateway.post(network.to_mention(id="rep_9"))
    exchange = await gateway.post(network.to_mention(id="rep_9", fence=2))

    assert isinstance(exchange, Answered)
    assert exchange.body == {"data": {"id": "201"}}
    assert len(network.posts) == 1
    assert {each.headers["Idempotency-Key"] for each in network.requests if each.method == "POST"} == {"rep_9"}


async def test_a_private_answer_is_found_like_any_other(network: FakeMastodon, gateway: Gateway) -> None:
    network.faults = ["lost"]
    await gateway.post(network.to_mention(private=True))
    [seen] = await gateway.look(network.to_mention(private=True))
    assert (seen.in_reply_to, seen.text) == ("103", "On regarde ^Ana")


async def test_our_timeline_is_read_to_its_end(network: FakeMastodon, gateway: Gateway) -> None:
    for n in range(5):
        await gateway.post(network.to_mention(id=f"rep_{n}", text=f"Réponse {n}"))
    seen = await gateway.look(network.to_mention())
    assert [each.text for each in seen] == [f"Réponse {n}" for n in reversed(range(5))]


async def test_an_answer_to_what_is_gone_is_refused_and_not_tried(network: FakeMastodon, gateway: Gateway) -> None:
    network.statuses.clear()
    outcome = meaning(await gateway.post(network.to_mention()))
    assert outcome == Refused("the network said 404: Record not found")
    assert network.attempts == 0


async def test_a_mention_of_another_server_is_for_a_person(network: FakeMastodon, gateway: Gateway) -> None:
    exchange = await gateway.post(network.to_mention(in_reply_to="https://other.example/@jo/9"))
    assert isinstance(exchange, ByHand)
    assert network.requests == []


async def test_a_parent_in_another_shape_sends_nothing(network: FakeMastodon, gateway: Gateway) -> None:
    network.statuses["103"] = {"id": 103}
    assert isinstance(await gateway.post(network.to_mention()), NotSent)
    assert network.attempts == 0
