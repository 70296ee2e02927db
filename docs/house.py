"""The four services put together and never run, for pages that look inside them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.installation import Installation, first_key
from cli.services import AllSettings
from libs.common.bus_local import LocalBus
from libs.common.process import Service
from services.classifier import app as classifier
from services.ingest import app as ingest
from services.responder import app as responder
from services.router import app as router


@asynccontextmanager
async def built() -> AsyncIterator[list[Service]]:
    """On a log in memory and an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder), "local", "", environ={})
        settings = AllSettings.load(installation, {}, with_sandbox=False)
        first_key(installation.data, settings.ingest.keys)
        bus = LocalBus(":memory:")
        services = [
            ingest.build(settings.ingest, bus),
            classifier.build(settings.classifier, bus),
            router.build(settings.router, bus),
            responder.build(settings.responder, bus),
        ]
        try:
            yield services
        finally:
            for service in services:
                await service.close()
            await bus.close()
