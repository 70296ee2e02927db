"""What a network still lets us post: counted down from its own headers, and taken in the order of what matters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from services.responder.domain.replies import CLASSES

_LONGEST_WINDOW = timedelta(hours=25)
_SAME_WINDOW = timedelta(seconds=1)
_RESET_SECOND = timedelta(seconds=1)  # told in whole seconds: the window may end as late as that second does


@dataclass(frozen=True, slots=True)
class Budget:
    """One account's and operation's, as last heard. `limit` 0: the network never said."""

    network: str
    handle: str
    operation: str
    limit: int = 0
    remaining: int = 0
    reset_at: datetime | None = None  # None: a new window, of which the network has not said the end

    def is_over(self, now: datetime) -> bool:
        """Whether the window that was told of has surely ended."""
        return self.reset_at is not None and self.reset_at + _RESET_SECOND <= now

    def left(self, now: datetime) -> int:
        """How many may go now; after the reset all of them."""
        return self.limit if self.is_over(now) else self.remaining

    def share(self, now: datetime) -> float:
        """0..1; 1 where nothing is known."""
        return self.left(now) / self.limit if self.limit else 1.0


def take(budget: Budget, priority: int, now: datetime) -> Budget | None:
    """The budget after one more of this priority; None: it has to wait for `wait_until`."""
    if not budget.limit:
        return budget
    left = budget.left(now)
    if left <= 0 or (priority >= CLASSES["survey"] and left * 2 <= budget.limit):
        return None
    return replace(budget, remaining=left - 1, reset_at=None if budget.is_over(now) else budget.reset_at)


def wait_until(budget: Budget, now: datetime, chance: float) -> datetime:
    """When to ask again: after the reset, not all at the same moment."""
    told = None if budget.is_over(now) else budget.reset_at
    end = told + _RESET_SECOND if told else now + timedelta(minutes=1)
    return end + timedelta(seconds=5) * chance


def heard(budget: Budget, headers: Mapping[str, str], in_flight: int, now: datetime) -> Budget | None:
    """The budget after an answer; None: its headers say nothing.

    Args:
        headers: of an answer to a POST, names in lower case.
        in_flight: other posts of the same account the network may not have counted yet.
    """
    limit, remaining = _number(headers, "x-rate-limit-limit"), _number(headers, "x-rate-limit-remaining")
    reset = _number(headers, "x-rate-limit-reset")
    if not limit or remaining is None or reset is None:
        return None
    reset_at = datetime.fromtimestamp(reset, UTC)
    if not now < reset_at + _SAME_WINDOW < now + _LONGEST_WINDOW:
        return None
    left = max(0, min(remaining, limit) - in_flight)
    known = budget.limit == limit and (budget.reset_at is None or abs(reset_at - budget.reset_at) <= _SAME_WINDOW)
    if known:
        left = min(left, budget.remaining)  # answers overtake each other; none gives back what others took
    elif budget.reset_at is not None and reset_at < budget.reset_at and not budget.is_over(now):
        return None  # of an earlier window
    return replace(budget, limit=limit, remaining=left, reset_at=reset_at)


def give_back(budget: Budget) -> Budget:
    """One that was taken and never sent."""
    return replace(budget, remaining=min(budget.limit, budget.remaining + 1))


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 11 else None
