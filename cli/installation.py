"""A data folder and what one process needs of it: a lock, the secret, the keys, and the services' settings."""

import os
import re
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cli.house import PORTS, standing
from cli.trouble import Trouble
from libs.common.keys import create_key
from libs.common.settings import Settings

S = TypeVar("S", bound=Settings)

KEY_SCOPES = (
    "mentions:write",
    "mentions:read",
    "conversations:write",
    "work-items:read",
    "work-items:write",
    "queues:read",
    "queues:write",
    "handles:read",
    "handles:write",
    "agents:read",
    "agents:write",
    "presence:write",
    "replies:read",
    "replies:write",
    "templates:read",
    "templates:write",
    "classify",
    "stats:read",
    "dead-letters:write",
)
"""What the first key may: all that the commands of this house do; no exports, no audit, nothing of an operator's."""


_KAFKA = re.compile(r"kafka://[^,\s/:]+:\d+(,[^,\s/:]+:\d+)*")


@dataclass(frozen=True)
class Installation:
    """What a person wrote on the command line; what they did not, the environment and the defaults say."""

    data: Path
    bus: str | None = None
    database: str | None = None
    host: str | None = None
    port_base: int | None = None  # ingest's; the others follow. 0 takes any free ones
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def settings(self, kind: type[S], service: str, ports: Mapping[str, int], **overrides: Any) -> S:
        """A service's settings: the environment's, with the command line's on top.

        Raises:
            Misconfigured: one line that names the variable.
            Trouble: one line that names the option.
        """
        self._check()
        given: dict[str, Any] = {"data": self.data, **overrides}
        for name, value in (("bus", self.bus), ("database_url", self.database), ("host", self.host)):
            if value is not None:
                given[name] = value
        if service in ports:
            given["port"] = ports[service]
        if not self._told("secret", service):
            given["secret"] = secret_of(self.data)
        return kind.load(self.environ, **given)

    def ports(self) -> Mapping[str, int]:
        """The ports of all services where the command line says any; empty where it does not."""
        if self.port_base is None:
            return {}
        if self.port_base == 0:
            return free_ports(list(PORTS))
        return {service: self.port_base + port - PORTS["ingest"] for service, port in PORTS.items()}

    def _check(self) -> None:
        """The options, in their own words."""
        if self.bus is not None and self.bus != "local" and not _KAFKA.fullmatch(self.bus):
            raise Trouble(f"--bus {self.bus!r}: it is local or kafka://HOST:PORT[,HOST:PORT]", 2)
        if self.database and not self.database.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise Trouble("--database begins with postgresql:// or sqlite:///", 2)  # not shown: a password stands in it

    def _told(self, name: str, service: str) -> bool:
        variables = [f"{prefix}_{name}{kind}".upper() for prefix in (service, "guichet") for kind in ("", "_file")]
        return any(self.environ.get(variable) for variable in variables)


def secret_of(data: Path) -> str:
    """The deployment's secret, made at the first start and kept for ever: conversation keys come from it."""
    path = data / "secret"
    if not path.exists():
        keep_private(path, secrets.token_urlsafe(32))
    return path.read_text("utf-8").strip()


def first_key(data: Path, keys: Path) -> tuple[str, bool]:
    """The key the commands of this folder use, and whether it was made just now.

    "" where there are keys already, made by somebody else: theirs is not ours to know.
    """
    beside = data / "key"
    if beside.exists():
        return beside.read_text("utf-8").strip(), False
    if keys.exists():
        return "", False
    secret = create_key(keys, name="first key, of `guichet up`", role="service", scopes=KEY_SCOPES)
    keep_private(beside, secret)
    return secret, True


def keep_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")


@contextmanager
def occupied(data: Path) -> Iterator[None]:
    """Hold the data folder for this process.

    Raises:
        Trouble: another process holds it, or it cannot be written to.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("a")
    except OSError as error:
        raise Trouble(f"{data} cannot be written to: {error.strerror}; choose another --data") from error
    with lock:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Trouble(_occupied(data)) from None
        yield


def _occupied(data: Path) -> str:
    found = standing(data)
    if found is None:
        return f"Guichet is starting or stopping on {data}: try again in a moment, or choose another --data"
    return f"Guichet already runs on {data} (process {found.pid}, {found.addresses.get('ingest', '')})"


def free_ports(services: list[str]) -> dict[str, int]:
    """A free port for each. Somebody may be quicker; then the start says so."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in services]
    try:
        return {service: each.getsockname()[1] for service, each in zip(services, listeners, strict=True)}
    finally:
        for listener in listeners:
            listener.close()
