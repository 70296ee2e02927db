"""The floor at one moment of the history: what waits in each lane, who is there, and who holds what."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from services.router.domain.eligibility import Agent, Needs, parse_line
from services.router.domain.waiting import Item, Routing
from tests.proof.routing.history import State

Place = tuple[int, datetime, datetime, str]
"""Rank, time to sort by, time it was posted, id: the order of a lane."""


class Waiting(NamedTuple):
    """A pending item, and since when (real time) it has been committed as it is."""

    state: State
    since: float


@dataclass
class Lane:
    """Of a line those in time, or those late, in order."""

    queue: str
    team: str
    needs: Needs
    places: list[Place] = field(default_factory=list)


@dataclass
class Person:
    """An agent by now, and since when (real time) nothing of them has changed."""

    agent: Agent
    since: float = 0.0


class Board:
    """Moved on by transactions; asked at each assignment."""

    def __init__(self, people: dict[str, Agent]) -> None:
        self.people = {slug: Person(agent) for slug, agent in people.items()}
        self.lanes: dict[tuple[str, bool], Lane] = {}
        self.waiting: dict[str, Waiting] = {}
        self.holder: dict[str, tuple[str, int]] = {}  # of each held item: who, and how many units
        self.picks: Counter[str] = Counter()
        self.weights: dict[str, int] = {}  # of each item, in units

    def stands(self, state: State, committed: float) -> None:
        """The item is this now."""
        self.weights[state.id] = state.weight
        before = self.waiting.get(state.id)
        if state.state != "pending":
            self.leaves(state.id)
            return
        if before is not None and _same(before.state, state):
            return
        self.leaves(state.id)
        self.waiting[state.id] = Waiting(state, committed)
        lane = self.lanes.get((state.line, state.late))
        if lane is None:
            lane = self.lanes[state.line, state.late] = Lane(*parse_line(state.line))
        insort(lane.places, place_of(state))

    def leaves(self, item_id: str) -> None:
        """It waits no more."""
        known = self.waiting.pop(item_id, None)
        if known is not None:
            places = self.lanes[known.state.line, known.state.late].places
            del places[bisect_left(places, place_of(known.state))]

    def first(self, lane: Lane, until: float, fits: Callable[[State], bool]) -> State | None:
        """The first of the lane that has stood there since `until` or before, and fits."""
        for *_, item_id in lane.places:
            known = self.waiting[item_id]
            if known.since <= until and fits(known.state):
                return known.state
        return None

    def in_queues(self, queues: set[str]) -> Iterator[Lane]:
        """The lanes of these queues; of all for none."""
        return (lane for lane in self.lanes.values() if lane.places and (not queues or lane.queue in queues))

    def holds(self, item_id: str, agent: str, units: int, committed: float) -> int:
        """The item is in these hands now, or ("") in none; gives what the agent holds then."""
        for slug, more in (self.holder.pop(item_id, ("", 0)), (agent, -units)):
            if slug:
                person = self.people[slug]
                person.agent = replace(person.agent, used=person.agent.used - more)
                person.since = committed
        if not agent:
            return 0
        self.holder[item_id] = (agent, units)
        return self.people[agent].agent.used


def place_of(state: State) -> Place:
    """Where it stands in its lane."""
    return (state.rank, state.sort_at, state.enqueued_at, state.id)


def _same(one: State, other: State) -> bool:
    return (one.line, one.late, place_of(one), one.weight, one.declined_by) == (
        other.line, other.late, place_of(other), other.weight, other.declined_by,
    )  # fmt: skip


def item_of(state: State) -> Item:
    """As the decisions take it."""
    return Item(
        id=state.id, conversation_id="", queue=state.queue, team=state.team, urgency=state.urgency,  # type: ignore[arg-type]
        state=state.state, enqueued_at=state.enqueued_at, due_at=None, agent="", version=state.version, opened_by="",
        line=state.line, rank=state.rank, late=state.late, sort_at=state.sort_at, weight=state.weight,
        routing=Routing(declined_by=state.declined_by),
    )  # fmt: skip
