"""The sandbox network and the responders, each a process of its own; asked over HTTP."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from libs.common import topics
from libs.common.bus import partition_of
from libs.common.bus_kafka import KafkaBus, parse
from libs.common.db import connect
from libs.common.events import MentionRouted
from libs.common.keys import create_key
from libs.common.migrate import migrate
from libs.common.outbox import record_of
from services.responder.app import MIGRATIONS
from tests.proof.house import ROOT, NotInTime, eventually
from tests.servers.ports import Port
from tests.servers.processes import Process

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
PARTITIONS = 12
AWAY = (httpx2.TransportError,)
CALL_SECONDS = 10.0

PACE: Mapping[str, str] = {
    # about a hundredth of production's; recovery comes after send_within, post_limit, a freeze of 0.9 s and a
    # timeline that is 0.6 s late, with 0.4 s of room
    "RESPONDER_SEND_WITHIN": "200ms",
    "RESPONDER_POST_LIMIT": "300ms",
    "RESPONDER_RECOVER_AFTER": "2400ms",
    "RESPONDER_LOOK_AGAIN": "600ms",
    "RESPONDER_POLL": "50ms",
    "RESPONDER_PROBE": "600ms",
}


class Network:
    """The sandbox: the scene, what befalls it, and what it counted. It takes equal texts: nothing may hide a double."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._port = Port()
        self.url = f"http://127.0.0.1:{self._port.number}"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SANDBOX_PORT": str(self._port.number),
            "SANDBOX_LOG_LEVEL": "warning",
            "SANDBOX_DUPLICATES_WITHIN": "0s",
            "SANDBOX_POSTS_PER_WINDOW": "1000000",
            **settings,
        }
        self._process = Process([sys.executable, "-m", "sandbox"], folder / "sandbox.log", environment=environment)
        self._http = httpx2.AsyncClient(base_url=self.url, timeout=30, trust_env=False)

    async def ready(self) -> None:
        """Wait until it answers."""
        await eventually("the sandbox being ready", self._answers, READY_SECONDS)

    async def _answers(self) -> bool:
        if not self._process.running:
            raise NotInTime(f"the sandbox ended:\n{self._process.tail()}")
        try:
            return (await self._http.get("/sandbox/received?limit=1")).is_success
        except AWAY:
            return False

    async def seed(self, count: int) -> list[str]:
        """So many posts of people; their ids."""
        posts = [{"text": "Bonjour @acme", "username": "jo"}] * count
        ids: list[str] = (await self._tell("POST", "posts", {"posts": posts}))["ids"]
        return ids

    async def befall(self, about: str, faults: Sequence[Mapping[str, Any]]) -> None:
        """What befalls the next requests about this post."""
        await self._tell("POST", "faults", {"next": [{**fault, "about": about} for fault in faults]})

    async def behave(self, **change: Any) -> None:
        """From now on like this."""
        await self._tell("PATCH", "behaviour", change)

    async def received(self) -> Any:
        """What it got and counted."""
        return (await self._http.get("/sandbox/received?limit=100000")).raise_for_status().json()

    async def _tell(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        answer = (await self._http.request(method, f"/sandbox/{path}", json=body)).raise_for_status()
        return answer.json() if answer.content else None

    async def stop(self) -> None:
        """It keeps nothing."""
        await self._http.aclose()
        await asyncio.to_thread(self._process.kill)
        self._port.release()


class House:
    """Responders 0, 1, ... on one Kafka and one PostgreSQL, and their network."""

    def __init__(
        self,
        folder: Path,
        bus: str,
        database: str,
        count: int,
        *,
        sandbox: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            sandbox: settings of the network, over ours.
            more: of the responders.
        """
        self.folder, self.database = folder, database
        self._bus_url, self._sandbox, self._more = bus, sandbox or {}, more or {}
        self._ports = [Port() for _ in range(count)]
        self._processes: dict[int, Process] = {}
        self._lives = itertools.count()
        self._turn = itertools.count()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        await topics.create(parse(self._bus_url), PARTITIONS)
        await migrate(self.database, "responder", MIGRATIONS)
        self.bus = KafkaBus(parse(self._bus_url), PARTITIONS)
        self.tables = connect(self.database, "responder")
        self.network = Network(self.folder, self._sandbox)
        self._keys = self.folder / "keys.toml"
        key = create_key(self._keys, name="proof", role="admin", scopes=["*"], teams=["*"])
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=20)
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=CALL_SECONDS, limits=limits, trust_env=False
        )
        await self.network.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.ask_to_stop()
        for process in self._processes.values():
            await asyncio.to_thread(process.end, STOP_SECONDS)
        await self._http.aclose()
        await self.network.stop()
        await self.tables.close()
        await self.bus.close()
        for port in self._ports:
            port.release()

    @property
    def ordinals(self) -> range:
        """Of the responders."""
        return range(len(self._ports))

    def start(self, ordinal: int, strikes: str = "") -> Process:
        """A new life; returns at once. `strikes`: see `replica`."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "GUICHET_BUS": self._bus_url,
            "GUICHET_DATABASE_URL": self.database,
            "GUICHET_DATA": str(self.folder),
            "GUICHET_KEYS": str(self._keys),
            "GUICHET_SECRET": "a secret for the proof only",
            "GUICHET_STOP_PAUSE": "0s",
            "GUICHET_LOG_LEVEL": "warning",
            "RESPONDER_X_BASE_URL": self.network.url,
            "RESPONDER_PORT": str(self._ports[ordinal].number),
            "RESPONDER_ORDINAL": str(ordinal),
            **PACE,
            **self._more,
            "PROOF_STRIKES": strikes,
        }
        log = self.folder / f"responder-{ordinal}-{next(self._lives)}.log"
        command = [sys.executable, "-m", "tests.proof.posting_runs.replica"]
        self._processes[ordinal] = process = Process(command, log, environment=environment)
        return process

    async def freeze(self, ordinal: int, seconds: float) -> Process:
        """Let it stand still for so long; the process that was meant."""
        process = self._processes[ordinal]
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        return process

    def thaw(self, process: Process) -> None:
        """It goes on."""
        process.signal(signal.SIGCONT)

    async def ready(self) -> None:
        """Wait until each says so."""
        await eventually("the responders being ready", self._all_ready, READY_SECONDS)

    async def _all_ready(self) -> bool:
        for ordinal, process in self._processes.items():
            if not process.running:
                raise NotInTime(f"responder {ordinal} ended with {process.exit_code}:\n{process.tail()}")
            try:
                if (await self._http.get(f"{self._url(ordinal)}/readyz")).status_code != 200:
                    return False
            except AWAY:
                return False
        return True

    async def call(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """What the next one answers; status 0: it went away while it was asked, and may or may not have done it."""
        url = self._url(next(self._turn) % len(self._ports))
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(method, url + path, json=body, headers=headers)
        except AWAY:
            return 0, None
        return answer.status_code, answer.json() if answer.content else None

    async def hear(self, *mentions: MentionRouted) -> None:
        """As the router tells it."""
        await self.bus.publish(
            [record_of(each, "router", partition_of(each.key.encode(), PARTITIONS)) for each in mentions]
        )

    def _url(self, ordinal: int) -> str:
        return f"http://127.0.0.1:{self._ports[ordinal].number}"


async def ask(house: House, post_id: str, text: str, *, agent: str = "", key: str, seconds: float) -> tuple[int, Any]:
    """Press Send, and again with the same key where nobody answered or the mention is not known yet.

    Raises:
        NotInTime: it did not come through.
    """
    body = {"network": "x", "post_id": post_id, "text": text, "agent": agent}
    until = asyncio.get_running_loop().time() + seconds
    pause = 0.05
    while True:
        status, answer = await house.call("POST", "/v1/replies", body, key)
        if status not in (0, 404, 503):
            return status, answer
        if asyncio.get_running_loop().time() > until:
            raise NotInTime(f"a reply to {post_id} could not be asked for within {seconds:.0f} s: {status} {answer}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
