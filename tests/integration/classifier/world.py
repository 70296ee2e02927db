"""The classifier as a whole: what it hears, what it tells, and its REST."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2

from libs.common.bus import Bus, Record
from libs.common.events import CLASSIFIED, RAW, Event, decode
from libs.common.process import Service
from tests.builders import published
from tests.buses import Reader

PATIENCE = 10.0


class World:
    """One classifier that runs."""

    def __init__(self, service: Service, bus: Bus, *, asks: str, other: str, operator: str) -> None:
        self.bus = bus
        self.asks, self.other, self.operator = asks, other, operator
        self._service = service

    async def call(self, method: str, path: str, *, key: str | None = None, **sent: Any) -> httpx2.Response:
        """One request, by somebody who may ask unless `key` says who."""
        transport = httpx2.ASGITransport(self._service.app)
        given = {"Authorization": f"Bearer {key or self.asks}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://classifier", headers=given) as client:
            return await client.request(method, path, **sent)

    async def hears(self, *events: Event) -> None:
        """Put events where ingest puts them."""
        await self.bus.publish([published(event, topic=RAW) for event in events])

    async def tells(self, n: int) -> Sequence[Record]:
        """Wait until it has told so many; gives their records."""
        async with Reader(self.bus, CLASSIFIED, "the-test") as reader:
            await reader.until(lambda: len(reader.finished) >= n)
        return reader.finished

    async def told(self, n: int) -> list[Event]:
        """The events of those records."""
        events = [decode(record.header("ce_type"), record.value or b"") for record in await self.tells(n)]
        return [event for event in events if event is not None]

    async def answers(self, path: str, says: str) -> httpx2.Response:
        """Ask again until the answer has this in it."""
        async with asyncio.timeout(PATIENCE):
            while says not in (answer := await self.call("GET", path, key=self.operator)).text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return answer
