"""What every gateway promises, whatever its network: once, or known not to be there, or looked for."""

import ast
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from libs.common.errors import Unavailable
from services.responder.domain import budget as budget_of
from services.responder.domain import recovery
from services.responder.domain.budget import Budget
from services.responder.domain.posting import (
    Answered,
    ByHand,
    Exchange,
    NotSent,
    Outcome,
    Posted,
    Postponed,
    Refused,
    Unknown,
    classify,
)
from services.responder.gateways import Gateway
from services.responder.gateways.meter import answer_of
from services.responder.gateways.signing import Bearer
from tests.contract.gateway_fakes import FAKES, RESET, TOKEN, FakeNetwork
from tests.unit.responder.builders import NOON, PACE, SECOND

RESPONDER = Path(__file__).parents[2] / "services" / "responder"


@pytest.fixture(params=FAKES)
def network(request: pytest.FixtureRequest) -> FakeNetwork:
    return FAKES[request.param]()


@pytest.fixture
async def gateway(network: FakeNetwork) -> AsyncIterator[Gateway]:
    made = network.gateway()
    yield made
    await made.close()


def meaning(exchange: Exchange | ByHand) -> Outcome:
    if isinstance(exchange, ByHand):
        return exchange
    return classify(exchange, tries=1, now=NOON, pace=PACE, chance=0.0)


async def test_a_reply_is_posted_once_under_what_it_answers(network: FakeNetwork, gateway: Gateway) -> None:
    exchange = await gateway.post(network.to_mention())

    [post] = network.posts
    assert meaning(exchange) == Posted(post["id"])
    assert network.attempts == 1
    [seen] = await gateway.look(network.to_mention())
    assert (seen.post_id, seen.in_reply_to) == (post["id"], network.mention)
    assert seen.created_at is not None


async def test_what_went_out_without_an_answer_is_found(network: FakeNetwork, gateway: Gateway) -> None:
    network.faults = ["lost"]
    ours = network.to_mention(text="On regarde & on revient https://example.com/a?b=1 ^Ana")
    assert isinstance(meaning(await gateway.post(ours)), Unknown)

    found = recovery.find(ours, await gateway.look(ours), set())

    assert found is not None
    assert found.post_id == network.posts[0]["id"]
    assert network.attempts == 1


async def test_its_own_words_are_known_again(network: FakeNetwork, gateway: Gateway) -> None:
    """A follow-up must not be taken for what it follows: only its words tell."""
    first = network.to_mention(id="rep_1", text="Un instant & merci ^Ana")
    second = network.to_mention(id="rep_2", text="C'est réglé ^Ana", follow_up_of="rep_1")
    await gateway.post(first)

    assert recovery.find(second, await gateway.look(second), set()) is None
    await gateway.post(second)
    found = recovery.find(second, await gateway.look(second), set())
    assert found is not None
    assert found.post_id == network.posts[1]["id"]


async def test_what_never_went_out_is_not_found(network: FakeNetwork, gateway: Gateway) -> None:
    network.faults = ["never_came"]
    assert isinstance(meaning(await gateway.post(network.to_mention())), Unknown)
    assert recovery.find(network.to_mention(), await gateway.look(network.to_mention()), set()) is None

    await gateway.post(network.to_mention(fence=2))

    assert len(network.posts) == 1


async def test_a_text_that_is_too_long_is_refused_in_the_networks_words(network: FakeNetwork, gateway: Gateway) -> None:
    exchange = await gateway.post(network.to_mention(text="a" * (network.longest + 1)))

    outcome = meaning(exchange)
    assert isinstance(outcome, Refused)
    assert "too long" in outcome.reason or "longer than" in outcome.reason or "limit of" in outcome.reason
    assert network.posts == []


async def test_a_token_that_is_no_good_is_told_as_such(network: FakeNetwork) -> None:
    network.token = "another"
    gateway = network.gateway()
    exchange = await gateway.post(network.to_mention())
    with pytest.raises(Unavailable):
        await gateway.probe("acme")
    with pytest.raises(Unavailable):
        await gateway.look(network.to_mention())
    await gateway.close()

    assert answer_of(exchange, meaning(exchange)) == "credentials"
    assert network.posts == []
    assert network.attempts <= 1


async def test_an_account_that_goes_again_is_seen_by_a_read(network: FakeNetwork, gateway: Gateway) -> None:
    network.token = "another"
    with pytest.raises(Unavailable):
        await gateway.probe("acme")
    network.token = TOKEN

    await gateway.probe("acme")

    assert network.attempts == 0


async def test_a_limit_holds_until_the_networks_moment(network: FakeNetwork, gateway: Gateway) -> None:
    network.faults = ["limited"]
    exchange = await gateway.post(network.to_mention())

    outcome = meaning(exchange)
    assert isinstance(outcome, Postponed)
    assert RESET <= outcome.not_before <= RESET + SECOND
    assert answer_of(exchange, outcome) == "limited"
    assert isinstance(exchange, Answered)
    heard = budget_of.heard(Budget(network.name, "acme", "post"), exchange.headers, 0, NOON)
    assert heard is not None
    assert heard.left(NOON) == 0


async def test_a_server_that_breaks_leaves_it_unknown(network: FakeNetwork, gateway: Gateway) -> None:
    network.faults = ["broken"]
    assert isinstance(meaning(await gateway.post(network.to_mention())), Unknown)
    assert network.attempts == 1


async def test_what_could_not_connect_was_not_sent(network: FakeNetwork) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    network.transport = httpx2.MockTransport(refuse)
    gateway = network.gateway()
    assert isinstance(await gateway.post(network.to_mention()), NotSent)
    await gateway.close()


@pytest.mark.parametrize("network", ["mastodon", "bluesky"], indirect=True)  # on X a token may be for all handles
async def test_a_handle_without_credentials_posts_nothing(network: FakeNetwork, gateway: Gateway) -> None:
    assert isinstance(await gateway.post(network.to_mention(handle="nobody")), ByHand)
    assert network.requests == []


async def test_no_secret_and_no_text_is_told(
    network: FakeNetwork, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    signer = Bearer(TOKEN)
    gateway = network.gateway(signer)
    await gateway.post(network.to_mention(text="un texte privé"))
    network.token = "another"
    with pytest.raises(Unavailable) as error:
        await gateway.probe("acme")
    await gateway.close()

    said = caplog.text + "".join(capsys.readouterr()) + repr(signer) + repr(gateway)
    said += str(error.value) + repr(error.value) + repr(error.value.__cause__)
    assert TOKEN not in said
    assert "un texte privé" not in said


def test_only_gateways_speak_http() -> None:
    """Whoever else could POST could do so twice."""
    speakers = {
        str(path.relative_to(RESPONDER))
        for path in RESPONDER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] in {"httpx", "httpx2", "requests", "aiohttp", "urllib3", "http"}
        or name.startswith("urllib.request")
    }
    assert speakers
    assert all(path.startswith("gateways/") for path in speakers), speakers


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
