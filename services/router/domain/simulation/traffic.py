"""What is rehearsed: the messages that came, the people who would answer them, and how long an answer takes."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from math import exp
from statistics import NormalDist

from msgspec import Struct
from msgspec.structs import replace

from libs.common.events import Labels
from services.router.domain.clocks import DEFAULT_SLA
from services.router.domain.eligibility import Agent
from services.router.domain.hours import ALWAYS, Hours, after_open, open_intervals
from services.router.domain.routing import Conversation, Message, Routed, route
from services.router.domain.setup import Setup
from services.router.domain.words import DEFAULT_TEAM

Span = tuple[datetime, datetime]

DRAIN = timedelta(days=7)
"""So long after the last message people go on; what still waits then was never answered."""

_PROMISE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s+in\s+(\d+(?:\.\d+)?)\s*(s|min|m|h)\s*", re.IGNORECASE)
_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_NORMAL = NormalDist()


class Promise(Struct, frozen=True):
    """A share of what has a target is answered within so much opening time, from the post."""

    share: float  # 0..1
    within_seconds: float

    @property
    def within(self) -> timedelta:
        return timedelta(seconds=self.within_seconds)


def parse_promise(text: str) -> Promise:
    """`72% in 1h`, `90 % in 15 min`.

    Raises:
        ValueError: it is not one; the message says how to write it.
    """
    found = _PROMISE.fullmatch(text)
    if found is None or not 0 < float(found[1]) <= 100 or not float(found[2]):
        raise ValueError(
            f'{text[:40]!r} is no promise: write a share and a time, such as "72% in 1h" or "90% in 15min"'
        )
    return Promise(float(found[1]) / 100, float(found[2]) * _UNITS[found[3].lower()])


class Handling(Struct, frozen=True):
    """How long an agent works on an answer: log-normal, drawn from the seed and the message's id alone.

    So the same message takes as long before a change as after it, whoever has it.
    Source: Brown et al., "Statistical Analysis of a Telephone Call Center", JASA 100, 2005: service times are
    log-normal.
    """

    median_seconds: float = 240.0
    spread: float = 0.6  # standard deviation of the logarithm; 0: all take as long
    seed: int = 1

    def seconds(self, id_: str) -> float:
        """For the item that this message opens."""
        if not self.spread:
            return self.median_seconds
        drawn = int.from_bytes(blake2b(f"{self.seed} {id_}".encode(), digest_size=8).digest())
        return self.median_seconds * exp(self.spread * _NORMAL.inv_cdf((drawn + 0.5) / 2**64))


class Arrival(Struct, frozen=True, gc=False):
    """A classified message, and the time an answer to it takes."""

    message: Message
    work_seconds: float


def heard(
    labels: Labels,
    handling: Handling,
    *,
    network: str,
    post_id: str,
    handle: str,
    author_id: str,
    thread_id: str,
    posted_at: datetime,
    private: bool = False,
    followers: int | None = None,
    team: str = DEFAULT_TEAM,
) -> Arrival:
    """A message as the router hears it."""
    message = Message(
        network=network,
        post_id=post_id,
        version=1,
        handle=handle,
        author_id=author_id,
        author_username="",
        thread_id=thread_id or post_id,
        language=labels.language,
        urgency=labels.urgency,
        set_aside=labels.decision == "set_aside",
        posted_at=posted_at,
        key="",
        team=team,
        intent=labels.intent,
        sure=labels.confidence.get("intent", 0.0),
        sentiment=labels.sentiment,
        topics=labels.topics,
        reasons=labels.reasons,
        flags=labels.flags,
        private=private,
        followers=followers,
    )
    return Arrival(message, handling.seconds(f"{network}/{post_id}"))


class Worker(Struct, frozen=True):
    """A virtual agent: takes the next as soon as they can, and accepts every offer."""

    agent: Agent
    shifts: tuple[Span, ...] | None = None  # apart and in order; none: the agent's own hours


class Case:
    """The same traffic and set-up for as many runs as one likes. Not for two threads at once."""

    def __init__(
        self, setup: Setup, arrivals: Sequence[Arrival], start: datetime | None = None, end: datetime | None = None
    ) -> None:
        """Messages outside [start, end) are left out; without them all count, from the first to the last.

        Raises:
            ValueError: no message is left.
        """
        kept = [
            arrival
            for arrival in arrivals
            if (start is None or arrival.message.posted_at >= start)
            and (end is None or arrival.message.posted_at < end)
        ]
        if not kept:
            raise ValueError("no message was written in this time")
        self.setup = _without_warnings(setup)
        self.arrivals = sorted(
            kept, key=lambda each: (each.message.posted_at, each.message.network, each.message.post_id)
        )
        self.start = start or self.arrivals[0].message.posted_at
        self.end = end or self.arrivals[-1].message.posted_at
        self.until = self.end + DRAIN
        self._fresh: dict[int, Routed] = {}
        self._promised: dict[tuple[str, datetime, timedelta], datetime | None] = {}
        self._shifts: dict[Hours, tuple[Span, ...]] = {}

    def routed(self, number: int, talk: Conversation | None) -> Routed:
        """What the decision about this message is. Without a conversation it is the same in every run."""
        if talk is not None:
            return self._route(number, talk)
        found = self._fresh.get(number)
        if found is None:
            found = self._fresh[number] = self._route(number, None)
        return found

    def _route(self, number: int, talk: Conversation | None) -> Routed:
        message = self.arrivals[number].message
        return route(
            message,
            talk,
            self.setup,
            message.posted_at,
            answered_at=None,
            new_conversation_id=f"{message.network}/{message.post_id}",
            new_item_id=f"{message.network}/{message.post_id}",
        )

    def promised_at(self, queue: str, start: datetime, within: timedelta) -> datetime | None:
        """By when this much opening time of the queue has passed."""
        key = (queue, start, within)
        if key not in self._promised:
            known = self.setup.queues.get(queue)
            self._promised[key] = after_open(self.setup.hours_of(known) if known else ALWAYS, start, within)
        return self._promised[key]

    def shifts_of(self, worker: Worker) -> tuple[Span, ...]:
        """When they are there, until the last message is answered."""
        if worker.shifts is not None:
            return worker.shifts
        hours = worker.agent.hours or ALWAYS
        if hours not in self._shifts:
            self._shifts[hours] = tuple(open_intervals(hours, self.start, self.until))
        return self._shifts[hours]


def _without_warnings(setup: Setup) -> Setup:
    """Nobody is warned in a rehearsal; it would only be a moment more to look at for each item that waits."""
    slas = {slug: replace(policy, warn_at=()) for slug, policy in setup.slas.items()}
    queues = setup.queues
    if DEFAULT_SLA.slug not in slas:
        slas[DEFAULT_SLA.slug] = replace(DEFAULT_SLA, warn_at=())
        queues = {slug: replace(queue, sla=queue.sla or DEFAULT_SLA.slug) for slug, queue in queues.items()}
    return replace(setup, slas=slas, queues=queues, by_language={})
