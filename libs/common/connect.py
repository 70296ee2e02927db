"""The log and the tables a service needs, from its settings; and the gate that waits for the tables."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from libs.common.bus import Bus
from libs.common.bus_kafka import KafkaBus, parse
from libs.common.bus_local import LocalBus
from libs.common.errors import Misconfigured, Unavailable
from libs.common.kafka_login import login_of
from libs.common.migrate import check
from libs.common.process import Service, Task
from libs.common.settings import Settings
from libs.common.tracing import TRACES, tracing_to

log = structlog.get_logger()

S = TypeVar("S", bound=Settings)

GATE_SECONDS = 1.0
PING_SECONDS = 2.0


def open_bus(settings: Settings) -> Bus:
    """The log the settings name: `local` (one file in the data folder, one process) or `kafka://...`."""
    tracing = tracing_to(os.environ.get(TRACES, ""))
    return tracing.bus(_opened(settings)) if tracing else _opened(settings)


def _opened(settings: Settings) -> Bus:
    if settings.bus == "local":
        return LocalBus(settings.data / "log.db", settings.partitions)
    if settings.bus.startswith("kafka://"):
        place, login = parse(settings.bus), login_of(settings)
        return KafkaBus(place, settings.partitions, instance=str(settings.ordinal), login=login)
    raise Misconfigured(f"the bus is `local` or kafka://HOST:PORT, not {settings.bus!r}")


def alone(build: Callable[[S, Bus], Service]) -> Callable[[S], Awaitable[Service]]:
    """How to build a service that has a log of its own, and closes it when it ends."""

    async def start(settings: S) -> Service:
        bus = open_bus(settings)
        service = build(settings, bus)

        async def close() -> None:
            await service.close()
            await bus.close()

        return replace(service, close=close)

    return start


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


class LogWatch:
    """Whether the log answers: for readiness, never for a request, which finds out by itself."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._problem: str | None = "the log was not reached yet"

    def ready(self) -> str | None:
        """What is wrong with the log, or None."""
        return self._problem

    async def watch(self, stop: asyncio.Event) -> None:
        """Ask it every few seconds."""
        while not stop.is_set():
            try:
                await self._bus.ping()
                self._problem = None
            except Unavailable as error:
                if str(error) != self._problem:
                    log.warning("log_away", reason=str(error))
                self._problem = str(error)
            await _first(stop, timeout=PING_SECONDS)


async def _first(*events: asyncio.Event, timeout: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
