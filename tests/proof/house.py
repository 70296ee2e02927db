"""The services as processes: started, killed, started again; asked over REST and in their tables."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import sqlalchemy as sa

from libs.common.bus_kafka import parse
from libs.common.db import connect
from libs.common.errors import Unavailable
from libs.common.keys import create_key
from libs.common.migrate import migrate
from libs.common.topics import create as create_topics
from services.ingest.app import MIGRATIONS as INGEST
from services.responder.app import MIGRATIONS as RESPONDER
from services.router.app import MIGRATIONS as ROUTER
from tests.servers.ports import Port

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "classifier", "router", "responder")
DIRECT = "latencies WHERE how = 'direct'"  # those that the arithmetic of the file knows
READY_SECONDS = 60
POLL_SECONDS = 0.1


class NotInTime(AssertionError):
    """Something that had to become true did not."""


async def eventually(what: str, true: Callable[[], Any], seconds: float) -> None:
    """Wait until the (maybe asynchronous) question is answered with yes."""
    end = time.monotonic() + seconds
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > end:
            raise NotInTime(f"{what} did not come true within {seconds:.0f} s")
        await asyncio.sleep(POLL_SECONDS)


@dataclass
class House:
    """A running Guichet. `parts` are its processes: the four services, or the one that holds them all."""

    folder: Path
    bus: str
    database: str
    one_process: bool
    extra: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = self.folder / "keys.toml"
        self.key = create_key(self.keys, name="proof", role="admin", scopes=["*"], teams=["*"])
        self.ports = {name: Port() for name in SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port.number}" for name, port in self.ports.items()}
        self.http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {self.key}"}, timeout=30)
        if not self.one_process:
            if self.bus != "local":
                await create_topics(parse(self.bus), 12)
            for name, folder in (("ingest", INGEST), ("router", ROUTER), ("responder", RESPONDER)):
                await migrate(self.database, name, folder)
        for name in self.parts:
            self.start(name)
        await self.all_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, 30)
            except subprocess.TimeoutExpired:
                process.kill()
        await self.http.aclose()
        for port in self.ports.values():
            port.release()

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be killed."""
        return ("up",) if self.one_process else SERVICES

    def start(self, part: str) -> None:
        """Start a part; returns at once."""
        environment = {
            **os.environ,
            "GUICHET_BUS": self.bus,
            "GUICHET_DATABASE_URL": self.database if self.database.startswith("postgresql") else "",
            "GUICHET_DATA": str(self.folder),
            "GUICHET_KEYS": str(self.keys),
            "GUICHET_SECRET": "a secret for the proof only",
            "GUICHET_STOP_PAUSE": "0s",
            "GUICHET_LOG_LEVEL": "info",
            **{f"{name.upper()}_PORT": str(port.number) for name, port in self.ports.items()},
            **self.extra,
        }
        command = ["-m", "cli", "up", "--no-sandbox"] if part == "up" else ["-m", f"services.{part}"]
        log = (self.folder / f"{part}.log").open("ab")
        self.processes[part] = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    async def kill(self, part: str) -> None:
        """SIGKILL: no word of farewell."""
        self.processes[part].kill()
        await asyncio.to_thread(self.processes[part].wait)

    async def all_ready(self) -> None:
        """Wait until every service says it is ready."""
        await eventually("the house being ready", self._ready, READY_SECONDS)

    async def _ready(self) -> bool:
        for part, process in self.processes.items():
            if process.poll() is not None:
                tail = (self.folder / f"{part}.log").read_text(errors="replace")[-2000:]
                raise NotInTime(f"{part} ended with {process.returncode}:\n{tail}")
        for url in self.urls.values():
            try:
                if (await self.http.get(f"{url}/readyz", timeout=2)).status_code != 200:
                    return False
            except httpx2.TransportError:
                return False
        return True

    async def get(self, service: str, path: str) -> Any:
        """What a service answers."""
        answer = await self.http.get(self.urls[service] + path)
        answer.raise_for_status()
        return answer.json()

    async def ids(self, service: str, table: str, column: str) -> list[Any]:
        """One column of a service's table."""
        database = connect(self.database, service)
        try:
            async with database.read() as session:
                return list((await session.execute(sa.text(f"SELECT {column} FROM {table}"))).scalars())
        finally:
            await database.close()

    async def quiet(self, mentions: int, own_posts: int, latencies: int, seconds: float) -> None:
        """Wait until all of it has come through all services, and nothing is under way any more."""

        async def through() -> bool:
            try:
                wanted = {("router", "mentions"): mentions, ("router", "own_posts"): own_posts,
                          ("responder", DIRECT): latencies, ("router", "outbox"): 0}  # fmt: skip
                self.counts = {
                    f"{service}.{table}": (await self.ids(service, table, "count(*)"))[0] for service, table in wanted
                }
            except Unavailable:
                return False
            return list(self.counts.values()) == list(wanted.values())

        try:
            await eventually("quiet", through, seconds)
        except NotInTime as error:
            raise NotInTime(f"{error}: {self.counts}") from None
