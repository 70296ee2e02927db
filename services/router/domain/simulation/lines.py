"""The waiting lines of a rehearsal: what waits, in the order it is taken in, and the people who may take it."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush

from services.router.domain.eligibility import Agent, Needs, never, parse_line
from services.router.domain.order import Head
from services.router.domain.setup import Queue
from services.router.domain.waiting import Item


class Record:
    """One work item through its life. `token` changes whenever what was planned for it no longer holds."""

    __slots__ = (
        "answered_at",
        "begun_at",
        "first_line",
        "item",
        "line",
        "messages",
        "person",
        "taken_at",
        "talk",
        "token",
        "why",
        "work",
    )

    def __init__(self, item: Item, talk: tuple[str, str, str], work: float) -> None:
        self.item = item
        self.first_line = item.line  # what it asked when it came
        self.talk = talk  # network, author, handle
        self.work = work  # seconds
        self.token = 0
        self.messages = 1
        self.line: Line | None = None
        self.person: Person | None = None
        self.taken_at: datetime | None = None
        self.begun_at: datetime | None = None
        self.answered_at: datetime | None = None
        self.why = ""


class Person:
    """A virtual agent on the floor."""

    __slots__ = (
        "agent", "busy", "capacity", "current", "given", "idle", "idle_since", "on", "overtime", "profile", "since",
        "slug", "todo", "used", "wrapping",
    )  # fmt: skip

    def __init__(self, agent: Agent, profile: int, start: datetime) -> None:
        self.agent = agent
        self.slug = agent.slug
        self.profile = profile
        self.capacity = agent.capacity
        self.used = 0
        self.on = False
        self.current: Record | None = None
        self.todo: deque[Record] = deque()  # theirs, not begun
        self.wrapping: set[Record] = set()
        self.idle_since = start
        self.since = start  # the last change of what they do
        self.busy = self.idle = self.overtime = 0.0  # seconds, within the time of the traffic
        self.given = 0

    def spent(self, now: datetime, end: datetime) -> None:
        """Count the time up to here for what they did in it."""
        upto = min(now, end)
        if upto <= self.since:
            return
        seconds = (upto - self.since).total_seconds()
        self.since = upto
        if self.current is not None or self.wrapping:
            if self.on:
                self.busy += seconds
            else:
                self.overtime += seconds
        elif self.on:
            self.idle += seconds


Entry = tuple[int, datetime, datetime, str, int, Record, Head]


class Lane:
    """One lane of a line: its first is found at once, those that left are passed over when they come up."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[Entry] = []

    def put(self, record: Record) -> None:
        item = record.item
        head = Head(item.rank, item.late, item.sort_at, item.enqueued_at, item.id)
        heappush(self._heap, (item.rank, item.sort_at, item.enqueued_at, item.id, record.token, record, head))

    def first(self, room: int) -> Head | None:
        heap = self._heap
        while heap:
            _, _, _, _, token, record, head = heap[0]
            if token == record.token:
                return head if record.item.weight <= room else None
            heappop(heap)
        return None


class Line:
    """All items of a queue that ask the same."""

    __slots__ = ("helpers", "in_time", "late", "name", "needs", "profiles", "queue", "team", "waiting")

    def __init__(self, name: str, queue: "Waiting", agents: Sequence[Agent]) -> None:
        self.name = name
        self.queue = queue
        _, self.team, self.needs = parse_line(name)
        self.in_time = Lane()
        self.late = Lane()
        self.waiting = 0
        self.profiles = [n for n, agent in enumerate(agents) if self._may(agent, queue.slug, self.needs)]
        supervisor = queue.queue.supervisor
        self.helpers = [  # they take only what is late
            n
            for n, agent in enumerate(agents)
            if supervisor is not None and n not in self.profiles and self._may(agent, supervisor, ())
        ]

    def _may(self, agent: Agent, queue: str, needs: Needs) -> bool:
        """Of the item's team, or of the one whose queue it was sent to."""
        teams = {self.team, self.queue.queue.team}
        return any(never(agent, queue=queue, team=team, needs=needs) is None for team in teams)


class Waiting:
    """A queue: its lines by who may take from them."""

    __slots__ = ("helped", "lines", "open", "picks", "pull", "queue", "served", "slug", "waiting")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.slug = queue.slug
        self.pull = queue.dispatch == "pull"
        self.open = True
        self.picks = 0
        self.waiting = 0
        self.lines: dict[str, Line] = {}
        self.served: dict[int, list[Line]] = {}  # by kind of agent
        self.helped: dict[int, list[Line]] = {}

    def line(self, name: str, agents: Sequence[Agent]) -> Line:
        """The line of this name; a new one is known to all kinds of agents who may take from it."""
        found = self.lines.get(name)
        if found is None:
            found = self.lines[name] = Line(name, self, agents)
            for number in found.profiles:
                self.served.setdefault(number, []).append(found)
            for number in found.helpers:
                self.helped.setdefault(number, []).append(found)
        return found

    def heads(self, profile: int, room: int) -> tuple[list[Head], list[Head]]:
        """The first of each line that this kind of agent may take from, where there is room: in time, and late."""
        served, helped = self.served.get(profile, ()), self.helped.get(profile, ())
        in_time = [line.in_time.first(room) for line in served if line.waiting]
        late = [line.late.first(room) for line in (*served, *helped) if line.waiting]
        return [head for head in in_time if head is not None], [head for head in late if head is not None]


def needs_told(needs: Needs) -> str:
    """`lang:fr >= 2 and refunds >= 1`; "" where nothing is required."""
    return " and ".join(f"{skill} >= {level}" for skill, level in needs)


def profiles_of(agents: Iterable[Agent]) -> tuple[list[Agent], list[int]]:
    """One agent of each kind that may take the same items, and the number of each one's kind."""
    kinds: dict[object, int] = {}
    first: list[Agent] = []
    numbers = []
    for agent in agents:
        key = (agent.team, agent.teams, agent.queues, tuple(sorted(agent.skills.items())))
        if key not in kinds:
            kinds[key] = len(first)
            first.append(agent)
        numbers.append(kinds[key])
    return first, numbers
