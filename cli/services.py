"""The four services and the sandbox network, put together in one process on one shared log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cli.installation import Installation
from libs.common import topics
from libs.common.bus import Bus
from libs.common.bus_kafka import parse
from libs.common.connect import open_bus
from libs.common.errors import Misconfigured, Unavailable
from libs.common.kafka_login import login_of
from libs.common.migrate import migrate
from libs.common.process import Service, serve
from libs.common.settings import Settings
from sandbox import app as sandbox
from sandbox.settings import SandboxSettings
from services.classifier import app as classifier
from services.classifier.settings import ClassifierSettings
from services.ingest import app as ingest
from services.ingest.settings import IngestSettings
from services.responder import app as responder
from services.responder.settings import ResponderSettings
from services.router import app as router
from services.router.settings import RouterSettings

T = TypeVar("T")

AGAIN_SECONDS = 1.0

MIGRATIONS: Mapping[str, Path] = {
    "ingest": ingest.MIGRATIONS,
    "router": router.MIGRATIONS,
    "responder": responder.MIGRATIONS,
}


@dataclass(frozen=True)
class AllSettings:
    """What each service is told."""

    ingest: IngestSettings
    classifier: ClassifierSettings
    router: RouterSettings
    responder: ResponderSettings
    sandbox: SandboxSettings | None

    @classmethod
    def load(cls, installation: Installation, ports: Mapping[str, int], *, with_sandbox: bool) -> "AllSettings":
        """From the command line and the environment; with a sandbox, replies go there.

        Raises:
            Misconfigured: one line that names the variable.
        """
        sandbox = sandbox_settings(installation, ports.get("sandbox")) if with_sandbox else None
        network: dict[str, str] = {}
        budgets: dict[str, dict[str, int]] = {}
        if sandbox:
            network = {"x_base_url": f"http://{sandbox.host}:{sandbox.port}", "x_plan": sandbox.plan}
            budgets = {"post_budgets": {"x": budget_of(sandbox)}}
        return cls(
            installation.settings(IngestSettings, "ingest", ports),
            installation.settings(ClassifierSettings, "classifier", ports),
            installation.settings(RouterSettings, "router", ports, **budgets),
            installation.settings(ResponderSettings, "responder", ports, **network),
            sandbox,
        )

    def of(self, service: str) -> Settings:
        """One service's, as those all services have."""
        found: Settings = getattr(self, service)
        return found


def budget_of(sandbox: SandboxSettings) -> int:
    """What a handle may post there in 15 minutes, as the router's `post_budgets` have it: more than X allows."""
    return max(1, int(sandbox.posts_per_window * (timedelta(minutes=15) / sandbox.window)))


async def prepare(settings: AllSettings, say: Callable[[str], None]) -> None:
    """Migrate the tables and make the topics, however long it takes until what holds them answers.

    Raises:
        Misconfigured: they cannot be used by this program, or as they are set up.
    """
    for service, folder in MIGRATIONS.items():
        await _patiently(partial(migrate, settings.of(service).database, service, folder), say)
    if settings.ingest.bus != "local":
        make = partial(
            topics.create, parse(settings.ingest.bus), settings.ingest.partitions, login=login_of(settings.ingest)
        )
        with _silent("aiokafka"):  # what it says of each attempt, we say once
            report = await _patiently(make, say)
        for line in report.wrong:
            say(line)


def build(settings: AllSettings) -> tuple[Bus, list[Service]]:
    """The services and the log they share; the log is to be closed after them."""
    bus = open_bus(settings.ingest)
    services = [
        ingest.build(settings.ingest, bus),
        classifier.build(settings.classifier, bus),
        router.build(settings.router, bus),
        responder.build(settings.responder, bus),
    ]
    if settings.sandbox is not None:
        services.append(sandbox.build(settings.sandbox))
    return bus, services


def sandbox_settings(installation: Installation, port: int | None) -> SandboxSettings:
    """The sandbox's, whose posts are kept in the data folder so that a later start knows them.

    Raises:
        Misconfigured: one line that names the variable.
    """
    given: dict[str, object] = {"ledger": installation.data / "sandbox.ndjson"}
    if installation.host is not None:
        given["host"] = installation.host
    if port is not None:
        given["port"] = port
    try:
        return SandboxSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Misconfigured(f"SANDBOX_{str(first['loc'][0]).upper()}: {first['msg']}") from None


async def sandbox_alone(installation: Installation, port: int | None, say: Callable[[str], None]) -> int:
    """Serve the sandbox network until told to stop; returns the exit code."""
    service = sandbox.build(sandbox_settings(installation, port))

    def ready() -> None:
        say(f"the sandbox network is at http://{service.host}:{service.port}; Ctrl-C stops it")

    return await serve([service], stop_pause=timedelta(0), drain=timedelta(seconds=2), on_ready=ready)


async def migrate_all(installation: Installation) -> list[str]:
    """Bring all tables to this version; a line for each service.

    Raises:
        Unavailable: the database does not answer.
        Misconfigured: a newer program has migrated them.
    """
    settings = AllSettings.load(installation, {}, with_sandbox=False)
    lines = []
    for service, folder in MIGRATIONS.items():
        before, after = await migrate(settings.of(service).database, service, folder)
        lines.append(
            f"{service}: at {after} already" if before == after else f"{service}: {before or 'new'} -> {after}"
        )
    return lines


async def _patiently(act: Callable[[], Awaitable[T]], say: Callable[[str], None]) -> T:
    """Until what it needs answers: a house may start before its database does."""
    said = ""
    while True:
        try:
            return await act()
        except Unavailable as error:
            if str(error) != said:
                said = str(error)
                say(f"{said}; waiting for it")
            await asyncio.sleep(AGAIN_SECONDS)


@contextmanager
def _silent(library: str) -> Iterator[None]:
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
