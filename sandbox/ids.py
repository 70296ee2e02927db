"""Ids: numbers that tell the time and always rise."""

from datetime import datetime

_EPOCH_MS = 1_288_834_974_657
_LARGEST = 2**63 - 1


class Ids:
    """Snowflakes, each above every id known here."""

    def __init__(self) -> None:
        self._last = 0

    def seen(self, id_: str) -> None:
        """This one is taken."""
        self._last = max(self._last, int(id_))

    def next(self, now: datetime, *, after: str = "") -> str:
        """One of this moment, above `after`: an answer always follows what it answers."""
        moment = max(int(now.timestamp() * 1000) - _EPOCH_MS, 1) << 22
        known = int(after) if after.isdecimal() and int(after) < _LARGEST else 0
        self._last = max(moment, self._last + 1, known + 1)
        return str(self._last)
