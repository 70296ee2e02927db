"""What the report counts: exchanges, clocks, coverage, and what each of its figures means. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Kind = Literal["mention", "first", "next", "resolution"]
"""What waited: each answered mention, each exchange of a conversation, or the conversation until it was over."""

Basis = Literal["elapsed", "business"]

OVER_AFTER = timedelta(hours=72)
"""A conversation in which nobody wrote for so long is over: nothing joins it any more."""

LONGEST = timedelta(days=366)
"""The longest time that one question may ask for."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """One message of a customer, and a human post of ours that answers it, directly or not."""

    conversation_id: str
    network: str
    post_id: str
    own_post_id: str
    posted_at: datetime
    answered_at: datetime
    latency_seconds: float
    business_seconds: float | None
    handle: str
    queue: str
    language: str
    intent: str
    team: str
    urgency: str
    needed: bool  # an answer


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """What a customer wrote until we answered, and how long the oldest of it waited."""

    network: str
    own_post_id: str
    conversation_id: str
    kind: str  # first, next
    post_id: str  # the oldest message
    started_at: datetime
    answered_at: datetime
    elapsed_seconds: float
    business_seconds: float | None
    messages: int  # of the customer
    handle: str
    queue: str
    language: str
    intent: str
    urgency: str
    team: str


class ClockEnd(msgspec.Struct, frozen=True, gc=False):
    """A promise of time that is counted: once, when it was met or at its deadline."""

    item_id: str
    kind: str  # first, next, promise
    state: Literal["met", "breached"]
    policy: str
    urgency: str
    started_at: datetime
    due_at: datetime
    stopped_at: datetime | None  # None: at its deadline nobody had answered
    conversation_id: str
    network: str
    handle: str
    queue: str
    language: str
    intent: str
    team: str


def exchanges(answered: Iterable[Answered]) -> list[Exchange]:
    """The exchanges of these conversations, by conversation and time, in whatever order the messages come.

    A message belongs to the earliest post that answers it; the messages of one such post are one exchange. It begins
    with the oldest of them that needed an answer, or the oldest where none did. The first of a conversation is its
    first response.
    """
    earliest: dict[tuple[str, str, str], Answered] = {}
    for each in answered:
        message = (each.conversation_id, each.network, each.post_id)
        known = earliest.get(message)
        if known is None or _answer(each) < _answer(known):
            earliest[message] = each
    found: list[Exchange] = []
    rows = sorted(earliest.values(), key=lambda each: (each.conversation_id, *_answer(each)))
    for _, conversation in groupby(rows, key=lambda each: each.conversation_id):
        kind = "first"
        for _, of_post in groupby(conversation, key=_answer):
            messages = list(of_post)
            oldest = min(messages, key=lambda each: (not each.needed, each.posted_at, each.post_id))
            found.append(_exchange(oldest, kind, len(messages)))
            kind = "next"
    return found


def _answer(each: Answered) -> tuple[datetime, str]:
    return each.answered_at, each.own_post_id


def _exchange(oldest: Answered, kind: str, messages: int) -> Exchange:
    return Exchange(
        network=oldest.network,
        own_post_id=oldest.own_post_id,
        conversation_id=oldest.conversation_id,
        kind=kind,
        post_id=oldest.post_id,
        started_at=oldest.posted_at,
        answered_at=oldest.answered_at,
        elapsed_seconds=oldest.latency_seconds,
        business_seconds=oldest.business_seconds,
        messages=messages,
        handle=oldest.handle,
        queue=oldest.queue,
        language=oldest.language,
        intent=oldest.intent,
        urgency=oldest.urgency,
        team=oldest.team,
    )


# --- coverage

DISMISSED = ("deleted", "spam", "duplicate")
NOT_ANSWERED = {
    "waiting": "nobody has answered yet",
    "being_sent": "our reply is on its way",
    "not_sent": "our reply was refused, or must be sent by hand, and nobody did",
    "closed": "somebody said that it is done, and nothing was answered here",
    "machine_only": "only a machine answered",
    "no_figure": "answered, but by times that cannot be (our post is older than the mention)",
}
"""Why a mention that needed an answer has none, as the figures know it."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the mentions of a group; `share`: answered of those that needed an answer (None: none did)."""

    key: str | None
    mentions: int
    set_aside: int
    set_aside_answered: int
    dismissed: dict[str, int]
    needed: int
    direct: int
    covered: int
    not_answered: dict[str, int]
    share: float | None


def coverage(key: str | None, states: Mapping[str, int]) -> Coverage:
    """How many of a group were answered, of how many that needed it, and why the others were not."""
    direct, covered = states.get("direct", 0), states.get("covered", 0)
    not_answered = {reason: states.get(reason, 0) for reason in NOT_ANSWERED}
    needed = direct + covered + sum(not_answered.values())
    aside = states.get("set_aside_answered", 0)
    return Coverage(
        key=key,
        mentions=sum(states.values()),
        set_aside=states.get("set_aside", 0) + aside,
        set_aside_answered=aside,
        dismissed={reason: states.get(reason, 0) for reason in DISMISSED},
        needed=needed,
        direct=direct,
        covered=covered,
        not_answered=not_answered,
        share=(direct + covered) / needed if needed else None,
    )


# --- kept promises


@dataclass(frozen=True, slots=True)
class Kept:
    """So many met and breached; `running`: their time is not over; `canceled`: closed in time, without an answer."""

    met: int
    breached: int
    running: int = 0
    canceled: int = 0

    @property
    def share(self) -> float | None:
        """Of those that are counted, the share met; None: there are none."""
        return self.met / (self.met + self.breached) if self.met + self.breached else None


# --- hours of the day


def offsets(zone: ZoneInfo, since: datetime, until: datetime) -> list[tuple[datetime, int]]:
    """From when on, within [since, until), the zone is how many seconds ahead of UTC; the first holds from `since`."""
    found = [(since, _ahead(zone, since))]
    moment = since
    while moment < until:
        following = min(moment + timedelta(days=1), until)
        if _ahead(zone, following) != found[-1][1]:
            found.append((_changes(zone, moment, following), _ahead(zone, following)))
        moment = following
    return found


def _changes(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second between both at which the zone changes."""
    was = _ahead(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if _ahead(zone, middle) == was:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _ahead(zone: ZoneInfo, moment: datetime) -> int:
    ahead = moment.astimezone(zone).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())


# --- definitions

_TIMES = (
    "Times are the networks' own. Counted: what began (by its oldest message that needed an answer) from `from` "
    "(included) to `to` (not included). Only people's answers count; a machine's stand apart (`how=machine`). "
    "Percentiles are nearest-rank: the smallest value that at least that share did not exceed."
)
_OF_KIND: dict[Kind, str] = {
    "mention": "",
    "first": "Seconds from the first message of a conversation to our first answer in it.",
    "next": "Seconds from the oldest message that our earlier answers had not answered to our next answer.",
    "resolution": (
        "Seconds that a customer waited for us in a conversation, all its exchanges together: from the first message "
        "to our last answer, without the time in which we waited for the customer. Counted: answered conversations "
        "in which nobody waits and nobody wrote for 72 hours."
    ),
}
_ON_BASIS: dict[Basis, str] = {
    "elapsed": "",
    "business": (
        " In opening time of the queue it waited in, as its hours were when the answer came; what the queue's hours "
        "are not known of is left out, and counted in `left_out`."
    ),
}


def definition(kind: Kind, basis: Basis) -> str:
    """What the figures of exchanges and conversations are, in words."""
    return f"{_OF_KIND[kind]}{on_basis(basis)} {_TIMES}"


def on_basis(basis: Basis) -> str:
    """What counting in opening time changes, in words; empty for elapsed time."""
    return _ON_BASIS[basis]


SLA_DEFINITION = (
    "Mentions posted from `from` (included) to `to` (not included) that needed an answer. `met`: a person of ours "
    "answered, directly or with a later post in the conversation, within so many seconds by the networks' own times; "
    "equality is met. `breached`: later, or not at all and the time is over. `running`: not answered, time is left. "
    "`canceled`: closed or taken away within the time. share = met / (met + breached): silence never looks good. "
    "`clocks`: what the policies of the queues promised, on their own hours, counted once: when met or at the deadline."
)
COVERAGE_DEFINITION = (
    "Mentions posted from `from` (included) to `to` (not included). share = answered by a person / needed an answer; "
    "needed = all but what was set aside (no answer needed) and what was deleted, spam or a duplicate before that. "
    "`direct`: our post names the mention; `covered`: it comes after it in its conversation and names another, or none."
)
CONVERSATIONS_DEFINITION = (
    "Conversations that a person answered and whose first answered message was posted from `from` (included) to `to` "
    "(not included), as they stand now. `interactions`: messages of the customer and posts of ours. "
    "`messages_per_answer`: messages of the customer that one answer of ours answered. `complaints`: of those that "
    "began with a complaint, how many ended well: the customer's last message came after an answer of ours and is "
    "thanks or kindly meant. Percentiles are nearest-rank."
)
NO_RATINGS = "No ratings: nobody answered a survey about a conversation that was resolved in this time."
RATINGS = "GET /v1/stats/satisfaction shows them by how soon we answered."
