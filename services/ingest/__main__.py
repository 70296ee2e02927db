"""Runs ingest alone, with a connection of its own to the log."""

from dataclasses import replace

from libs.common.connect import open_bus
from libs.common.process import Service, run_service
from services.ingest.app import build
from services.ingest.settings import IngestSettings


async def alone(settings: IngestSettings) -> Service:
    """The service, which closes its log when it ends."""
    bus = open_bus(settings)
    service = build(settings, bus)

    async def close() -> None:
        await service.close()
        await bus.close()

    return replace(service, close=close)


if __name__ == "__main__":
    run_service("ingest", IngestSettings, alone)
