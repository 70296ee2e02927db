"""A real PostgreSQL: one server on the loopback address, to crash and to start again."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.servers.ports import HOST, Port
from tests.servers.processes import (
    NotFound,
    NotStarted,
    Process,
    children,
    claim,
    gone,
    wait_for,
    wait_until_ready,
)

START_LIMIT = 60.0  # seconds; after a crash, the log has to be replayed first

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_ELSEWHERE = "guichet-postgres-"
_SOCKET_PATH_BYTES = 100  # the system takes some 107, of which PostgreSQL's file name is a part


class Postgres:
    """One server that trusts whoever can reach it, as the user `postgres`."""

    def __init__(
        self, folder: Path, port: Port, settings: Mapping[str, str], user: tuple[int, int] | None, lock: IO[bytes]
    ) -> None:
        """Use `start`."""
        self._folder = folder
        self._port = port
        self._settings = settings
        self._user = user
        self._lock = lock
        self._process: Process | None = None

    @classmethod
    def start(cls, folder: Path, port: int | None = None, settings: Mapping[str, str] | None = None) -> Postgres:
        """Start the server and wait until it answers.

        Args:
            folder: Keeps the data: a second start there finds the databases again. Where root starts it, it
                runs as another user and owns the folder; if that user cannot get there, `folder` holds a
                link to the data, which lies among the system's temporary files until `folder` is removed.
            port: A free one takes its place when it is taken.
            settings: As in postgresql.conf, over ours. For tests that don't crash it, `{"fsync": "off"}`.

        Raises:
            NotFound: PostgreSQL is not installed, or not in the version that made the folder's data.
            NotStarted: it did not come up, or `folder` is in use.
        """
        folder = folder.absolute()
        user = _user()
        lock = claim(folder)
        server = cls(folder, Port(port or 0), settings or {}, user, lock)
        try:
            server._folder = _reachable(folder, user)
            server._initialise()
            server._run()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """Of the database `postgres`, which is always there."""
        return self._url("postgres")

    @property
    def pid(self) -> int:
        """Of the server's first process, also when it has ended."""
        if self._process is None:
            raise ValueError("PostgreSQL was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its first process does."""
        return self._process is not None and self._process.running

    def create_database(self, name: str) -> str:
        """Make an empty database and give its URL.

        Raises:
            ValueError: the server refuses: there is one of that name, say.
        """
        self.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def execute(self, statement: str) -> None:
        """Run one statement in the database `postgres`.

        Raises:
            ValueError: the server refuses it; the message is the server's.
            OSError: the server is away.
        """
        _ask(self._port.number, statement)

    def kill(self) -> None:
        """Crash: all its processes end at once, as in a power cut, but that the system keeps its cache."""
        if self._process is None or not self._process.running:
            return
        self._process.signal(signal.SIGSTOP)  # so that it starts no more while we look
        workers = children(self._process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        self._process.kill()
        if not wait_for(lambda: all(gone(worker) for worker in workers), 10):
            raise NotStarted("PostgreSQL's workers outlive SIGKILL: is the disk stuck?")

    def restart(self) -> None:
        """Start it again on its port and data, after stopping it if it runs; returns when it answers."""
        self._end()
        self._run()

    def stop(self) -> None:
        """End it in good order, without waiting for its clients; harmless when it has ended already."""
        self._end()
        self._port.release()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self) -> None:
        if self._process:
            self._process.ask_to_stop()
            wait_for(lambda: self._process is None or not self._process.running, 10)
            self.kill()

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@{HOST}:{self._port.number}/{database}"

    def _initialise(self) -> None:
        """Make the data folder, unless an earlier start has."""
        data = self._folder / "data"
        if data.exists():
            return
        half = self._folder / "data.new"
        shutil.rmtree(half, ignore_errors=True)  # an earlier start did not get to the end
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        uid, gid = self._user or (None, None)
        said = subprocess.run(
            [_binaries() / "initdb", *options, "-D", half],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=_environment(),
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )
        if said.returncode != 0:
            raise NotStarted(f"initdb failed in {self._folder}:\n{said.stdout}{said.stderr}")
        half.rename(data)

    def _run(self) -> None:
        sockets = str(self._folder) if len(os.fsencode(self._folder)) < _SOCKET_PATH_BYTES else ""
        settings = {
            "listen_addresses": HOST,
            "port": str(self._port.number),
            "unix_socket_directories": sockets,
            "fsync": "on",
            "shared_buffers": "128MB",
            "max_connections": "200",
            **self._settings,
        }
        data = self._folder / "data"
        made_by = (data / "PG_VERSION").read_text().strip()
        command: list[str | Path] = [_binaries(made_by) / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._process = Process(
            command,
            self._folder / "server.log",
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for clients to go
            user=self._user,
            environment=_environment(),
        )
        wait_until_ready(lambda: _answers(self._port.number), [self._process], START_LIMIT, "PostgreSQL")


def _user() -> tuple[int, int] | None:
    """Whom to run as: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise NotFound("a user postgres or nobody: PostgreSQL refuses to run as root")


def _reachable(folder: Path, user: tuple[int, int] | None) -> Path:
    """Give the folder to the user it will run as, or another one that this user can get to.

    Opening the folders above it is no way out: some are a person's home, and pytest closes its own again
    whenever it starts.
    """
    if user is None:
        return folder
    link = folder / "elsewhere"
    if not link.exists():  # nor what it points to
        os.chown(folder, *user)
        if _can_enter(folder, user):
            return folder
        _sweep(user)
        elsewhere = _lasting() / f"{_ELSEWHERE}{secrets.token_hex(8)}"
        link.unlink(missing_ok=True)
        link.symlink_to(elsewhere)  # first: what no link points to is swept
        elsewhere.mkdir(mode=0o700)
        (elsewhere / "origin").write_text(str(link))
        os.chown(elsewhere, *user)
    return link.resolve()


def _sweep(user: tuple[int, int]) -> None:
    """Remove the data whose folder is gone: a test's, as a rule."""
    for elsewhere in _lasting().glob(f"{_ELSEWHERE}*"):
        with contextlib.suppress(OSError):  # it isn't whole yet, or another process sweeps too
            link = Path((elsewhere / "origin").read_text())
            if elsewhere.stat().st_uid == user[0] and link.resolve() != elsewhere.resolve():
                shutil.rmtree(elsewhere)


def _lasting() -> Path:
    """Temporary files that outlive a start of the machine, where there is a place for them."""
    lasting = Path("/var/tmp")
    return lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())


def _can_enter(folder: Path, user: tuple[int, int]) -> bool:
    uid, gid = user
    said = subprocess.run(["/bin/sh", "-c", 'test -x "$0"', folder], user=uid, group=gid, extra_groups=[])
    return said.returncode == 0


def _environment() -> dict[str, str]:
    """Ours without PGDATA and the like, which mean another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _binaries(version: str | None = None) -> Path:
    """The folder with the newest server's programs, or with those of `version`: "15".

    Raises:
        NotFound: there is none.
    """
    folders = [Path(folder) for folder in os.get_exec_path()]
    if config := shutil.which("pg_config"):
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        folders.append(Path(said.stdout.strip()))
    for place in _PLACES:
        folders += Path("/").glob(place.lstrip("/"))
    found: dict[tuple[int, ...], Path] = {}
    for folder in dict.fromkeys(folders):
        if os.access(folder / "initdb", os.X_OK) and os.access(folder / "postgres", os.X_OK):
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
            if match := re.search(r"\d+(\.\d+)?", said.stdout):  # "15.18 (Debian ...)", "18beta1"
                found.setdefault(tuple(map(int, match[0].split("."))), folder)
    if version is not None:
        found = {key: folder for key, folder in found.items() if str(key[0]) == version}
    if not found:
        wanted = "postgresql" if version is None else f"postgresql-{version}"
        raise NotFound(f"PostgreSQL's server binaries: apt-get install {wanted}")
    return found[max(found)]


def _answers(port: int) -> bool:
    try:
        _ask(port, "SELECT 1")
    except (OSError, ValueError):  # away, or still starting
        return False
    return True


def _ask(port: int, statement: str) -> None:
    """Connect as postgres and run one statement; its rows are thrown away.

    So neither a driver nor psql need be there. Source: PostgreSQL's documentation, "Message Formats",
    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    hello = struct.pack("!i", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    query = statement.encode() + b"\0"
    with (
        socket.create_connection((HOST, port), timeout=60) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(struct.pack("!i", len(hello) + 4) + hello)
        _read_until_ready(answers)
        connection.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
        _read_until_ready(answers)
        connection.sendall(b"X" + struct.pack("!i", 4))


def _read_until_ready(answers: IO[bytes]) -> None:
    while True:
        head = answers.read(5)
        if len(head) < 5:
            raise ConnectionError("PostgreSQL has closed the connection")
        kind, size = struct.unpack("!ci", head)
        body = answers.read(size - 4)
        if kind == b"E":
            fields = {field[:1]: field[1:].decode() for field in body.split(b"\0") if field}
            raise ValueError(f"{fields[b'M']} ({fields[b'C']})")
        if kind == b"Z":
            return
