"""`guichet demo`: the house, its past, its traffic, its agents and its screen, in one process."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from rich.console import Console
from rich.live import Live

from cli.demo.agents import Agent
from cli.demo.cast import Cast, read_cast
from cli.demo.feed import Feed, Progress
from cli.demo.screen import Header, draw, plain
from cli.demo.snapshot import AnswerView, Snapshot, look
from cli.demo.traffic import USUAL_SPEED, Script, read_script
from cli.house import House
from cli.installation import Installation
from cli.trouble import Trouble
from cli.up import Opened, Up, configure_logs, curl, show
from cli.waiting import either, pause

FOLDER = Path(__file__).parents[2] / "config" / "demo"
REDRAW_SECONDS = 0.5
LINE_SECONDS = 5.0  # between two lines where there is no terminal
AGAIN_SECONDS = 0.2
LAST_ANSWERS = 8

log = structlog.get_logger(__name__)


async def demo(
    installation: Installation, console: Console, *, speed: float, seconds: float | None, plain: bool
) -> int:
    """Until Ctrl-C, or for so many seconds; returns the exit code.

    Raises:
        Trouble: it cannot start, or a part of it broke.
    """
    script, cast = read_script(FOLDER), read_cast(FOLDER / "agents.toml")
    installation.data.mkdir(parents=True, exist_ok=True)
    log_file = installation.data / "guichet.log"
    configure_logs(installation.environ, log_file)
    live = console.is_terminal and not plain
    show = Show(installation.data, script, cast, console, speed, seconds, live=live)
    console.print("Guichet is starting", style="bright_black")
    up = Up(installation, True, lambda line: console.print(line, markup=False), show.ready, (show.run,))
    status = await up.run()
    if status:
        raise Trouble(f"the demo broke off: {show.failure or 'a part of it ended'}; more stands in {log_file}", status)
    console.print(show.farewell(), markup=False, soft_wrap=True)
    return status


class Show:
    """What happens beside the services."""

    def __init__(
        self,
        data: Path,
        script: Script,
        cast: Cast,
        console: Console,
        speed: float,
        seconds: float | None,
        *,
        live: bool,
    ) -> None:
        self.failure = ""
        self._data = data
        self._script = script
        self._cast = cast
        self._console = console
        self._speed = speed
        self._seconds = seconds
        self._live = live
        self._opened: Opened | None = None
        self._stands = asyncio.Event()
        self._last = Snapshot(datetime.now(UTC))
        self._sent = 0

    def ready(self, opened: Opened) -> None:
        """The house stands."""
        self._opened = opened
        self._stands.set()

    async def run(self, stop: asyncio.Event) -> None:
        """The whole show; a task beside the services."""
        await either(self._stands, stop)
        if self._opened is None:
            return
        try:
            async with House(self._opened.addresses, self._opened.key) as house:
                await self._play(house, self._opened, stop)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise

    async def _play(self, house: House, opened: Opened, stop: asyncio.Event) -> None:
        feed = Feed(house, self._script, Progress.load(self._data), self._speed)
        names = {str(user["username"]): str(user.get("name", "")) for user in self._script.users.values()}
        haste = self._speed / USUAL_SPEED
        answers: deque[AnswerView] = deque(maxlen=LAST_ANSWERS)
        agents = [Agent(house, self._cast, player, names, answers, haste) for player in self._cast.players]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._show(house, opened, feed, agents, answers, stop))
            group.create_task(self._time_up(stop))
            await _until_done(feed.set_up, stop)
            await _until_done(feed.seed, stop)
            group.create_task(feed.run(stop))
            for agent in agents:
                await _until_done(agent.set_up, stop)
                group.create_task(agent.run(stop))

    def farewell(self) -> str:
        """The last words on the terminal."""
        return (
            f"stopped after {self._sent} posts and {self._last.latency.answered} answers; "
            f"all is kept in {self._data}, and the next `guichet demo` goes on there"
        )

    async def _time_up(self, stop: asyncio.Event) -> None:
        if self._seconds is not None:
            await pause(stop, self._seconds)
            if not stop.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    async def _show(
        self,
        house: House,
        opened: Opened,
        feed: Feed,
        agents: Sequence[Agent],
        answers: Collection[AnswerView],
        stop: asyncio.Event,
    ) -> None:
        """Look and draw, a few times a second."""
        header = Header(opened.addresses, curl(opened), str(opened.key_file))
        if not self._live:
            show(self._console, opened)
        screen = Live(console=self._console, screen=True, auto_refresh=False) if self._live else None
        if screen:
            screen.start()
        try:
            while not stop.is_set():
                counts = {"posts": feed.sent, "in a minute": feed.last_minute}
                self._last = await look(house, [agent.view for agent in agents], list(answers), counts)
                self._sent = feed.sent
                if screen:
                    size = self._console.size
                    screen.update(draw(header, self._last, size.width, size.height), refresh=True)
                else:
                    for line in plain(self._last):
                        self._console.print(line, markup=False, soft_wrap=True)
                await pause(stop, REDRAW_SECONDS if screen else LINE_SECONDS)
        finally:
            if screen:
                screen.stop()


async def _until_done(act: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Once what it needs is there: the first moments of a start."""
    while not stop.is_set():
        try:
            await act()
        except Trouble as trouble:
            log.info("demo_waits", reason=str(trouble))
            await pause(stop, AGAIN_SECONDS)
        else:
            return
