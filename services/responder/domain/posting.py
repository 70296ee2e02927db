"""What became of a POST: what a network can say, and what it means for the reply."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take when answers are lost.

    No sooner than `recover_after` may anybody look: until then the first try may still be on its way.

    Raises:
        ValueError: a reply could be looked for while it is still being sent.
    """

    send_within: timedelta = timedelta(seconds=5)  # after the reservation; later the reply is not sent
    post_limit: timedelta = timedelta(seconds=20)
    recover_after: timedelta = timedelta(seconds=180)  # both above + a frozen pod (90 s) + the timeline's lag
    look_again: timedelta = timedelta(seconds=60)
    give_up_after: timedelta = timedelta(minutes=30)
    wait_first: timedelta = timedelta(seconds=1)  # after a failure to connect; doubles with each try
    wait_longest: timedelta = timedelta(minutes=5)
    limited_for: timedelta = timedelta(seconds=60)  # when a network says "too many" without until when; doubles

    def __post_init__(self) -> None:
        if self.recover_after <= self.send_within + self.post_limit:
            raise ValueError("recover_after must be longer than send_within and post_limit together")


@dataclass(frozen=True, slots=True)
class Answered:
    """The network said something. `headers` have lower-case names; `body` is its JSON, or None."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """It failed before the request was written: there is no post."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request, or a part of it, was written and no answer came: there may be a post."""

    why: str


Exchange = Answered | NotSent | Lost


@dataclass(frozen=True, slots=True)
class Posted:
    own_post_id: str
    created_at: datetime | None = None  # the network's word, where it was read


@dataclass(frozen=True, slots=True)
class Postponed:
    reason: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


@dataclass(frozen=True, slots=True)
class ByHand:
    """The network forbids it to us, not to a person on its own site."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Our timeline does not hold it, or could not be read: look again at `look_at`."""

    look_at: datetime
    missed_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    reason: str


Outcome = Posted | Postponed | Refused | ByHand | Unknown | Missing | GaveUp

_NOT_ALLOWED = (
    "reply to this conversation is not allowed",
    "mentioned or otherwise engaged",
    "only reply to or quote posts",
)
_LONGEST_LIMIT = timedelta(hours=25)  # a reset later than any window of a network is a mistake


def classify(exchange: Exchange, *, tries: int, now: datetime, pace: Pace, chance: float) -> Outcome:
    """What an answer to our POST means. What is not plainly a refusal is `Unknown`: looked for, never assumed.

    Args:
        tries: how often this reply was reserved, 1 for the first time; waits double with it.
        chance: 0..1, spreads those who wait for the same moment.
    """
    match exchange:
        case NotSent(why):
            wait = min(pace.wait_first * 2 ** min(tries - 1, 20), pace.wait_longest)
            return Postponed(f"the network could not be reached: {why}", now + wait * (1 + chance / 4))
        case Lost(why):
            return Unknown(f"no answer came: {why}")
        case Answered():
            return _classify_answer(exchange, tries, now, pace, chance)
        case other:
            assert_never(other)


def _classify_answer(answer: Answered, tries: int, now: datetime, pace: Pace, chance: float) -> Outcome:
    status, said = answer.status, _said(answer.body)
    words = f"the network said {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:
        post_id = _post_id(answer.body)
        return Posted(post_id) if post_id else Unknown(f"the network said {status} without the post's id")
    if status == 429:
        until = _limited_until(answer.headers, now, pace) or now + min(
            pace.limited_for * 2 ** min(tries - 1, 20), pace.wait_longest
        )
        return Postponed("the network takes no more posts for now", until + pace.wait_first * 5 * chance)
    if status == 402:  # paid for in advance; somebody has to top up
        return Postponed(words, now + pace.wait_longest * (1 + chance / 4))
    if status == 403 and "duplicate content" in said.lower():
        return Unknown(words)  # may be the echo of our own first try
    if status == 403 and any(each in said.lower() for each in _NOT_ALLOWED):
        return ByHand(words)
    if 400 <= status < 500 and status != 408:
        return Refused(words)
    return Unknown(words)


def _said(body: Any) -> str:
    """The network's own words about what is wrong."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    words = (body.get("detail"), first.get("detail"), first.get("message"), body.get("title"))
    return next((word[:500] for word in words if isinstance(word, str) and word), "")


def _post_id(body: Any) -> str:
    post = body.get("data") if isinstance(body, dict) else None
    found = post.get("id") if isinstance(post, dict) else None
    return str(found) if isinstance(found, str | int) and str(found) else ""


def _limited_until(headers: Mapping[str, str], now: datetime, pace: Pace) -> datetime | None:
    """When the last of the windows that are used up has surely ended; None where no header says.

    A reset is told in whole seconds: the window may end as late as that second does. It may have ended while the
    answer was on its way.
    """
    resets = [headers.get("x-rate-limit-reset", "")]
    for window in ("x-app-limit-24hour", "x-user-limit-24hour"):
        if headers.get(f"{window}-remaining") == "0":
            resets.append(headers.get(f"{window}-reset", ""))
    moments = [datetime.fromtimestamp(int(reset) + 1, UTC) for reset in resets if re.fullmatch(r"\d{1,11}", reset)]
    ends = [moment for moment in moments if now - pace.post_limit < moment < now + _LONGEST_LIMIT]
    return max(now + pace.wait_first, *ends) if ends else None
