"""On which line of a TOML file something stands: parsers do not say, and people ask."""

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""Keys and, in arrays of tables, numbers: ("queues", 2, "hours")."""

_HEADER = re.compile(r"\s*(\[{1,2})\s*(.+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*\.?""")
_QUOTED = re.compile(r'''"""|\'\'\'|"(?:[^"\\]|\\.)*"|'[^']*'|#.*''')


class Lines:
    """The lines of one file, from 1."""

    def __init__(self, text: str) -> None:
        self._known: dict[Place, int] = {}
        for place, number in _places(text):
            self._known.setdefault(place, number)

    def of(self, *place: str | int) -> int | None:
        """Where it stands, or what it stands in; None: nowhere."""
        while place:
            if place in self._known:
                return self._known[place]
            place = place[:-1]
        return None


def _places(text: str) -> Iterator[tuple[Place, int]]:
    """Headers and the keys that begin a line; what stands within brackets is where they open."""
    table: Place = ()
    counts: dict[Place, int] = {}
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        inside, depth = depth > 0, max(0, depth + _opened(line))
        if inside:
            continue
        if key := _KEY.match(line):
            yield (*table, *_parts(key[1])), number
        elif header := _HEADER.match(line):
            depth = 0
            *outer, last = _parts(header[2])
            table = ()
            for part in outer:
                table = (*table, part)
                if table in counts:
                    table = (*table, counts[table])
            table = (*table, last)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield from ((table[:length], number) for length in range(1, len(table) + 1))


def _parts(key: str) -> list[str]:
    return [one or other or bare for one, other, bare in _PART.findall(key)]


def _opened(line: str) -> int:
    """How many brackets stay open; those in texts and comments are none."""
    bare = _QUOTED.sub("", line)
    return sum(bare.count(each) for each in "[{") - sum(bare.count(each) for each in "]}")
