"""Servers and tasks live and die together: real uvicorn on free ports, real signals."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from libs.common.auth import public
from libs.common.errors import Misconfigured
from libs.common.process import Service, Task, run, serve
from tests.unit.common.app import an_app

NONE = timedelta()
LONG = timedelta(seconds=60)
ROOT = Path(__file__).parents[3]


async def obedient(stop: asyncio.Event) -> None:
    await stop.wait()


class House:
    """Services to run, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready = asyncio.Event()
        self.closed: list[str] = []

    def service(self, *tasks: Task, name: str = "router", port: int = 0, routers: Sequence[APIRouter] = ()) -> Service:
        async def close() -> None:
            self.closed.append(name)

        return Service(name, an_app(self.folder, routers=routers), tasks, "127.0.0.1", port, close)

    @asynccontextmanager
    async def running(
        self, *services: Service, stop_pause: timedelta = NONE, drain: timedelta = LONG
    ) -> AsyncIterator[asyncio.Task[int]]:
        """Runs until the block ends; awaiting the task gives the exit code."""
        life = asyncio.create_task(serve(services, stop_pause=stop_pause, drain=drain, on_ready=self.ready.set))
        async with asyncio.timeout(20):
            await asyncio.wait([life, waits := asyncio.create_task(self.ready.wait())], return_when="FIRST_COMPLETED")
            waits.cancel()
            yield life
            await life


@pytest.fixture
async def house(tmp_path: Path) -> House:
    return House(tmp_path)


def client_of(service: Service) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}")


def tell(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_all_in_order_and_is_no_error(house: House, number: int) -> None:
    router, ingest = house.service(obedient), house.service(obedient, obedient, name="ingest")
    async with house.running(router, ingest) as life:
        async with client_of(router) as one, client_of(ingest) as two:
            assert (await one.get("/livez")).status_code == 200
            assert (await two.get("/livez")).status_code == 200
        tell(number)
        assert await life == 0
    assert sorted(house.closed) == ["ingest", "router"]


async def test_before_it_stops_it_is_not_ready_but_still_answers(house: House) -> None:
    leave = asyncio.Event()

    async def until_told(stop: asyncio.Event) -> None:
        await leave.wait()

    service = house.service(until_told)
    async with house.running(service, stop_pause=LONG), client_of(service) as client:
        assert (await client.get("/readyz")).status_code == 200
        tell()
        while (await client.get("/readyz")).status_code != 503:
            pass
        assert (await client.get("/v1/queues")).status_code == 200
        leave.set()


async def test_a_request_in_hand_is_finished(house: House) -> None:
    routes, asked, answer = APIRouter(), asyncio.Event(), asyncio.Event()

    @routes.get("/v1/slow", dependencies=[public])
    async def slow() -> str:
        asked.set()
        await answer.wait()
        return "done"

    async def release(stop: asyncio.Event) -> None:
        await stop.wait()
        answer.set()

    service = house.service(release, routers=[routes])
    async with house.running(service) as life, client_of(service) as client:
        request = asyncio.create_task(client.get("/v1/slow"))
        await asked.wait()
        tell()
        assert (await request).json() == "done"
        assert await life == 0


async def test_a_task_that_fails_stops_everything_and_is_an_error(house: House) -> None:
    stopped: list[str] = []

    async def fails(stop: asyncio.Event) -> None:
        raise RuntimeError("broken")

    async def other(stop: asyncio.Event) -> None:
        await stop.wait()
        stopped.append("other")

    with capture_logs() as lines:
        async with house.running(house.service(fails), house.service(other, name="ingest"), stop_pause=LONG) as life:
            assert await life == 1
    assert stopped == ["other"]
    assert sorted(house.closed) == ["ingest", "router"]
    [line] = [line for line in lines if line["event"] == "ended_unasked"]
    assert "fails" in line["part"]
    assert str(line["exc_info"]) == "broken"


async def test_a_task_that_finds_the_set_up_wrong_stops_everything_and_says_so(house: House) -> None:
    async def finds(stop: asyncio.Event) -> None:
        raise Misconfigured("the tables are newer than this program")

    services = house.service(finds), house.service(obedient, name="ingest")
    with pytest.raises(Misconfigured, match="the tables are newer"):
        await serve(services, stop_pause=LONG, drain=LONG)
    assert sorted(house.closed) == ["ingest", "router"]


async def test_a_task_that_returns_early_is_an_error_too(house: House) -> None:
    async def returns(stop: asyncio.Event) -> None:
        return

    async with house.running(house.service(returns, obedient)) as life:
        assert await life == 1


async def test_a_task_that_fails_while_stopping_is_an_error(house: House) -> None:
    async def fails_late(stop: asyncio.Event) -> None:
        await stop.wait()
        raise RuntimeError("broken")

    async with house.running(house.service(fails_late)) as life:
        tell()
        assert await life == 1
    assert house.closed == ["router"]


async def test_what_does_not_stop_in_time_is_left_behind(house: House) -> None:
    ended: list[str] = []

    async def deaf(stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("deaf")

    with capture_logs() as lines:
        async with house.running(house.service(deaf, obedient), drain=timedelta(seconds=0.3)) as life:
            tell()
            assert await life == 1
    assert ended == ["deaf"]
    [line] = [line for line in lines if line["event"] == "not_drained"]
    assert [part for part in line["parts"] if "deaf" in part]
    assert house.closed == ["router"]


async def test_a_close_that_fails_does_not_keep_the_others_open(house: House) -> None:
    async def broken() -> None:
        raise RuntimeError("stuck")

    bad, good = house.service(obedient), house.service(obedient, name="ingest")
    bad.close = broken
    async with house.running(bad, good) as life:
        tell()
        assert await life == 1
    assert house.closed == ["ingest"]


async def test_a_port_in_use_is_one_line_with_port_and_service(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, second = house.service(name="ingest"), house.service(port=port)
        with pytest.raises(Misconfigured) as caught:
            await serve([first, second], stop_pause=NONE, drain=NONE)
    assert str(caught.value).startswith(f"router cannot listen on 127.0.0.1 port {port}: Address already in use")
    assert "ROUTER_PORT" in str(caught.value)
    socket.create_server(("127.0.0.1", first.port)).close()  # what was taken is free again
    assert sorted(house.closed) == ["ingest", "router"]


async def test_log_lines_carry_the_service_they_come_from(house: House) -> None:
    seen: list[str] = []
    routes = APIRouter()

    @routes.get("/v1/who", dependencies=[public])
    async def who() -> str:
        return str(get_contextvars()["service"])

    async def task(stop: asyncio.Event) -> None:
        seen.append(get_contextvars()["service"])
        await stop.wait()

    router = house.service(task, routers=[routes])
    ingest = house.service(task, name="ingest", routers=[routes])
    async with house.running(router, ingest):
        async with client_of(router) as one, client_of(ingest) as two:
            assert (await one.get("/v1/who")).json() == "router"
            assert (await two.get("/v1/who")).json() == "ingest"
        tell()
    assert sorted(seen) == ["ingest", "router"]


def test_a_wrong_set_up_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> int:
        raise Misconfigured("ROUTER_SECRET is missing")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "ROUTER_SECRET is missing\n"


def test_run_ends_with_mains_code_on_uvloop() -> None:
    async def main() -> int:
        return 7 if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else 8

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 7


SERVICE = """
import asyncio, sys
from pathlib import Path
from pydantic_settings import SettingsConfigDict
from libs.common.keys import create_key
from libs.common.process import Service, run_service
from libs.common.settings import Port, Settings
from tests.unit.common.app import an_app

class RouterSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="ROUTER_")
    port: Port = 0

async def build(settings):
    async def task(stop):
        print("running", flush=True)
        await (stop.wait() if sys.argv[1] == "obedient" else asyncio.Event().wait())
    async def close(): pass
    return Service("router", an_app(settings.data), [task], settings.host, settings.port, close)

run_service("router", RouterSettings, build)
"""


def started(folder: Path, kind: str, **environ: str) -> "subprocess.Popen[str]":
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("ROUTER_", "GUICHET_"))}
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, kind],
        cwd=ROOT,
        env=plain | {"PYTHONPATH": str(ROOT), "GUICHET_DATA": str(folder), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_service_as_a_process_reads_its_settings_and_ends_well_on_sigterm(tmp_path: Path) -> None:
    with started(tmp_path, "obedient", ROUTER_SECRET="x" * 32, ROUTER_STOP_PAUSE="0s") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert '"event": "stopping"' in errors
    assert '"service": "router"' in errors


def test_a_service_without_its_settings_ends_with_one_line_and_code_2(tmp_path: Path) -> None:
    with started(tmp_path, "obedient") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors.startswith("ROUTER_SECRET is missing")
    assert errors.count("\n") == 1


def test_a_second_interrupt_ends_the_process_at_once(tmp_path: Path) -> None:
    with started(tmp_path, "deaf", ROUTER_SECRET="x" * 32, ROUTER_STOP_PAUSE="1h") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert any('"event": "stopping"' in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
