"""The services as processes of their own, as an operator starts them, on the real parts."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.kafka import delete_topics
from bench.measure import Clock, process_cpu, resident_mib
from bench.parts import Parts
from bench.posts import HANDLE, NETWORK, PARTITIONS
from cli.house import House
from cli.installation import free_ports
from cli.services import MIGRATIONS
from cli.trouble import Away
from libs.common import topics
from libs.common.events import TOPICS
from libs.common.keys import create_key
from libs.common.migrate import migrate
from tests.servers.processes import ROOT, NotStarted, Process

SECRET = "a secret for benchmarks"
SCOPES = ("mentions:write", "handles:write", "handles:read", "queues:read")
READY_SECONDS = 60
SERVICES = ("ingest", "classifier", "router", "responder")


@dataclass
class Services:
    """The services that run."""

    parts: Parts
    key: str
    addresses: dict[str, str]
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def cpu(self) -> dict[str, Clock]:
        """CPU by service, and of the parts they run on."""
        return {name: process_cpu(process.pid) for name, process in self.processes.items()} | self.parts.cpu

    def memory(self) -> dict[str, float]:
        """MiB by service."""
        return {f"MiB {name}": round(resident_mib(process.pid)) for name, process in self.processes.items()}

    def check(self) -> None:
        """Raise with its last words when one has ended."""
        for name, process in self.processes.items():
            if not process.running:
                raise NotStarted(f"{name} ended: {process.tail()}")


@contextmanager
def running(parts: Parts, names: Sequence[str] = SERVICES) -> Iterator[Services]:
    """Make what they need, start them, wait until each is ready, and make our handle."""
    keys = parts.folder / "keys.toml"
    key = create_key(keys, name="bench", role="service", scopes=SCOPES)
    ports = free_ports(list(names))
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    services = Services(parts, key, addresses)
    made = asyncio.run(_prepare(parts))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")},
        "PYTHONPATH": str(ROOT),
        "GUICHET_BUS": parts.bus,
        "GUICHET_DATABASE_URL": parts.database,
        "GUICHET_DATA": str(parts.folder),
        "GUICHET_KEYS": str(keys),
        "GUICHET_SECRET": SECRET,
        "GUICHET_LOG_LEVEL": "warning",
        "GUICHET_STOP_PAUSE": "0s",
        **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    with ExitStack() as stack:
        if parts.given_kafka:
            stack.callback(lambda: asyncio.run(delete_topics(parts.bootstrap, *made)))
        for name in names:
            command = [sys.executable, "-m", f"services.{name}"]
            process = Process(command, parts.folder / f"{name}.log", environment=environment)
            stack.callback(process.end)
            stack.callback(process.ask_to_stop)
            services.processes[name] = process
        asyncio.run(_until_ready(services))
        yield services


async def _prepare(parts: Parts) -> list[str]:
    """Tables and topics; the names of the topics."""
    for service, folder in MIGRATIONS.items():
        await migrate(parts.database, service, folder)
    report = await topics.create(parts.bootstrap, PARTITIONS)
    if used := sorted(set(TOPICS) & set(report.kept)):
        raise NotStarted(f"{', '.join(used)} are there already: benchmarks need a Kafka nobody works on")
    return report.created


async def _until_ready(services: Services) -> None:
    async with House(services.addresses, services.key) as house:
        end = time.monotonic() + READY_SECONDS
        for name in services.addresses:
            while problems := await _problems(house, name):
                services.check()
                if time.monotonic() > end:
                    raise NotStarted(f"{name} is not ready: {problems} {services.processes[name].tail()}")
                await asyncio.sleep(0.1)
        handle = {"network": NETWORK, "username": HANDLE}
        await house.ask("ingest", "PUT", f"/v1/handles/{HANDLE}", body=handle)


async def _problems(house: House, name: str) -> list[str]:
    try:
        return await house.ready(name)
    except Away as away:
        return [str(away)]
