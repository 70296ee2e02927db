"""Time as a value: the one place that asks the machine's clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC `datetime`; tests pass one that stands still."""


def utc_now() -> datetime:
    """The machine's clock. Latency and deadlines never use it: they take the network's or the database's."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is refused, because a guess would be wrong somewhere."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)
