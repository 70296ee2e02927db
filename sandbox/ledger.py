"""The file that brings posts and messages back after a restart: a line for each thing that happened."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Ledger:
    """Lines are appended; nothing is ever rewritten. Without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def lines(self) -> Iterator[dict[str, Any]]:
        """All that was kept. A last line that was never finished is cut off: nobody was told of it."""
        if self._path is None or not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            yield json.loads(line)

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Given to the system before anybody hears of it: it outlives us, though not the machine."""
        if self._path is not None and (encoded := [_line(line) for line in lines]):
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(encoded)


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"
