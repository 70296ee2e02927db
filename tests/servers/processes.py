"""A server's process: started apart from our terminal, and never left behind, however we end."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]  # the repository; what we download or keep is in its .cache
PATIENCE = 10.0  # seconds a server has to end by itself


class NotFound(Exception):
    """Something must be installed or fetched first: the message names it, and says how, in one line."""


class NotStarted(Exception):
    """The server ended or did not answer in time: the message holds the last lines of its log."""


class Process:
    """One server process with its log.

    It runs in a session of its own, so that Ctrl-C reaches us and not it. We stop it at exit; should we be
    killed before we can, its guard notices: a shell that waits for a word from us and hears the end of the
    pipe instead.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: tuple[int, int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` in the log's folder.

        Args:
            command: The program by its full path, and its arguments.
            log: Gets both outputs, added to what it holds.
            stop_signal: Asks the server to end in good order.
            user: The user and group number to run as; only root may ask for it.
            environment: All of it; ours when left out.
        """
        self.stop_signal = stop_signal
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._starter = os.getpid()
        uid, gid = user or (None, None)
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=environment,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=None if user is None else [],
            )
        self.pid = self._popen.pid
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r word || kill -KILL "$0"', str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _started.add(self)

    @property
    def running(self) -> bool:
        """Also true of a paused one."""
        if self._popen.returncode is None and self._popen.poll() is not None:
            self._dismiss_guard()
        return self._popen.returncode is None

    @property
    def exit_code(self) -> int | None:
        """As `Popen.returncode`: negative for the signal that ended it."""
        return self._popen.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.running:
            self._popen.send_signal(number)

    def ask_to_stop(self) -> None:
        """Only ask; `end` waits. A paused server wakes up to hear it."""
        self.signal(self.stop_signal)
        self.signal(signal.SIGCONT)

    def end(self, patience: float = PATIENCE) -> None:
        """Wait until it has ended, and kill it when it takes longer than `patience` seconds."""
        if self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End it at once, paused or not; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self._popen.wait()
        self._dismiss_guard()

    def tail(self, lines: int = 25) -> str:
        """The last lines it has logged since this start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _dismiss_guard(self) -> None:
        if self not in _started:
            return
        _started.discard(self)
        with contextlib.suppress(BrokenPipeError):
            self._guard.communicate(b"done\n")

    def _stop_at_exit(self, ask: bool) -> None:
        if self._starter != os.getpid():  # a fork of ours exits: the server is not its own
            return
        if ask:
            self.ask_to_stop()
        else:
            self.end()


_started: set[Process] = set()


@atexit.register
def _stop_all() -> None:
    left = list(_started)
    for ask in (True, False):  # all are asked before the first is waited for
        for process in left:
            process._stop_at_exit(ask)


def wait_for(done: Callable[[], bool], limit: float) -> bool:
    """Ask `done` until it says yes; after `limit` seconds, tell that it did not."""
    deadline = time.monotonic() + limit
    pause = 0.02
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.2, 0.2)
    return True


def wait_until_ready(ready: Callable[[], bool], processes: Collection[Process], limit: float, what: str) -> None:
    """Ask `ready` until it says yes.

    Raises:
        NotStarted: one of the processes ended, or `limit` seconds have passed.
    """

    def ended_or_ready() -> bool:
        for process in processes:
            if not process.running:
                raise NotStarted(
                    f"{what} ended with {process.exit_code} while starting, see {process.log}\n{process.tail()}"
                )
        return ready()

    if not wait_for(ended_or_ready, limit):
        tails = "\n".join(f"{process.log}:\n{process.tail()}" for process in processes)
        raise NotStarted(f"{what} did not answer within {limit:.0f} s\n{tails}")


def children(pid: int) -> list[int]:
    """The numbers of the processes that `pid` has started and that still run."""
    if Path("/proc/self/stat").exists():
        rows = [_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    else:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        rows = [(int(row[0]), int(row[1]), row[2][0]) for row in map(str.split, listing.stdout.splitlines())]
    return [row[0] for row in rows if row is not None and row[1] == pid and row[2] != "Z"]


def _stat(pid: int) -> tuple[int, int, str] | None:
    """Number, parent and state of a process, by /proc; nothing when it has ended."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = line.rpartition(")")[2].split()[:2]  # the name before the bracket may hold anything
    return pid, int(parent), state


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has buried yet counts as ended."""
    if Path("/proc/self/stat").exists():
        row = _stat(pid)
        return row is None or row[2] == "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock on this file, and hold it; it ends with us at the latest."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claim(folder: Path) -> IO[bytes]:
    """Make the folder and keep others out of it until the file returned is closed.

    Raises:
        NotStarted: another process runs a server there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise NotStarted(f"another process runs a server in {folder}") from error
    return file
