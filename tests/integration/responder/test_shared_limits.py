"""A network's limit is one for all replicas: never exceeded, and used up in the order of what matters."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from libs.common import db
from libs.common.db import Database
from libs.common.migrate import migrate
from services.responder.app import MIGRATIONS
from services.responder.domain.replies import CLASSES
from services.responder.store import budgets, replies
from services.responder.store.tables import BUDGETS
from tests.buses import PATIENCE
from tests.contract.gateway_fakes import FakeX
from tests.integration.responder.replicas import House, x_token
from tests.unit.responder.builders import reply

ALLOWED = {"/2/tweets": 10, "/2/dm_conversations/with/222/messages": 3}


class Counting(FakeX):
    """Lets so many posts and messages through in a window, says so, and is never silent about one too many."""

    def __init__(self) -> None:
        super().__init__()
        self.left = dict(ALLOWED)
        self.too_many = 0
        self.at_once: Counter[str] = Counter()
        self.most_unannounced = 0
        self.reset = int((datetime.now(UTC) + timedelta(minutes=15)).timestamp())
        self.transport = httpx2.MockTransport(self._counted)

    async def _counted(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path not in self.left:
            return self._answer(request)
        first = self.left[path] == ALLOWED[path]
        self.at_once[path] += 1
        await asyncio.sleep(0)  # others come while this one is on its way
        if first:
            self.most_unannounced = max(self.most_unannounced, self.at_once[path])
        self.at_once[path] -= 1
        if self.left[path] == 0:
            self.too_many += 1
            return httpx2.Response(429, json={"title": "Too Many Requests"}, headers=self._said(path))
        self.left[path] -= 1
        made = self._answer(request)
        return httpx2.Response(made.status_code, content=made.content, headers=self._said(path))

    def _said(self, path: str) -> dict[str, str]:
        return {
            "x-rate-limit-limit": str(ALLOWED[path]),
            "x-rate-limit-remaining": str(self.left[path]),
            "x-rate-limit-reset": str(self.reset),
        }


@pytest.fixture
async def house(database_url: str) -> House:
    await migrate(database_url, "responder", MIGRATIONS)
    return House(database_url)


async def run(house: House, network: Counting, several: list[Any], *, processes: int = 4, rounds: int = 8) -> list[Any]:
    """So many processes take turns at the same moment; the replies as they are then."""
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(house.replica(network, x_token())) for _ in range(processes)]
        await house.queue(replicas[0].database, *several)
        for _ in range(rounds):
            await asyncio.gather(*(each.turn() for each in replicas))
        return [await house.state(replicas[0].database, each.id) for each in several]


async def test_several_processes_never_exceed_the_networks_limit(house: House) -> None:
    network = Counting()
    after = await run(house, network, [reply(id=f"rep_{n:02}", in_reply_to=str(n), text=f"n° {n}") for n in range(40)])

    assert network.too_many == 0
    assert network.most_unannounced == 1  # the first went alone, until its answer said how many may go
    assert Counter(each.state for each in after) == {"posted": 10, "queued": 30}
    waiting = [each.not_before for each in after if each.state == "queued"]
    assert all(each >= datetime.fromtimestamp(network.reset, UTC) for each in waiting)


async def test_messages_have_a_limit_of_their_own(house: House) -> None:
    network = Counting()
    several = [
        reply(id=f"rep_{n:02}", in_reply_to=str(n), text=f"n° {n}", private=n % 2 == 0, author_id="222")
        for n in range(24)
    ]
    after = await run(house, network, several)

    assert network.too_many == 0
    posted = Counter(each.private for each in after if each.state == "posted")
    assert posted == {False: 10, True: 3}


async def test_what_matters_most_takes_what_is_left(house: House) -> None:
    network = Counting()
    network.left["/2/tweets"] = 9  # somebody has posted by hand
    several = [
        reply(
            id=f"rep_{n:02}", in_reply_to=str(n), text=f"n° {n}", priority=CLASSES["holding" if n < 20 else "critical"]
        )
        for n in range(26)
    ]
    after = await run(house, network, several)

    assert network.too_many == 0
    assert [each.state for each in after[20:]] == ["posted"] * 6
    assert Counter(each.state for each in after[:20]) == {"posted": 3, "queued": 17}


async def test_a_budget_of_nothing_is_in_no_figure(house: House) -> None:
    """A row is there to be locked before the network has said anything."""
    async with house.replica(Counting(), x_token()) as one:
        async with one.database.begin() as session:
            await budgets.of_accounts(session, {("x", "acme", "post")})
        async with one.database.read() as session:
            assert len((await session.execute(sa.select(BUDGETS))).all()) == 1
            assert await budgets.all_of_them(session) == []


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_no_replica_takes_replies_while_another_does(house: House) -> None:
    """Else it would pass over what the other has locked, from the first reply on; SQLite has one writer anyway."""
    network = Counting()
    async with house.replica(network, x_token()) as one, house.replica(network, x_token()) as other:
        await house.queue(one.database, *(reply(id=f"rep_{n}", in_reply_to=str(n)) for n in range(2)))
        async with one.database.begin() as session:
            await budgets.one_at_a_time(session)
            turn = asyncio.create_task(other.turn())
            async with asyncio.timeout(PATIENCE):
                while not turn.done() and not await somebody_waits(one.database):  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.01)
            assert network.attempts == 0
            assert not turn.done()
            free = await replies.take_queued(session, await db.now(session), most=8)
            assert len(free) == 2  # who waits has locked none
        await turn
    assert network.attempts == 1  # alone, until its answer says how many may go


async def somebody_waits(database: Database) -> bool:
    async with database.read() as session:
        return bool((await session.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar())
