"""python -m services.responder: reads the environment, starts the process."""

from dataclasses import replace

from libs.common.connect import open_bus
from libs.common.process import Service, run_service
from services.responder.app import build
from services.responder.settings import ResponderSettings


async def _assemble(settings: ResponderSettings) -> Service:
    bus = open_bus(settings)
    service = build(settings, bus)

    async def close() -> None:
        await service.close()
        await bus.close()

    return replace(service, close=close)


if __name__ == "__main__":
    run_service("responder", ResponderSettings, _assemble)
