"""The log and the tables a service needs, from its settings; and the gate that waits for the tables."""

import asyncio
from pathlib import Path

import structlog

from libs.common.bus import Bus
from libs.common.bus_kafka import KafkaBus, parse
from libs.common.bus_local import LocalBus
from libs.common.errors import Misconfigured, Unavailable
from libs.common.migrate import check
from libs.common.process import Task
from libs.common.settings import Settings

log = structlog.get_logger()

GATE_SECONDS = 1.0


def open_bus(settings: Settings) -> Bus:
    """The log the settings name: `local` (one file in the data folder, one process) or `kafka://...`."""
    if settings.bus == "local":
        return LocalBus(settings.data / "log.db", settings.partitions)
    if settings.bus.startswith("kafka://"):
        return KafkaBus(parse(settings.bus), settings.partitions, instance=str(settings.ordinal))
    raise Misconfigured(f"the bus is `local` or kafka://HOST:PORT, not {settings.bus!r}")


class Gate:
    """Holds a service's tasks until its tables are there: a service never migrates, it waits unready."""

    def __init__(self, url: str, service: str, folder: Path) -> None:
        self._url, self._service, self._folder = url, service, folder
        self._problem: str | None = f"{service} has not looked at its tables yet"
        self._open = asyncio.Event()

    def ready(self) -> str | None:
        """What the tables lack, or None."""
        return self._problem

    async def watch(self, stop: asyncio.Event) -> None:
        """Look until the tables are there.

        Raises:
            Misconfigured: a newer program has migrated them.
        """
        while not stop.is_set() and not self._open.is_set():
            before = self._problem
            try:
                self._problem = await check(self._url, self._service, self._folder)
            except Unavailable as error:
                self._problem = str(error)
            if self._problem is None:
                self._open.set()
                break
            if self._problem != before:
                log.warning("gate_closed", reason=self._problem)
            await _first(stop, timeout=GATE_SECONDS)
        await stop.wait()

    def before(self, task: Task) -> Task:
        """The task, started only once the gate is open."""

        async def run(stop: asyncio.Event) -> None:
            await _first(stop, self._open)
            if not stop.is_set():
                await task(stop)

        return run


async def _first(*events: asyncio.Event, timeout: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
