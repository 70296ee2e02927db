"""Several replicas of each service as processes, started and stopped as Kubernetes does it, behind one address."""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2

from libs.common.keys import create_key
from tests.proof.house import READY_SECONDS, ROOT, eventually
from tests.servers.ports import Port
from tests.servers.processes import Process

REPLICAS: Mapping[str, int] = {"ingest": 2, "classifier": 2, "router": 2, "responder": 2}
STOP_PAUSE_SECONDS = 1.0  # 5 in production: a balancer that looks every second needs less
LOOK_SECONDS = 0.2
GRACE_SECONDS = 60.0
AWAY = (httpx2.TransportError,)
JSON = {"content-type": "application/json"}


@dataclass
class Replica:
    """One process of a service; `ordinal` is its name in its group."""

    service: str
    ordinal: int
    port: Port
    process: Process

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port.number}"


@dataclass
class Fleet:
    """All replicas; use `running`."""

    folder: Path
    bus: str
    database: str
    checkout: Path
    http: httpx2.AsyncClient
    key: str
    more: Mapping[str, str]
    replicas: list[Replica] = field(default_factory=list)
    serving: dict[str, list[Replica]] = field(default_factory=dict)  # what a balancer would send to
    _turn: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self, service: str, ordinal: int) -> Replica:
        """Start one, from the checkout that the fleet has now; returns at once."""
        port = Port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")},
            "PYTHONPATH": str(self.checkout),
            "GUICHET_BUS": self.bus,
            "GUICHET_DATABASE_URL": self.database,
            "GUICHET_DATA": str(self.folder),
            "GUICHET_KEYS": str(self.folder / "keys.toml"),
            "GUICHET_SECRET": "a secret for the proof only",
            "GUICHET_STOP_PAUSE": f"{STOP_PAUSE_SECONDS:.0f}s",
            "GUICHET_LOG_LEVEL": "warning",
            f"{service.upper()}_PORT": str(port.number),
            f"{service.upper()}_ORDINAL": str(ordinal),
            **self.more,
        }
        log = self.folder / f"{service}-{ordinal}-{port.number}.log"
        process = Process([sys.executable, "-m", f"services.{service}"], log, environment=environment)
        replica = Replica(service, ordinal, port, process)
        self.replicas.append(replica)
        return replica

    async def roll(self, service: str) -> None:
        """One after the other anew: a Deployment's new one first, a StatefulSet's after the old one has ended."""
        for old in [replica for replica in self.replicas if replica.service == service]:
            if service == "ingest":
                await self.ready(self.start(service, old.ordinal))
                await self.stop(old)
            else:
                await self.stop(old)
                await self.ready(self.start(service, old.ordinal))

    async def stop(self, replica: Replica) -> None:
        """SIGTERM, and wait. It must end well by itself, within the grace period."""
        replica.process.ask_to_stop()
        await asyncio.to_thread(replica.process.end, GRACE_SECONDS)
        self.replicas.remove(replica)
        replica.port.release()
        if replica.process.exit_code != 0:
            raise AssertionError(
                f"{replica.service} {replica.ordinal} ended with {replica.process.exit_code}:\n{replica.process.tail()}"
            )

    async def ready(self, *replicas: Replica) -> None:
        """Wait until each says so."""
        for replica in replicas:
            what = f"{replica.service} {replica.ordinal} being ready"
            await eventually(what, partial(self._is_ready, replica), READY_SECONDS)

    async def _is_ready(self, replica: Replica) -> bool:
        if not replica.process.running:
            raise AssertionError(f"{replica.service} {replica.ordinal} ended:\n{replica.process.tail()}")
        return await self._answers(replica)

    async def _answers(self, replica: Replica) -> bool:
        try:
            return (await self.http.get(f"{replica.url}/readyz", timeout=5)).status_code == 200
        except AWAY:
            return False

    async def watch(self) -> None:
        """Look who is ready, as the balancer's source does, until cancelled."""
        while True:
            there = list(self.replicas)
            ready = await asyncio.gather(*map(self._answers, there))
            found: dict[str, list[Replica]] = {}
            for replica, is_ready in zip(there, ready, strict=True):
                if is_ready:
                    found.setdefault(replica.service, []).append(replica)
            self.serving = found
            await asyncio.sleep(LOOK_SECONDS)

    async def call(self, service: str, method: str, path: str, content: bytes | None = None) -> httpx2.Response | None:
        """What the next of the serving replicas answers; None: it went away while it was asked."""
        serving = self.serving.get(service) or [each for each in self.replicas if each.service == service]
        url = serving[next(self._turn) % len(serving)].url + path
        try:
            return await self.http.request(method, url, content=content, headers=JSON)
        except AWAY:
            return None


@asynccontextmanager
async def running(
    folder: Path,
    bus: str,
    database: str,
    *,
    checkout: Path = ROOT,
    replicas: Mapping[str, int] = REPLICAS,
    more: Mapping[str, str] | None = None,
    prepare: Callable[[], Awaitable[None]],
) -> AsyncIterator[Fleet]:
    """All replicas, ready; `prepare` makes tables and topics. The folder is there."""
    key = create_key(folder / "keys.toml", name="proof", role="admin", scopes=["*"], teams=["*"])
    await prepare()
    limits = httpx2.Limits(max_connections=200, max_keepalive_connections=50)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {key}"}, timeout=30, limits=limits, trust_env=False, verify=False
            )
        )
        fleet = Fleet(folder, bus, database, checkout, http, key, more or {})
        try:
            await fleet.ready(*(fleet.start(name, n) for name, count in replicas.items() for n in range(count)))
            watching = asyncio.create_task(fleet.watch())
            try:
                yield fleet
            finally:
                watching.cancel()
        finally:
            for replica in fleet.replicas:
                replica.process.ask_to_stop()
            began = time.monotonic()
            for replica in fleet.replicas:
                left = max(1.0, GRACE_SECONDS - (time.monotonic() - began))
                await asyncio.to_thread(replica.process.end, left)
                replica.port.release()
