"""Tokens that run out: renewed once for all replicas, kept before they are used; and accounts that stand still."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from libs.common import db
from libs.common.migrate import migrate
from services.responder.app import MIGRATIONS
from services.responder.domain.posting import Answered
from services.responder.store import budgets
from services.responder.store import credentials as store
from services.responder.store.credentials import Account, Busy, Lent, Pair
from tests.contract.gateway_fakes import TOKEN, FakeBluesky, FakeX
from tests.integration.responder.replicas import LEASE, House, bluesky_password, x_token
from tests.unit.responder.builders import NOON, reply

SECRETS = (TOKEN, "the-first-refresh-token", "the-client-secret", "abcd-efgh-ijkl-mnop", "access-", "refresh-")


@pytest.fixture
async def house(database_url: str) -> House:
    await migrate(database_url, "responder", MIGRATIONS)
    return House(database_url)


def status(exchange: Any) -> int:
    assert isinstance(exchange, Answered), exchange
    return exchange.status


async def test_a_token_that_ran_out_is_renewed_once_and_the_post_is_made(house: House) -> None:
    network = FakeX()
    network.token = "ran-out-meanwhile"
    async with house.replica(network, x_token()) as one:
        exchange = await one.gateways["x"].post(network.to_mention())

    assert status(exchange) == 201
    assert (network.attempts, len(network.posts), network.refreshes) == (2, 1, 1)
    form = next(each for each in network.requests if each.url.path == "/2/oauth2/token")
    assert form.headers["Authorization"] == "Basic YXBwOnRoZS1jbGllbnQtc2VjcmV0"
    assert form.content == b"grant_type=refresh_token&refresh_token=the-first-refresh-token"


async def test_many_replicas_renew_it_once(house: House) -> None:
    network = FakeX()
    network.token = "ran-out-meanwhile"
    async with (
        house.replica(network, x_token()) as one,
        house.replica(network, x_token()) as two,
        house.replica(network, x_token()) as three,
    ):
        exchanges = await asyncio.gather(
            *(
                each.gateways["x"].post(network.to_mention(id=f"rep_{n}", in_reply_to=str(n)))
                for n in range(4)
                for each in (one, two, three)
            )
        )

    assert {status(each) for each in exchanges} == {201}
    assert (network.refreshes, len(network.posts)) == (1, 12)


async def test_a_process_that_starts_later_goes_on_with_the_renewed_pair(house: House) -> None:
    network = FakeX()
    network.token = "ran-out-meanwhile"
    async with house.replica(network, x_token()) as one:
        await one.gateways["x"].post(network.to_mention())
    async with house.replica(network, x_token()) as again:
        assert status(await again.gateways["x"].post(network.to_mention(in_reply_to="2"))) == 201
        network.token = "ran-out-again"
        assert status(await again.gateways["x"].post(network.to_mention(in_reply_to="3"))) == 201

    assert (network.refreshes, network.refresh_token) == (2, "refresh-2")


async def test_a_new_pair_of_the_operators_takes_the_place_of_the_renewed_one(house: House) -> None:
    network = FakeX()
    network.token = "ran-out-meanwhile"
    async with house.replica(network, x_token()) as one:
        await one.gateways["x"].post(network.to_mention())
    network.token, network.refresh_token = "given-anew", "given-anew-refresh"
    async with house.replica(network, x_token("given-anew", "given-anew-refresh")) as again:
        assert status(await again.gateways["x"].post(network.to_mention(in_reply_to="2"))) == 201
        network.token = "ran-out-again"
        assert status(await again.gateways["x"].post(network.to_mention(in_reply_to="3"))) == 201

    assert network.refreshes == 2


async def test_a_renewal_goes_on_when_nobody_waits_for_it_any_more(house: House) -> None:
    """The old pair has no force once it was used: to lose the new one is to lose the account."""
    network = FakeX()
    network.token = "ran-out-meanwhile"
    asked, go_on = asyncio.Event(), asyncio.Event()
    answer = network.transport.handler

    async def slowly(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/2/oauth2/token":
            asked.set()
            await go_on.wait()
        made = answer(request)
        assert isinstance(made, httpx2.Response)
        return made

    network.transport = httpx2.MockTransport(slowly)
    async with house.replica(network, x_token()) as one:
        posting = asyncio.create_task(one.gateways["x"].post(network.to_mention()))
        await asked.wait()
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting
        go_on.set()
        await one.gateways["x"].close()
        async with one.database.read() as session:
            [row] = await session.execute(sa.select(store.CREDENTIALS))

    assert (row.access, row.refresh, row.lease_until) == ("access-1", "refresh-1", None)


async def test_a_lease_keeps_others_away_until_it_is_over(house: House) -> None:
    account, given = Account("x", "acme", "seed"), Pair("a", "r")
    async with house.replica(FakeX(), x_token()) as one:
        now = NOON

        async def borrowed(at: timedelta, used: str = "a") -> object:
            async with one.database.begin() as session:
                return await store.borrow(session, account, given, used, now + at, LEASE)

        assert await borrowed(timedelta()) == Lent(given)
        assert await borrowed(LEASE - timedelta(seconds=1)) == Busy()
        assert await borrowed(LEASE) == Lent(given)
        async with one.database.begin() as session:
            assert await store.renewed(session, account, given, Pair("b", "s"))
        async with one.database.begin() as session:
            assert not await store.renewed(session, account, given, Pair("c", "t"))  # who was too late
        assert await borrowed(LEASE) == store.Kept(Pair("b", "s"))


async def test_a_refresh_that_is_refused_stops_the_account_and_says_so(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    network = FakeX()
    network.token, network.refresh_token = "revoked", "revoked"
    async with house.replica(network, x_token()) as one:
        await house.queue(one.database, *(reply(id=f"rep_{n}", in_reply_to=str(n)) for n in range(1, 4)))
        for _ in range(3):
            await one.turn()

        refused = [await house.state(one.database, f"rep_{n}") for n in range(1, 4)]
        assert [each.state for each in refused] == ["refused", "queued", "queued"]
        assert refused[1].reason == "stopped: the network said 401: Unauthorized"
        assert (network.attempts, one.answers("credentials")) == (1, 1)
    assert "account_stopped" in capsys.readouterr().out


async def test_a_stopped_account_goes_again_after_a_read_and_not_after_a_reply(house: House) -> None:
    network = FakeX()
    network.token, network.refresh_token = "revoked", "revoked"
    async with house.replica(network, x_token()) as one:
        await house.queue(one.database, *(reply(id=f"rep_{n}", in_reply_to=str(n)) for n in range(1, 4)))
        await one.turn()
    async with house.replica(network, x_token(), later=30) as early:
        await early.turn()
    assert network.attempts == 1
    async with house.replica(network, x_token(), later=61) as probing:
        await probing.turn()  # in vain
        assert (await house.state(probing.database, "rep_2")).state == "queued"
    assert (network.attempts, network.requests[-1].url.path) == (1, "/2/oauth2/token")
    network.token = TOKEN
    asked = len(network.requests)
    async with house.replica(network, x_token(), later=122) as later:
        await later.turn()
        assert network.requests[asked].url.path == "/2/users/me"
    async with house.replica(network, x_token(), later=190) as last:
        for _ in range(3):
            await last.turn()
        assert [(await house.state(last.database, f"rep_{n}")).state for n in (1, 2, 3)] == [
            "refused",
            "posted",
            "posted",
        ]


async def test_a_second_stop_within_a_day_is_twice_as_long(house: House) -> None:
    network = FakeX()
    async with house.replica(network, x_token()) as one:
        waits = []
        for _ in range(3):
            async with one.database.begin() as session:
                now = await db.now(session)
                breaker = await budgets.stop(session, ("x", "acme"), "credits", now, timedelta(minutes=1))
                assert breaker is not None
                assert breaker.probe_at is not None
                waits.append(breaker.probe_at - now)
                assert await budgets.stop(session, ("x", "acme"), "credits", now, timedelta(minutes=1)) is None
                await budgets.go_on(session, breaker)
    assert waits == [timedelta(minutes=n) for n in (1, 2, 4)]


async def test_a_private_reply_goes_out_and_is_found_when_its_answer_was_lost(house: House) -> None:
    network = FakeX()
    network.faults = ["lost"]
    ours = reply(private=True, author_id="222", text="Votre numéro ?")
    async with house.replica(network, x_token()) as one:
        await house.queue(one.database, ours)
        await one.turn()
        assert (await house.state(one.database)).state == "unknown"
    network.messages[0]["created_at"] = "2027-01-01T00:00:00Z"
    async with house.replica(network, x_token(), later=181) as later:
        await later.turn()
        settled = await house.state(later.database)
        assert (settled.state, settled.own_post_id) == ("posted", "31")
    assert network.attempts == 1


async def test_other_words_to_the_same_person_are_not_taken_for_it(house: House) -> None:
    network = FakeX()
    network.faults = ["never_came"]
    async with house.replica(network, x_token()) as one:
        await house.queue(one.database, reply(private=True, author_id="222", text="Votre numéro ?"))
        await one.turn()
    by_hand = {"id": "40", "text": "Un instant", "sender_id": "111", "created_at": "2027-01-01T00:00:00Z"}
    network.messages.append(by_hand)
    async with house.replica(network, x_token(), later=181) as later:
        await later.turn()
        assert (await house.state(later.database)).state == "unknown"


async def test_a_message_that_is_another_reply_is_not_taken_for_this_one(house: House) -> None:
    """The same words twice to the same person: the second was sent, of the first nobody knows."""
    network = FakeX()
    network.faults = ["never_came"]
    same = {"private": True, "author_id": "222", "text": "Merci !"}
    async with house.replica(network, x_token()) as one:
        await house.queue(one.database, reply(id="rep_1", in_reply_to="1", **same))
        await one.turn()
        await house.queue(one.database, reply(id="rep_2", in_reply_to="2", **same))
        await one.turn()
        assert (await house.state(one.database, "rep_2")).own_post_id == "31"
    async with house.replica(network, x_token(), later=181) as later:
        await later.turn()
        assert (await house.state(later.database, "rep_1")).state == "unknown"


async def test_a_session_is_opened_once_and_kept_over_a_restart(house: House) -> None:
    network = FakeBluesky()
    async with house.replica(network, bluesky_password()) as one, house.replica(network, bluesky_password()) as two:
        posts = (each.gateways["bluesky"].post(network.to_mention(id=f"rep_{n}")) for n, each in enumerate((one, two)))
        assert [status(each) for each in await asyncio.gather(*posts)] == [200, 200]
    async with house.replica(network, bluesky_password()) as again:
        assert status(await again.gateways["bluesky"].post(network.to_mention(id="rep_3"))) == 200
    assert (network.logins, network.refreshes) == (1, 0)


async def test_a_session_that_ran_out_is_refreshed_and_only_then_opened_anew(house: House) -> None:
    network = FakeBluesky()
    async with house.replica(network, bluesky_password()) as one:
        await one.gateways["bluesky"].probe("acme")
        network.token = "ran-out"
        await one.gateways["bluesky"].probe("acme")
        assert (network.logins, network.refreshes) == (1, 1)
        network.token = network.refresh_token = "both-ran-out"
        await one.gateways["bluesky"].probe("acme")
        assert (network.logins, network.refreshes) == (2, 2)


async def test_a_password_that_is_no_good_stops_the_account(house: House) -> None:
    network = FakeBluesky()
    ours = reply(network="bluesky", in_reply_to=network.mention)
    async with house.replica(network, bluesky_password("wrong")) as one:
        await house.queue(one.database, ours)
        await one.turn()
        assert one.answers("credentials", network="bluesky") == 1
        assert (await house.state(one.database)).state == "refused"
    assert network.attempts == 0


async def test_no_secret_is_told(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, logger="aiosqlite")  # it tells every parameter of every statement
    x, bluesky = FakeX(), FakeBluesky()
    x.token = "ran-out-meanwhile"
    said = repr(x_token()) + repr(bluesky_password())
    async with house.replica(x, x_token()) as one, house.replica(bluesky, bluesky_password("wrong-password")) as two:
        said += repr(await one.gateways["x"].post(x.to_mention()))
        x.token, x.refresh_token = "revoked", "revoked"
        said += repr(await one.gateways["x"].post(x.to_mention(in_reply_to="2")))
        said += repr(await two.gateways["bluesky"].post(bluesky.to_mention()))
        said += repr(vars(one.gateways["x"])) + repr(one) + repr(two)

    said += caplog.text + "".join(capsys.readouterr())
    assert [secret for secret in (*SECRETS, "wrong-password") if secret in said] == []
