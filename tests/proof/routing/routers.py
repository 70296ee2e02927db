"""Several router processes on one Kafka and one PostgreSQL: started, killed, started again, asked over REST."""

import asyncio
import itertools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from libs.common.keys import create_key
from tests.proof.house import ROOT, NotInTime, eventually
from tests.servers.ports import Port
from tests.servers.processes import Process

READY_SECONDS = 90
STOP_SECONDS = 30
AWAY = (httpx2.TransportError,)


class Routers:
    """Replicas 0, 1, ... of the router; a call goes to each in turn, and on to the next where one is away."""

    def __init__(self, folder: Path, bus: str, database: str, count: int) -> None:
        self.folder, self.bus, self.database = folder, bus, database
        self._ports = [Port() for _ in range(count)]
        self._processes: dict[int, Process] = {}
        self._turn = itertools.count()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keys = self.folder / "keys.toml"
        key = create_key(self._keys, name="story", role="admin", scopes=["*"], teams=["*"])
        self.http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30)
        for ordinal in range(self.count):
            self.start(ordinal)
        await self.all_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self.http.aclose()
        for port in self._ports:
            port.release()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._ports)

    def start(self, ordinal: int) -> None:
        """Start one; returns at once."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "GUICHET_BUS": self.bus,
            "GUICHET_DATABASE_URL": self.database,
            "GUICHET_DATA": str(self.folder),
            "GUICHET_KEYS": str(self._keys),
            "GUICHET_SECRET": "a secret of the story only",
            "GUICHET_STOP_PAUSE": "0s",
            "ROUTER_PORT": str(self._ports[ordinal].number),
            "ROUTER_ORDINAL": str(ordinal),
        }
        command = [sys.executable, "-m", "services.router"]
        self._processes[ordinal] = Process(command, self.log_of(ordinal), environment=environment)

    def log_of(self, ordinal: int) -> Path:
        """What one said, over all its lives."""
        return self.folder / f"router-{ordinal}.log"

    async def kill(self, ordinal: int) -> None:
        """SIGKILL, and a new life at once; returns when it is ready."""
        await asyncio.to_thread(self._processes.pop(ordinal).kill)
        self.start(ordinal)
        await self.all_ready()

    async def stop(self) -> None:
        """All, in good order."""
        for process in self._processes.values():
            process.ask_to_stop()
        for process in self._processes.values():
            await asyncio.to_thread(process.end, STOP_SECONDS)

    async def all_ready(self) -> None:
        """Wait until each says it is ready."""
        await eventually("the routers being ready", self._ready, READY_SECONDS)

    def check(self) -> None:
        """Raise `NotInTime` where one has ended by itself."""
        for ordinal, process in self._processes.items():
            if not process.running:
                raise NotInTime(f"router {ordinal} ended with {process.exit_code}:\n{process.tail()}")

    async def _ready(self) -> bool:
        self.check()
        for port in self._ports:
            try:
                if (await self.http.get(f"http://127.0.0.1:{port.number}/readyz", timeout=5)).status_code != 200:
                    return False
            except AWAY:
                return False
        return True

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Status and answer; status 0: the one that was asked went away, and may or may not have done it."""
        port = self._ports[next(self._turn) % self.count].number
        try:
            answer = await self.http.request(method, f"http://127.0.0.1:{port}{path}", json=body)
        except AWAY:
            return 0, None
        return answer.status_code, answer.json() if answer.content else None

    async def must(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What is answered to a call that has to succeed."""
        status, answer = await self.call(method, path, body)
        if not 200 <= status < 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer
