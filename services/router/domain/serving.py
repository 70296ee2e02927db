"""Who is served what: each who asks gets the first item by our order that they may have."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from services.router.domain.eligibility import Agent, Needs, never, parse_line, weight_of
from services.router.domain.hours import is_open
from services.router.domain.order import Head, best, pick
from services.router.domain.setup import Queue, Setup
from services.router.domain.waiting import Item


class Lane(Struct):
    """The first items of a line that are in time, or that are late; in their order."""

    queue: str
    team: str
    needs: Needs
    weight: int
    late: bool
    items: list[Item]
    seen: int = 0  # how many there were before anybody was served


class Serving(Struct, frozen=True):
    """The item for one who asked, and why it: `in_time`, `fifth_pick` or `only_late`."""

    item: Item
    why: str


class Counter:
    """What waits at this moment in some queues, and how many each gave: asked again and again in one turn."""

    def __init__(self, waiting: Iterable[Item], picks: dict[str, int], setup: Setup, now: datetime) -> None:
        lanes: dict[tuple[str, bool], Lane] = {}
        for item in sorted(waiting, key=lambda item: (item.rank, item.sort_at, item.enqueued_at, item.id)):
            lane = lanes.get((item.line, item.late))
            if lane is None:
                queue, team, needs = parse_line(item.line)
                lane = lanes[item.line, item.late] = Lane(queue, team, needs, weight_of(item.line), item.late, [])
            lane.items.append(item)
            lane.seen += 1
        self._lanes = list(lanes.values())
        self._picks = dict(picks)
        self._setup = setup
        self._now = now
        self.gave: dict[str, int] = {}  # queues that gave something in this turn, and how many they gave by now
        self.walked = 0  # the longest lane of which all were gone, declined or too heavy for one who asked

    def serve(self, agent: Agent, queues: Collection[str], teams: Collection[str]) -> Serving | None:
        """The next item for this agent, who has room, out of these queues; it waits here no more. None: there is none.

        Args:
            queues: from which they take. Of a queue whose supervisors' queue is among them, they get what is late.
            teams: whose items the caller may see; {"*"} sees all.
        """
        heads: dict[str, tuple[list[tuple[Head, Lane, Item]], list[tuple[Head, Lane, Item]]]] = {}
        for lane in self._lanes:
            if "*" not in teams and lane.team not in teams:
                continue
            if not self._serves(agent, lane, queues):
                continue
            item = next((i for i in lane.items if self._takes(agent, i)), None)
            if item is None:
                self.walked = max(self.walked, lane.seen)
            else:
                head = Head(item.rank, item.late, item.sort_at, item.enqueued_at, item.id)
                heads.setdefault(lane.queue, ([], []))[lane.late].append((head, lane, item))
        offers = []
        found: dict[str, tuple[Lane, Item]] = {}
        for queue, (in_time, late) in heads.items():
            found |= {head.id: (lane, item) for head, lane, item in (*in_time, *late)}
            picked = pick([head for head, _, _ in in_time], [head for head, _, _ in late], self._picks.get(queue, 0))
            if picked is not None:
                offers.append(picked)
        chosen = best(offers)
        if chosen is None:
            return None
        lane, item = found[chosen[0].id]
        lane.items.remove(item)
        self.gave[lane.queue] = self._picks[lane.queue] = self._picks.get(lane.queue, 0) + 1
        return Serving(item, chosen[1])

    def _serves(self, agent: Agent, lane: Lane, queues: Collection[str]) -> bool:
        queue = self._setup.queues.get(lane.queue)
        if queue is None or agent.room < lane.weight or not is_open(self._setup.hours_of(queue), self._now):
            return False
        return _may(agent, queue, lane.team, lane.needs, queues, late=lane.late)

    @staticmethod
    def _takes(agent: Agent, item: Item) -> bool:
        return item.weight <= agent.room and agent.slug not in item.routing.declined_by


def lines_for(asking: Sequence[tuple[Agent, Collection[str]]], lines: Iterable[str], setup: Setup) -> list[str]:
    """Those of the lines out of which somebody may be served who asks for these queues, and has room for it."""
    needed = []
    for line in lines:
        slug, team, needs = parse_line(line)
        queue, weight = setup.queues.get(slug), weight_of(line)
        if queue is not None and any(
            agent.room >= weight and _may(agent, queue, team, needs, asked, late=True) for agent, asked in asking
        ):
            needed.append(line)
    return needed


def _may(agent: Agent, queue: Queue, team: str, needs: Needs, asked: Collection[str], *, late: bool) -> bool:
    """Whether such items are for this agent: of a queue they ask for, or late ones of a queue it oversees."""
    by = queue.slug
    if by not in asked:
        if not (late and queue.supervisor is not None and queue.supervisor in asked):
            return False
        by, needs = queue.supervisor, ()
    # of the item's team, or of the one whose queue it was sent to
    return any(never(agent, queue=by, team=each, needs=needs) is None for each in (team, queue.team))
