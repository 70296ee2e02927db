"""`guichet up`: everything in one process, and what a person needs to know once it stands."""

import asyncio
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli import house
from cli.installation import Installation, first_key, occupied
from cli.services import AllSettings, build, prepare
from cli.trouble import Trouble
from cli.waiting import either, pause
from libs.common import logs
from libs.common.bus_local import LocalBus
from libs.common.process import Service, Task, serve

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 3.0  # then a person wants to know what it waits for

WHAT_THEY_ARE: Mapping[str, str] = {
    "ingest": "mentions come in here",
    "classifier": "what a mention is",
    "router": "queues, agents, work items",
    "responder": "replies, response latency",
    "sandbox": "a network that behaves like X; nothing leaves this machine",
}


@dataclass(frozen=True)
class Opened:
    """A house that has just become ready."""

    addresses: Mapping[str, str]
    key: str
    key_is_new: bool
    key_file: Path


@dataclass(frozen=True)
class Up:
    """How to start everything.

    Attributes:
        ready: called once all services are ready.
        beside: tasks that run with the services and are told to stop with them.
    """

    installation: Installation
    with_sandbox: bool
    say: Callable[[str], None]
    ready: Callable[[Opened], None]
    beside: Sequence[Task] = field(default=())
    stop_pause: timedelta = timedelta(0)  # nobody else would take over

    async def run(self) -> int:
        """Until Ctrl-C, SIGTERM, or until a part of it ends; returns the exit code.

        Raises:
            Trouble, Misconfigured: it cannot be started.
        """
        data = self.installation.data
        with occupied(data):
            settings = AllSettings.load(self.installation, self.installation.ports(), with_sandbox=self.with_sandbox)
            await prepare(settings, self.say)
            key, is_new = first_key(data, settings.ingest.keys)
            bus, services = build(settings)
            listening = asyncio.Event()
            opened = partial(_opened, services, key, is_new, data / "key")

            async def announce(stop: asyncio.Event) -> None:
                await either(listening, stop)
                if not stop.is_set():
                    where = opened()
                    told = settings.ingest
                    house.stand(data, house.Standing(where.addresses, os.getpid(), told.bus, told.database))
                    await self._when_ready(where, stop)
                await stop.wait()

            tidy = (bus.housekeep,) if isinstance(bus, LocalBus) else ()
            services[0].tasks = (*services[0].tasks, announce, *tidy, *self.beside)
            try:
                return await serve(
                    services, stop_pause=self.stop_pause, drain=settings.ingest.drain, on_ready=listening.set
                )
            finally:
                house.fall(data)
                with suppress(Exception):
                    await bus.close()

    async def _when_ready(self, opened: Opened, stop: asyncio.Event) -> None:
        """Wait until every service is ready, saying what they wait for when it takes long."""
        said: list[str] = []
        since = time.monotonic()
        async with house.House(opened.addresses, opened.key) as calls:
            while not stop.is_set():
                problems = await _problems(calls)
                if not problems:
                    self.ready(opened)
                    return
                if time.monotonic() - since > PATIENCE_SECONDS and problems != said:
                    said = problems
                    self.say(f"not ready yet: {'; '.join(problems)}")
                await pause(stop, LOOK_SECONDS)


def _opened(services: Sequence[Service], key: str, is_new: bool, key_file: Path) -> Opened:
    return Opened({service.name: _address(service) for service in services}, key, is_new, key_file)


async def _problems(calls: house.House) -> list[str]:
    found: list[str] = []
    for service in house.SERVICES:
        try:
            found += await calls.ready(service)
        except Trouble as trouble:
            found.append(str(trouble))
    return found


def _address(service: Service) -> str:
    host = "127.0.0.1" if service.host in ("0.0.0.0", "") else "[::1]" if service.host == "::" else service.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{service.port}"


def curl(opened: Opened, text: str = "Where is my parcel?") -> list[str]:
    """A working call that posts a mention, in lines a shell joins."""
    body = f'{{"network":"crm","id":"A-17","text":"{text}","author":{{"id":"c9"}}}}'
    secret = opened.key or "YOUR-KEY"
    return [
        f"curl {opened.addresses['ingest']}/v1/mentions -H 'Content-Type: application/json' \\",
        f'-H "Authorization: Bearer {secret}" \\',
        f"-d {shlex.quote(body)}",
    ]


def show(console: Console, opened: Opened) -> None:
    """The addresses, the key and the call: a panel on a terminal, plain lines elsewhere."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_column(style="bright_black")
    for name, address in opened.addresses.items():
        table.add_row(name, address, WHAT_THEY_ARE.get(name, ""))
    table.add_row("key", Text(str(opened.key_file)), _about_key(opened))
    if console.is_terminal:
        console.print(Panel(table, title="Guichet is open", title_align="left", border_style="green", expand=False))
    else:
        for name, address in opened.addresses.items():
            console.print(f"{name} {address}", soft_wrap=True)
        console.print(f"key {opened.key_file} ({_about_key(opened)})", soft_wrap=True)
    console.print("\nPost a mention:\n", highlight=False)
    for line in curl(opened):
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    if console.is_terminal:
        console.print("\nCtrl-C stops. What was taken is kept; the next start goes on.", style="bright_black")


def _about_key(opened: Opened) -> str:
    if opened.key_is_new:
        return "new; the other commands find it there"
    if opened.key:
        return "the first one; the other commands find it there"
    return "the keys of the keys file; none of them is known here"


def configure_logs(environ: Mapping[str, str], file: Path | None = None) -> None:
    """To stderr: a person gets what matters, a machine gets all of it as JSON. Or to a file."""
    for_people = file is None and sys.stderr.isatty()
    level = environ.get("GUICHET_LOG_LEVEL", "") or ("warning" if for_people else "info")
    wanted = environ.get("GUICHET_LOG_FORMAT", "") or ("console" if for_people else "json")
    logs.configure("guichet", level.lower(), "console" if wanted == "console" else "json")
    if file is not None:
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(file.open("a", encoding="utf-8"))
