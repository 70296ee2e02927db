"""A real Prometheus on the loopback address, with a configuration of the test's."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.ports import HOST, Port
from tests.servers.processes import NotFound, Process, wait_until_ready

START_LIMIT = 30.0  # seconds


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end.

    Raises:
        NotFound: it is not installed.
    """
    return subprocess.run([_program("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=120)


class Prometheus:
    """One server that scrapes what its configuration says."""

    def __init__(self, port: Port, process: Process) -> None:
        """Use `start`."""
        self._port = port
        self._process = process

    @classmethod
    def start(cls, folder: Path, configuration: Path) -> Prometheus:
        """Start it and wait until it answers; its data and its log go to the folder.

        Raises:
            NotFound: it is not installed.
            NotStarted: it did not come up; its own words say why.
        """
        program = _program("prometheus")
        folder.mkdir(parents=True, exist_ok=True)
        port = Port()
        command: Sequence[str | Path] = (
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port.number}",
        )
        server = cls(port, Process(command, folder / "prometheus.log"))
        try:
            wait_until_ready(server._answers, [server._process], START_LIMIT, "Prometheus")
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://{HOST}:{self._port.number}"

    @property
    def running(self) -> bool:
        """Whether its process does."""
        return self._process.running

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that answer it now.

        Raises:
            ValueError: it cannot be read; the message is Prometheus' own.
        """
        result: list[dict[str, Any]] = self._get("query", {"query": expr})["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with their health and last error."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def names(self) -> set[str]:
        """Of all metrics it holds."""
        with urllib.request.urlopen(f"{self.url}/api/v1/label/__name__/values", timeout=10) as answer:
            return set(json.load(answer)["data"])

    def stop(self) -> None:
        """End it; harmless when it has ended already."""
        self._process.ask_to_stop()
        self._process.end()
        self._port.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _get(self, what: str, parameters: dict[str, str]) -> dict[str, Any]:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{query}", timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)["data"]
                return found
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
        return False


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotFound(f"{name}: apt-get install prometheus")
    return found
