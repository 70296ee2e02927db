"""Several processes of a responder that share their tables, and the credentials they are given."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from libs.common.db import Database, connect
from services.responder.domain.posting import Pace
from services.responder.domain.replies import Reply
from services.responder.gateways import Gateway
from services.responder.gateways.credentials import BlueskyPassword, Credential, XToken
from services.responder.gateways.meter import Meter
from services.responder.gateways.registry import open_gateways
from services.responder.handlers.figures import Figures
from services.responder.handlers.replies import Changes
from services.responder.handlers.sending import Sender
from services.responder.store import replies
from services.responder.store.tables import REPLIES
from tests.contract.gateway_fakes import TOKEN, FakeNetwork

PACE = Pace(post_limit=timedelta(seconds=5))
LEASE = timedelta(seconds=30)


def x_token(access: str = TOKEN, refresh: str = "the-first-refresh-token") -> XToken:
    return XToken(
        client_id="app",
        client_secret=SecretStr("the-client-secret"),
        access_token=SecretStr(access),
        refresh_token=SecretStr(refresh),
    )


def bluesky_password(password: str = "abcd-efgh-ijkl-mnop") -> BlueskyPassword:
    return BlueskyPassword(identifier="acme.example", app_password=SecretStr(password), base_url="https://pds.example")


@dataclass
class Replica:
    """One process: its connections, its gateways, its sender."""

    database: Database
    gateways: Mapping[str, Gateway]
    sender: Sender
    registry: CollectorRegistry

    async def turn(self) -> None:
        await self.sender.turn()
        await self.sender.finish()

    def answers(self, answer: str, operation: str = "post", network: str = "x") -> float:
        labels = {"network": network, "operation": operation, "answer": answer}
        return self.registry.get_sample_value("network_answers_total", labels) or 0.0


class House:
    """A responder's tables, and replicas that share them."""

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def replica(
        self, network: FakeNetwork, given: Credential, *, later: float = 0, lease: timedelta = LEASE
    ) -> AsyncIterator[Replica]:
        """One more process, whose clock is so many seconds ahead."""
        database, registry = connect(self.url, "responder", clock_offset=timedelta(seconds=later)), CollectorRegistry()
        meter = Meter(registry)
        gateways = open_gateways(
            database,
            {(network.name, "acme"): given},
            meter,
            x_base_url="https://api.x.example",
            x_token=SecretStr("unused"),
            x_fields_name="tweet.fields",
            post_limit=PACE.post_limit,
            token_lease=lease,
            transport=network.transport,
        )
        sender = Sender(
            database,
            gateways,
            PACE,
            Changes(),
            Figures(registry),
            at_once=8,
            poll_seconds=0.1,
            chance=lambda: 0.5,
            meter=meter,
        )
        try:
            yield Replica(database, gateways, sender, registry)
        finally:
            for gateway in gateways.values():
                await gateway.close()
            await database.close()

    async def queue(self, database: Database, *several: Reply) -> None:
        async with database.begin() as session:
            for each in several:
                await session.execute(sa.insert(REPLIES).values(asdict(each)))

    async def state(self, database: Database, id_: str = "rep_1") -> Reply:
        async with database.read() as session:
            found = await replies.find(session, id_, frozenset({"*"}))
        assert found is not None
        return found
