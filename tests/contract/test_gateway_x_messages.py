"""X: private messages, the rule of 2026, signatures, and what it costs."""

import json

import pytest
from prometheus_client import CollectorRegistry

from libs.common.errors import Unavailable
from services.responder.domain import recovery
from services.responder.domain.posting import ByHand, Lost, Posted, Postponed
from services.responder.gateways.meter import Meter, read_prices
from services.responder.gateways.oauth import OAuth1
from services.responder.gateways.signing import Signed
from services.responder.gateways.x import XGateway
from tests.contract.gateway_fakes import LIMIT, TOKEN, FakeX
from tests.contract.test_gateway_contract import meaning
from tests.unit.responder.builders import MINUTE, NOON


@pytest.fixture
def network() -> FakeX:
    return FakeX()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def gateway(network: FakeX, registry: CollectorRegistry) -> XGateway:
    return network.gateway(meter=Meter(registry, read_prices(None)))


async def test_a_private_reply_is_a_message_to_its_author(network: FakeX, gateway: XGateway) -> None:
    exchange = await gateway.post(network.to_mention(private=True, text="Votre numéro ?"))

    assert meaning(exchange) == Posted("31")
    assert network.requests[-1].url.path == "/2/dm_conversations/with/222/messages"
    assert network.body() == {"text": "Votre numéro ?"}
    assert network.posts == []


async def test_a_message_without_an_answer_is_found_by_its_words(network: FakeX, gateway: XGateway) -> None:
    network.faults = ["lost"]
    ours = network.to_mention(private=True, text="Votre numéro ?", follow_up_of="strict")
    assert isinstance(await gateway.post(ours), Lost)
    network.messages.append(network.messages[0] | {"id": "40", "text": "Autre chose"})
    network.messages.append(network.messages[0] | {"id": "41", "sender_id": "222"})

    seen = await gateway.look(ours)

    assert [each.post_id for each in seen] == ["40", "31"]
    found = recovery.find(ours, seen, set())
    assert found is not None
    assert found.post_id == "31"
    assert network.attempts == 1


async def test_messages_older_than_the_reply_are_none_of_it(network: FakeX, gateway: XGateway) -> None:
    await gateway.post(network.to_mention(private=True))
    later = network.to_mention(private=True, created_at=NOON + 5 * MINUTE)
    assert await gateway.look(later) == []


async def test_messages_that_cannot_be_read_say_nothing(network: FakeX, gateway: XGateway) -> None:
    network.token = "another"
    with pytest.raises(Unavailable):
        await gateway.look(network.to_mention(private=True))


@pytest.mark.parametrize(
    "detail",
    ["You do not have permission to DM one or more participants.", "This operation is not permitted."],
)
async def test_a_person_who_takes_no_messages_is_for_a_person(network: FakeX, gateway: XGateway, detail: str) -> None:
    network.refusal = (403, detail)
    assert await gateway.post(network.to_mention(private=True)) == ByHand(f"the network said 403: {detail}")


async def test_a_message_to_nobody_is_not_sent(network: FakeX, gateway: XGateway) -> None:
    assert isinstance(await gateway.post(network.to_mention(private=True, author_id="")), ByHand)
    assert network.requests == []


@pytest.mark.parametrize(
    "detail",
    [
        "Reply to this conversation is not allowed: not mentioned or otherwise engaged by the author",
        "You can only reply to or quote posts where you are mentioned or are the author.",
    ],
)
async def test_who_was_not_summoned_may_answer_by_hand_only(network: FakeX, gateway: XGateway, detail: str) -> None:
    network.refusal = (403, detail)
    assert meaning(await gateway.post(network.to_mention())) == ByHand(f"the network said 403: {detail}")


async def test_a_spending_limit_is_about_money_and_waits(network: FakeX, gateway: XGateway) -> None:
    network.refusal = (403, "You have reached your spending limit")
    assert isinstance(meaning(await gateway.post(network.to_mention())), Postponed)


def spent(registry: CollectorRegistry, operation: str) -> float | None:
    return registry.get_sample_value("network_cost_dollars_total", {"network": "x", "operation": operation})


async def test_what_was_made_and_read_is_paid_for(
    network: FakeX, gateway: XGateway, registry: CollectorRegistry
) -> None:
    await gateway.post(network.to_mention(text="sans lien"))
    await gateway.post(network.to_mention(text="voyez example.com"))
    await gateway.post(network.to_mention(private=True))
    await gateway.look(network.to_mention())
    await gateway.look(network.to_mention(private=True))

    assert spent(registry, "reply") == pytest.approx(0.010)
    assert spent(registry, "reply_with_link") == pytest.approx(0.200)
    assert spent(registry, "message") == pytest.approx(0.015)
    assert spent(registry, "own_post_read") == pytest.approx(0.002)
    assert spent(registry, "message_read") == pytest.approx(0.010)
    assert spent(registry, "user_read") == pytest.approx(0.010)


async def test_what_was_refused_costs_nothing(network: FakeX, gateway: XGateway, registry: CollectorRegistry) -> None:
    network.refusal = (403, "no")
    await gateway.post(network.to_mention())
    assert spent(registry, "reply") is None


async def test_a_handle_with_keys_signs_each_request(network: FakeX) -> None:
    signer = Signed(OAuth1("ck", "cs", "tok", "ts"))
    gateway = XGateway(
        "https://api.x.example", TOKEN, post_limit=LIMIT, transport=network.transport, signers={"acme": signer}
    )
    await gateway.post(network.to_mention())
    await gateway.post(network.to_mention(handle="other"))

    signed, bearer = (each.headers["Authorization"] for each in network.requests)
    assert signed.startswith('OAuth oauth_consumer_key="ck", ')
    assert bearer == f"Bearer {TOKEN}"
    assert json.loads(network.requests[0].content)["reply"] == {"in_reply_to_tweet_id": "1001"}
