"""One classifier a test, on a log in memory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.common.bus_local import LocalBus
from libs.common.keys import create_key
from services.classifier.app import build
from services.classifier.settings import ClassifierSettings
from tests.builders import PARTITIONS
from tests.integration.classifier.world import World

PATIENCE = 10.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = ClassifierSettings(
        data=tmp_path, port=0, secret=SecretStr("a secret of the tests"), keys=tmp_path / "keys.toml"
    )
    asks = create_key(settings.keys, name="asks", role="service", scopes=["classify"])
    other = create_key(settings.keys, name="other", role="service", scopes=["mentions:write"])
    operator = create_key(settings.keys, name="operator", role="service", scopes=["dead-letters:write"])
    bus = LocalBus(":memory:", PARTITIONS)
    service = build(settings, bus)
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(task(stop)) for task in service.tasks]
    yield World(service, bus, asks=asks, other=other, operator=operator)
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    await service.close()
    await bus.close()
