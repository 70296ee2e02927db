"""Named points where a test may kill us, delay us or raise; no-ops in production."""

from collections import Counter
from collections.abc import Callable

_planted: dict[str, Callable[[], None]] = {}
hits: Counter[str] = Counter()


def fault(point: str) -> None:
    """Stand at a named point. Nothing happens unless a test planted something here."""
    if _planted:
        hits[point] += 1
        if act := _planted.get(point):
            act()


def plant(point: str, act: Callable[[], None]) -> None:
    """Run `act` whenever `point` is reached (tests only). Points reached while anything is planted are counted."""
    _planted[point] = act


def clear() -> None:
    """Take everything out again."""
    _planted.clear()
    hits.clear()
