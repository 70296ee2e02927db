"""A file that grows, a batch of lines at a time, from a position in bytes."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from services.ingest.domain import Refused
from services.ingest.gateways.items import LONGEST_LINE_BYTES, line_item

BATCH_LINES = 500


class Part(NamedTuple):
    """Some lines as items, and where the next one begins."""

    items: list[msgspec.Raw | Refused]
    position: int


def read(path: Path, position: int) -> Part:
    """The next lines; none when there are none yet. A line without its end is still being written, and left.

    A file shorter than `position` was begun anew, and so is the reading.

    Raises:
        OSError: it cannot be read.
    """
    items: list[msgspec.Raw | Refused] = []
    with path.open("rb") as file:
        if path.stat().st_size < position:
            position = 0
        file.seek(position)
        while len(items) < BATCH_LINES:
            line = file.readline(LONGEST_LINE_BYTES + 1)
            whole = line.endswith(b"\n") or _skipped_rest(file, line)
            if not whole:
                break
            position = file.tell()
            if not line.isspace():
                items.append(line_item(line))
    return Part(items, position)


def _skipped_rest(file: BinaryIO, line: bytes) -> bool:
    """Go to the end of a line that is too long; whether it has one yet."""
    if len(line) <= LONGEST_LINE_BYTES:
        return False
    while rest := file.readline(1 << 20):
        if rest.endswith(b"\n"):
            return True
    return False
