"""Programs that tests run in a process of their own, to be killed."""

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.servers.processes import ROOT


class Program:
    """A Python program with our code at hand; it tells what it did, a line each."""

    def __init__(self, code: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def lines(self, n: int) -> list[str]:
        """Its next lines; it must not end before it has told them."""
        assert self._process.stdout is not None
        found = [self._process.stdout.readline().rstrip("\n") for _ in range(n)]
        assert found[-1], f"ended with {self.end()}"
        return found

    def kill(self) -> list[str]:
        """End it at once; gives the lines it had told and nobody had read."""
        self._process.send_signal(signal.SIGKILL)
        told, _ = self._process.communicate(timeout=30)
        return told.splitlines()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: its exit code, its output and its errors."""
        told, errors = self._process.communicate(timeout=60)
        return self._process.returncode, told, errors
