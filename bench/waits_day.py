"""Days of a queue, made up and always the same: people who write, agents who come, go to lunch and answer."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from services.router.domain.hours import Hours, after_open, hours_from, is_open, next_open, open_intervals
from services.router.domain.order import Head, effective_class, pick
from services.router.domain.pace import CLASSES, Seen
from services.router.domain.promises import Shown

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = 86_400.0
DAILY = hours_from("daily", "Europe/Paris", {"daily": ["09:00-19:00"]})
OFFICE = hours_from("office", "Europe/Paris", {"mon-fri": ["09:00-18:00"]})
TARGETS = (900.0, 3600.0, 5400.0, 5400.0, None)
"""Opening time until the first answer is due, by class."""
SHAPE = (0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.2, 1.5, 1.4, 1.2, 1.0, 1.1, 1.3, 1.2, 1.1, 1.1, 1.0, 0.9, 0.8, 0.7,
         0.5, 0.3)  # fmt: skip
"""Posts of an hour of the day, as a share of the daytime's mean."""
CLASS_SHARES = (0.02, 0.25, 0.40, 0.33)
RELEASED_AFTER = 600.0  # who goes home finishes what takes no longer


@dataclass(frozen=True)
class Surge:
    """Something happens: many more write, most of them complaints."""

    day: int
    begins: float  # second of that day
    seconds: float
    factor: float


@dataclass(frozen=True)
class Brand:
    """How much is written and who answers."""

    posts_an_hour: float
    agents: int
    handling: float  # seconds, mean of a lognormal
    capacity: int = 2
    followups: float = 0.3  # of answers, that bring a further message
    surges: tuple[Surge, ...] = ()
    helpers: int = 0  # agents who come to a surge half an hour after it began


@dataclass(eq=False)
class Post:
    """What somebody wrote, and when it was answered."""

    number: int
    at: float
    urgency: int
    followup: bool
    due: float | None
    taken: float | None = None
    answered: float | None = None
    idle: bool = False
    shown: Shown = field(default_factory=Shown)  # what was published when it came
    promised: dict[str, float | None] = field(default_factory=dict)  # formula -> by when it is answered


@dataclass(eq=False)
class Agent:
    """Somebody who answers."""

    number: int
    capacity: int
    there: bool = False
    held: list[Post] = field(default_factory=list)
    takes: bool = False  # is on the way to take one
    leaves: float = 0.0


def moment(second: float) -> datetime:
    """A second of the simulation as a time."""
    return MONDAY + timedelta(seconds=second)


def second(at: datetime) -> float:
    """A time as a second of the simulation."""
    return (at - MONDAY).total_seconds()


class Days:
    """The queue's days, event by event; `on_tick` looks at it as the service would."""

    def __init__(self, brand: Brand, days: int, seed: int, hours: Hours = DAILY) -> None:
        self.brand = brand
        self.hours = hours
        self.days = days
        self.posts: list[Post] = []
        self.pending: list[Post] = []
        self.replied: list[float] = []
        self._chance = Random(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._picks = 0
        self._done_at: dict[int, float] = {}  # post -> when its answer will be written
        self.agents = [Agent(number, brand.capacity) for number in range(brand.agents + brand.helpers)]
        self._open = [(second(a), second(b)) for a, b in open_intervals(hours, MONDAY, moment((days + 4) * DAY))]
        self._plan_arrivals()
        for agent in self.agents[: brand.agents]:
            self._plan_shifts(agent)
        self._plan_helpers()

    def run(self, on_post: Callable[[float, Post], None], on_tick: Callable[[float, Seen], None], tick: float) -> None:
        """All days, with a look every `tick` seconds while open, and every quarter of an hour while closed."""
        self._on_post = on_post
        arrived = [0] * CLASSES
        seen_posts = seen_replies = 0
        at, end = 0.0, self.days * DAY
        while at < end:
            while self._events and self._events[0][0] <= at:
                when, _, happens = heapq.heappop(self._events)
                happens(when)
            for post in self.posts[seen_posts:]:
                arrived[max(0, post.urgency - 1) if post.followup else post.urgency] += 1
            seen_posts = len(self.posts)
            on_tick(at, self.seen(at, tuple(arrived), len(self.replied) - seen_replies))
            seen_replies, arrived = len(self.replied), [0] * CLASSES
            at += tick if is_open(self.hours, moment(at)) else 900.0 - at % 900.0
        while self._events and any(post.answered is None for post in self.posts) and at < end + 4 * DAY:
            when, _, happens = heapq.heappop(self._events)
            happens(when)

    def seen(self, at: float, arrived: tuple[int, ...], replied: int) -> Seen:
        """The queue as one look sees it."""
        there = [agent for agent in self.agents if agent.there]
        matters = second(next_open(self.hours, moment(at)) or moment(at))
        waiting, late = [0] * CLASSES, [0] * CLASSES
        for post in self.pending:
            number = self._class(post, matters)
            waiting[number] += 1
            late[number] += post.due is not None and post.due < matters
        room = sum(agent.capacity - len(agent.held) for agent in there)
        is_open_now = is_open(self.hours, moment(at))
        return Seen(moment(at), is_open_now, len(there), room, tuple(waiting), tuple(late), arrived, replied)

    def _class(self, post: Post, at: float) -> int:
        names = ("critical", "high", "normal", "low")
        return effective_class(names[post.urgency], timedelta(seconds=at - post.at))

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happens))

    # --- who writes

    def _plan_arrivals(self) -> None:
        """Thinned from the highest rate there is."""
        surges = self.brand.surges
        most = self.brand.posts_an_hour * max(SHAPE) * max([1.0, *(s.factor for s in surges)]) / 3600
        at = 0.0
        while True:
            at += self._chance.expovariate(most)
            if at >= self.days * DAY:
                return
            day, of_day = divmod(at, DAY)
            surge = next((s for s in surges if s.day == day and 0 <= of_day - s.begins < s.seconds), None)
            rate = self.brand.posts_an_hour * SHAPE[int(of_day // 3600)] / 3600
            rate *= (0.6 if int(day) % 7 >= 5 else 1.0) * (surge.factor if surge else 1.0)
            kept, kind = self._chance.random() * most < rate, self._chance.random()
            if kept:
                shares = (0.03, 0.60, 0.25, 0.12) if surge else CLASS_SHARES
                urgency = next((n for n, total in enumerate(itertools.accumulate(shares)) if kind < total), 3)
                self._at(at, lambda when, urgency=urgency: self._write(when, urgency))  # type: ignore[misc]

    def _write(self, at: float, urgency: int, followup: bool = False) -> None:
        target = TARGETS[urgency]
        due: float | None = None
        if urgency == 0:
            due = at + 900.0
        elif target is not None:
            by = after_open(self.hours, moment(at), timedelta(seconds=target))
            due = second(by) if by else None
        post = Post(len(self.posts), at, urgency, followup, due)
        self._on_post(at, post)
        self.posts.append(post)
        self.pending.append(post)
        self._somebody_takes(at)

    # --- who answers

    def _plan_shifts(self, agent: Agent) -> None:
        for start, end in self._open:
            begins = start + self._chance.uniform(-300, 900) + (3600.0 if agent.number % 4 == 3 else 0.0)
            lunch = start + 10_800 + 2400 * (agent.number % 3) + self._chance.uniform(0, 900)
            pause = start + 21_600 + self._chance.uniform(0, 5400)
            self._at(begins, lambda at, a=agent, until=end: self._comes(at, a, until))  # type: ignore[misc]
            for goes, back in ((lunch, lunch + 2700), (pause, pause + self._chance.uniform(300, 1200))):
                self._at(goes, lambda at, a=agent: self._pauses(a))  # type: ignore[misc]
                self._at(back, lambda at, a=agent, until=end: self._comes(at, a, until))  # type: ignore[misc]
            self._at(end, lambda at, a=agent: self._goes(at, a))  # type: ignore[misc]

    def _plan_helpers(self) -> None:
        for surge in self.brand.surges:
            begins = surge.day * DAY + surge.begins + 1800
            end = next((b for a, b in self._open if b > begins), begins)
            for agent in self.agents[self.brand.agents :]:
                self._at(begins, lambda at, a=agent, until=end: self._comes(at, a, until))  # type: ignore[misc]
                self._at(end, lambda at, a=agent: self._goes(at, a))  # type: ignore[misc]

    def _comes(self, at: float, agent: Agent, until: float) -> None:
        if at < until:
            agent.there = True
            agent.leaves = until
            self._somebody_takes(at)

    def _pauses(self, agent: Agent) -> None:
        agent.there = False

    def _goes(self, at: float, agent: Agent) -> None:
        agent.there = False
        for post in [post for post in agent.held if post.answered is None and post.taken is not None]:
            if self._done_at.get(post.number, at) - at > RELEASED_AFTER:
                agent.held.remove(post)
                post.taken = None
                del self._done_at[post.number]
                self.pending.append(post)

    def _somebody_takes(self, at: float) -> None:
        """Whoever has room notices after a while."""
        for agent in self.agents:
            if agent.there and not agent.takes and len(agent.held) < agent.capacity and self.pending:
                agent.takes = True
                self._at(at + self._chance.expovariate(1 / 45), lambda when, a=agent: self._take(when, a))  # type: ignore[misc]

    def _take(self, at: float, agent: Agent) -> None:
        agent.takes = False
        if not agent.there or len(agent.held) >= agent.capacity or not self.pending:
            return
        post = self._next(at)
        self.pending.remove(post)
        post.taken = at
        agent.held.append(post)
        takes = self._chance.lognormvariate(0, 0.7) * 0.783 * self.brand.handling * (0.7 + 0.3 * len(agent.held))
        self._done_at[post.number] = at + takes
        self._at(at + takes, lambda when, a=agent, p=post: self._answer(when, a, p))  # type: ignore[misc]
        self._somebody_takes(at)

    def _answer(self, at: float, agent: Agent, post: Post) -> None:
        if post not in agent.held or self._done_at.get(post.number) != at:
            return  # it went back when its agent went home
        agent.held.remove(post)
        post.answered = at
        self.replied.append(at)
        if self._chance.random() < self.brand.followups:
            after = self._chance.lognormvariate(0, 1.0) * 900
            urgency = post.urgency
            self._at(at + after, lambda when: self._write(when, urgency, followup=True))
        self._somebody_takes(at)

    def _next(self, at: float) -> Post:
        """By the router's own order."""
        heads: dict[bool, list[tuple[Head, Post]]] = {False: [], True: []}
        for post in self.pending:
            late = post.due is not None and post.due < at
            rank = 2 * self._class(post, at) + (not post.followup)
            sort_at = moment(post.at if late or post.due is None else post.due)
            heads[late].append((Head(rank, late, sort_at, moment(post.at), f"{post.number:09}"), post))
        chosen = pick([head for head, _ in heads[False]], [head for head, _ in heads[True]], self._picks)
        assert chosen is not None
        self._picks += 1
        return next(post for late in heads.values() for head, post in late if head is chosen[0])
