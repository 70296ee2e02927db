"""Runs services: their servers and their tasks live and die together, and signals are ours."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from libs.common import logs
from libs.common.errors import Misconfigured
from libs.common.settings import Settings
from libs.common.tracing import TRACES, tracing_to

CLOSE_SECONDS = 10
BATCHES_OF_OBJECTS = (50_000, 20, 20)
"""So many objects more than went before the collector looks: what a batch makes goes by itself when the batch is done,
and to look it through before, forty times a batch by default, cost a twentieth of a router's time.
"""

Task = Callable[[asyncio.Event], Awaitable[None]]
"""Runs beside the server; gets the event that tells it to stop, and returns soon after it is set."""

log = structlog.get_logger(__name__)


@dataclass
class Service:
    """One service, put together and not yet running."""

    name: str
    app: FastAPI
    tasks: Sequence[Task]
    host: str
    port: int  # 0 takes any free one; `serve` writes here which it is
    close: Callable[[], Awaitable[None]]


async def serve(
    services: Sequence[Service],
    *,
    stop_pause: timedelta,
    drain: timedelta,
    on_ready: Callable[[], None] | None = None,
) -> int:
    """Run the services until a signal comes or one of their parts ends; returns the exit code.

    SIGTERM or SIGINT: no longer ready, `stop_pause`, stop, at most `drain` for what is in hand, close: 0.
    A server or a task that ends before it is told to: the same without the pause, and 1.
    A second signal, if it is SIGINT, ends the process at once.

    Raises:
        Misconfigured: a port cannot be had, or a task raised it; all is closed before.
    """
    try:
        failed = await _run_until_told(services, stop_pause, drain, on_ready)
    finally:
        closed = await asyncio.gather(*map(_close, services))
    return 0 if all(closed) and not failed else 1


async def _run_until_told(
    services: Sequence[Service],
    stop_pause: timedelta,
    drain: timedelta,
    on_ready: Callable[[], None] | None,
) -> bool:
    """Whether a part failed; all have ended, or were left behind."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listen(service)) for service in services]
        asked = stack.enter_context(_signals())
        stop = asyncio.Event()
        servers = [_Server(service) for service in services]
        lives: dict[asyncio.Task[None], str] = {}
        for service, server, listener in zip(services, servers, listeners, strict=True):
            parts: list[tuple[str, Awaitable[None]]] = [("server", server.serve([listener]))]
            parts += [(getattr(task, "__qualname__", repr(task)), task(stop)) for task in service.tasks]
            for name, work in parts:
                lives[asyncio.create_task(_live(service, work))] = f"{service.name} {name}"
        signalled = asyncio.create_task(asked.wait())
        up = asyncio.create_task(_all_up(servers))
        try:
            await asyncio.wait([up, signalled, *lives], return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                gc.freeze()  # what was made to start stays: to look it through again would hold everything for 0.1 s
                gc.set_threshold(*BATCHES_OF_OBJECTS)
                for service in services:
                    log.info("listening", service=service.name, address=f"http://{service.host}:{service.port}")
            if up.done() and on_ready is not None:
                on_ready()
            await asyncio.wait([signalled, *lives], return_when=asyncio.FIRST_COMPLETED)
            for service in services:
                service.app.state.stopping = True
            if not _ended(lives):
                log.info("stopping")
                pause = stop_pause.total_seconds()
                await asyncio.wait(lives, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            failed = _report(_ended(lives), "ended_unasked")
            stop.set()
            for server in servers:
                server.should_exit = True
            failed |= await _drain(lives, servers, drain)
        finally:
            for part in (everything := [signalled, up, *lives]):
                part.cancel()
            await asyncio.wait(everything, timeout=CLOSE_SECONDS)
    for life in lives:
        if isinstance(error := _error_of(life), Misconfigured):
            raise error  # the one line for a person stands better alone than in a traceback
    return failed


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """End the process with what `main` returns; a wrong set-up is one line on stderr and code 2.

    What it writes is for its own user alone: people's posts stand in it.
    """
    os.umask(0o077)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(main())
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        code = 2
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


S = TypeVar("S", bound=Settings)


def run_service(name: str, settings: type[S], build: Callable[[S], Awaitable[Service]]) -> NoReturn:
    """A service's whole `__main__`: read the environment, set up the logs, build, serve."""

    async def main() -> int:
        read = settings.load()
        logs.configure(name, read.log_level, read.log_format)
        return await serve([await build(read)], stop_pause=read.stop_pause, drain=read.drain)

    run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with an event for when it listens."""

    def __init__(self, service: Service) -> None:
        tracing = tracing_to(os.environ.get(TRACES, ""))
        super().__init__(
            uvicorn.Config(
                tracing.app(service.app) if tracing else service.app,
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,  # longer than a gateway keeps an idle connection
            )
        )
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def _listen(service: Service) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    try:
        listener = socket.create_server((service.host, service.port), family=family, backlog=2048)
    except OSError as error:
        raise Misconfigured(
            f"{service.name} cannot listen on {service.host} port {service.port}: {error.strerror};"
            f" stop what uses it, or set {service.name.upper()}_PORT"
        ) from error
    with listener:
        service.port = listener.getsockname()[1]
        yield listener


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event set by the first SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if asked.is_set() and number == signal.SIGINT:
            os._exit(128 + number)  # someone at the terminal has no patience left
        asked.set()

    ours = (signal.SIGTERM, signal.SIGINT)
    for number in ours:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield asked
    finally:
        for number in ours:
            loop.remove_signal_handler(number)


async def _live(service: Service, work: Awaitable[None]) -> None:
    structlog.contextvars.bind_contextvars(service=service.name)
    await work


async def _all_up(servers: Sequence[_Server]) -> None:
    for server in servers:
        await server.up.wait()


def _ended(lives: dict[asyncio.Task[None], str]) -> dict[asyncio.Task[None], str]:
    return {life: name for life, name in lives.items() if life.done()}


def _report(ended: dict[asyncio.Task[None], str], event: str) -> bool:
    """Log them, but for a wrong set-up, which `run` says in one line; whether there were any."""
    for life, name in ended.items():
        if not isinstance(error := _error_of(life), Misconfigured):
            log.error(event, part=name, exc_info=error)
    return bool(ended)


def _error_of(life: asyncio.Task[None]) -> BaseException | None:
    return life.exception() if life.done() and not life.cancelled() else None


async def _drain(lives: dict[asyncio.Task[None], str], servers: Sequence[_Server], drain: timedelta) -> bool:
    """Wait for all to end; whether one failed or had to be left behind."""
    before = _ended(lives)
    _, late = await asyncio.wait(lives, timeout=drain.total_seconds())
    failed = {
        life: name
        for life, name in _ended(lives).items()
        if life not in before and (life.cancelled() or _error_of(life))
    }
    if late:
        log.error("not_drained", parts=[lives[life] for life in late])
        for server in servers:
            server.force_exit = True
    return _report(failed, "failed_while_stopping") or bool(late)


async def _close(service: Service) -> bool:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await service.close()
    except Exception:
        log.exception("close_failed", service=service.name)
        return False
    return True
