"""The `guichet` command as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.house import Standing, standing

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


def environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what would set the command up."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GUICHET_", "INGEST_", "ROUTER_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", "COLUMNS": "100", **(more or {})}


def guichet(*arguments: str | Path, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environ(more), capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
    )


@contextmanager
def running(*arguments: str | Path, data: Path) -> Iterator[tuple["subprocess.Popen[str]", Standing, list[str]]]:
    """A house that is ready, and the lines it said until then; whoever uses it stops it, or it is killed."""
    command = [sys.executable, "-m", "cli", *map(str, arguments), "--data", str(data), "--port-base", "0"]
    log = data.parent / "house.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ(), stdout=subprocess.PIPE, stderr=file, text=True, stdin=subprocess.DEVNULL
        )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("  -d "):  # the last of the printed call
                break
        found = standing(data)
        assert found is not None, log.read_text()
        yield process, found, said
    finally:
        process.kill()
        process.communicate()
