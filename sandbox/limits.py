"""How often each endpoint may be called, counted as X counts: fixed windows that start with the first request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from libs.common.clock import Clock
from sandbox.endpoints import ENDPOINTS

DAY = timedelta(hours=24)
_OPEN = 1_000_000  # where the network is meant to stand in nobody's way


@dataclass(frozen=True, slots=True)
class Limits:
    """What the network allows an account; for the other endpoints X's own figures stand."""

    posts: int = 10_000
    window: timedelta = timedelta(minutes=15)
    duplicates_within: timedelta = timedelta(minutes=15)
    posts_a_day: int = _OPEN


@dataclass(slots=True)
class _Window:
    most: int
    ends_at: float  # Unix seconds
    used: int = 0


class Windows:
    """All that is being counted."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._open: dict[tuple[str, str, str], _Window] = {}
        self.instead: Mapping[str, int] = {}

    def enter(self, endpoint: str, account_id: str | None) -> tuple[bool, dict[str, str]]:
        """Count a request, of an account or of the app alone: whether it may pass, and what the headers say."""
        listed = ENDPOINTS[endpoint]
        user = account_id is not None and listed.per_user is not None
        who = f"user {account_id}" if user else "app"
        most = listed.per_user if user else listed.per_app
        app_day = listed.app_day
        if endpoint == "POST /2/tweets":
            most, app_day = self._limits.posts, self._limits.posts_a_day
        most = self.instead.get(endpoint, most if most is not None else _OPEN)
        counted = [("x-rate-limit", self._window(endpoint, who, "", most, self._limits.window))]
        if app_day is not None:
            counted.append(("x-app-limit-24hour", self._window(endpoint, "app", "day", app_day, DAY)))
        if listed.user_day is not None:
            counted.append(("x-user-limit-24hour", self._window(endpoint, who, "day", listed.user_day, DAY)))
        passes = all(window.used < window.most for _, window in counted)
        headers: dict[str, str] = {}
        for name, window in counted:
            window.used += passes
            headers[f"{name}-limit"] = str(window.most)
            headers[f"{name}-remaining"] = str(max(0, window.most - window.used))
            headers[f"{name}-reset"] = str(int(window.ends_at))
        return passes, headers

    def _window(self, endpoint: str, who: str, span: str, most: int, length: timedelta) -> _Window:
        now = self._clock().timestamp()
        found = self._open.get((endpoint, who, span))
        if found is None or now >= found.ends_at:
            found = self._open[(endpoint, who, span)] = _Window(most, now + length.total_seconds())
        found.most = most
        return found
