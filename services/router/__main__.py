"""`python -m services.router`: reads the environment, starts the process."""

from libs.common.connect import open_bus
from libs.common.process import Service, run_service
from services.router.app import build
from services.router.settings import RouterSettings


async def start(settings: RouterSettings) -> Service:
    """The router on a log of its own."""
    return build(settings, open_bus(settings))


if __name__ == "__main__":
    run_service("router", RouterSettings, start)
