"""One ingest a test, on SQLite; what the database decides runs on PostgreSQL too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.ingest.world import World, world_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(tmp_path, "") as made:
        yield made


@pytest.fixture
async def world_on_both(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with world_of(tmp_path, database_url) as made:
        yield made
