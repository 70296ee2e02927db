"""How many agents, with which skills, at which hour, keep a promise: the fewest, each choice judged by a rehearsal."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from math import ceil, sqrt
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from services.router.domain.eligibility import Agent, never, parse_line, surplus
from services.router.domain.hours import next_open
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.lines import Record, profiles_of
from services.router.domain.simulation.report import kept
from services.router.domain.simulation.traffic import Case, Promise, Span, Worker
from services.router.domain.words import DEFAULT_TEAM

Slot = tuple[int, str, int]
"""Group, kind of day, hour of the day."""

Plan = dict[Slot, int]
"""How many are there."""

Hour = tuple[datetime, datetime, str, int]
"""When an hour of the clock begins and ends, on which kind of day, and its number."""

KINDS = ("weekday", "weekend")
MOST_RUNS = 160
"""Of the rehearsal, in one search."""

_LEAST, _MOST, _STEPS = -3.0, 8.0, 7
_AT_MOST, _FLAT_AT_MOST = 500.0, 4096


class Group(Struct, frozen=True):
    """Agents with the same skills: how many at each hour of the day (24 numbers)."""

    skills: dict[str, int]
    team: str
    teams: tuple[str, ...]  # further ones
    queues: tuple[str, ...]  # only these; none: all of their teams
    capacity: int
    weekday: tuple[int, ...]
    weekend: tuple[int, ...]

    def wanted(self, kind: str, hour: int) -> int:
        return (self.weekday if kind == "weekday" else self.weekend)[hour]


class Staffing(Struct, frozen=True):
    """The fewest that keep the promise; `groups` is empty where no number does, and `share` is the best there is.

    Hours are of the day in `zone`. `minimal`: one agent less in any hour breaks the promise.
    """

    promise: Promise
    zone: str
    share: float
    groups: tuple[Group, ...]
    agent_hours_a_week: int
    round_the_clock: int | None  # so many who can do everything, at all hours, keep it too
    round_the_clock_share: float | None
    minimal: bool
    runs: int


def staffing(
    case: Case,
    promise: Promise,
    kinds: Sequence[Agent] = (),
    *,
    zone: str = "UTC",
    most_runs: int = MOST_RUNS,
    watch: Callable[[int], None] = lambda runs: None,
) -> Staffing:
    """Search: a shape by load, its scale by bisection, then agent by agent away as long as the promise holds.

    The shape is the square-root rule: load + beta * sqrt(load), load being the work of an hour in agents, smoothed
    over its neighbours. Source: Halfin and Whitt, "Heavy-traffic limits for queues with many exponential servers",
    Operations Research 29, 1981.

    Args:
        kinds: agents to choose from, one or more of each kind; none: one kind for each set of skills the traffic asks.
        watch: hears after each rehearsal how many there were.
    """
    search = _Search(case, promise, zone, most_runs, watch)
    groups = [replace(agent, hours=None) for agent in profiles_of(kinds)[0]] or search.asked()
    generalist = _generalist(groups)
    round_the_clock, flat_share = search.flat(generalist)
    loads = search.loads(groups)
    plan = search.scaled(groups, loads)
    if plan is None:
        return Staffing(promise, zone, search.share, (), 0, round_the_clock, flat_share, False, search.runs)
    plan, minimal = search.trimmed(plan, groups, loads)
    share = search.share_of(plan, groups)
    return Staffing(
        promise=promise,
        zone=zone,
        share=share,
        groups=tuple(_group(number, agent, plan) for number, agent in enumerate(groups)),
        agent_hours_a_week=sum(n * (5 if kind == "weekday" else 2) for (_, kind, _), n in plan.items()),
        round_the_clock=round_the_clock,
        round_the_clock_share=flat_share,
        minimal=minimal,
        runs=search.runs,
    )


def generalists(case: Case, number: int) -> list[Worker]:
    """So many who can do everything this traffic asks for, and are always there."""
    run = Floor(case, ())
    run.run()
    everything = _generalist(_kinds(run.records))
    return [Worker(_numbered(everything, rank, 0)) for rank in range(number)]


def roster(case: Case, groups: Sequence[Group], zone: str = "UTC") -> list[Worker]:
    """Virtual agents for these numbers: the n-th of a group is there in all hours that want n."""
    return _on_duty(_hours_between(case.start, case.until, ZoneInfo(zone)), groups)


def _on_duty(hours: Sequence[Hour], groups: Sequence[Group]) -> list[Worker]:
    workers = []
    for number, group in enumerate(groups):
        agent = Agent(
            slug="",
            team=group.team,
            teams=frozenset(group.teams),
            skills=group.skills,
            queues=frozenset(group.queues),
            capacity=group.capacity,
        )
        for rank in range(max(*group.weekday, *group.weekend)):
            spans: list[Span] = []
            for start, end, kind, hour in hours:
                if group.wanted(kind, hour) > rank:
                    if spans and spans[-1][1] == start:
                        spans[-1] = (spans[-1][0], end)
                    else:
                        spans.append((start, end))
            workers.append(Worker(_numbered(agent, rank, number), tuple(spans)))
    return workers


def _kinds(records: Collection[Record]) -> list[Agent]:
    asked = {parse_line(record.first_line)[1:] for record in records} or {(DEFAULT_TEAM, ())}
    weight = max((record.item.weight for record in records), default=1)
    return [Agent(slug="", team=team, skills=dict(needs), capacity=weight) for team, needs in sorted(asked)]


class _Search:
    """Candidates and what the rehearsal says of them; none is rehearsed twice."""

    def __init__(self, case: Case, promise: Promise, zone: str, most_runs: int, watch: Callable[[int], None]) -> None:
        self.runs = 0
        self.share = 0.0  # the best so far
        self._case = case
        self._promise = promise
        self._zone = ZoneInfo(zone)
        self._most = most_runs
        self._watch = watch
        self._flats: dict[int, float] = {}
        self._known: dict[tuple[tuple[Slot, int], ...], float] = {}
        self._hours = _hours_between(case.start, case.until, self._zone)
        self._first: list[Record] = []

    @property
    def spent(self) -> bool:
        return self.runs >= self._most

    def flat(self, generalist: Agent) -> tuple[int | None, float | None]:
        """The fewest who can do everything and are always there, and the share they keep; None: no number does."""
        most, before = 1, -1.0
        while (share := self._flat(generalist, most)) < self._promise.share:
            if most >= _FLAT_AT_MOST or (share <= before and most > 64):
                return None, None
            most, before = 2 * most, share
        least = most // 2
        while most - least > 1:
            middle = (least + most) // 2
            if self._flat(generalist, middle) >= self._promise.share:
                most = middle
            else:
                least = middle
        return most, self._flat(generalist, most)

    def _flat(self, generalist: Agent, n: int) -> float:
        if n not in self._flats:
            self._flats[n] = self._judge([Worker(_numbered(generalist, number, 0)) for number in range(n)])
        return self._flats[n]

    def holds(self, plan: Plan, groups: Sequence[Agent]) -> bool:
        return self.share_of(plan, groups) >= self._promise.share

    def share_of(self, plan: Plan, groups: Sequence[Agent]) -> float:
        key = tuple(sorted((slot, n) for slot, n in plan.items() if n))
        if key not in self._known:
            self._known[key] = self._judge(
                _on_duty(self._hours, [_group(n, agent, plan) for n, agent in enumerate(groups)])
            )
        return self._known[key]

    def _judge(self, workers: Sequence[Worker]) -> float:
        run = Floor(self._case, workers)
        run.run()
        self.runs += 1
        self._watch(self.runs)
        counted = [record for record in run.records if record.item.due_at is not None]
        self._first = self._first or run.records
        share = kept(self._case, counted, self._promise.within) / len(counted) if counted else 1.0
        self.share = max(self.share, share)
        return share

    def asked(self) -> list[Agent]:
        """One kind of agent for each set of skills that items ask when they come."""
        self._first_run()
        return _kinds(self._first)

    def _first_run(self) -> None:
        """With nobody there: everything keeps the line it came to."""
        if not self._first:
            self._judge([])

    def loads(self, groups: Sequence[Agent]) -> dict[Slot, float]:
        """Work in each hour, in agents, for the group that is least over-qualified for it."""
        self._first_run()
        often = Counter((kind, hour) for start, _, kind, hour in self._hours if start < self._case.end)
        work: defaultdict[Slot, float] = defaultdict(float)
        chosen: dict[str, int | None] = {}
        setup = self._case.setup
        for record in self._first:
            item = record.item
            if (line := record.first_line) not in chosen:
                chosen[line] = _best_for(line, setup.queues[parse_line(line)[0]].team, groups)
            if (group := chosen[line]) is None:
                continue
            opens = next_open(setup.hours_of(setup.queues[item.queue]), item.enqueued_at) or item.enqueued_at
            local = opens.astimezone(self._zone)
            work[group, _kind(local.date()), local.hour] += record.work
        found: dict[Slot, float] = {}
        for group in range(len(groups)):
            for kind in KINDS:
                day = [work[group, kind, hour] / 3600 / max(1, often[kind, hour]) for hour in range(24)]
                found |= {(group, kind, hour): load for hour, load in enumerate(_smoothed(day)) if load}
        return found

    def scaled(self, groups: Sequence[Agent], loads: Mapping[Slot, float]) -> Plan | None:
        """The least beta whose plan keeps the promise, to the last step of the bisection; None: none does."""
        least, most, before = _LEAST, _MOST, -1.0
        while (share := self.share_of(plan := _square_root(loads, most), groups)) < self._promise.share:
            if most > _AT_MOST or (share <= before and most > 4 * _MOST):
                return None
            least, most, before = most, 2 * most, share
        for _ in range(_STEPS):
            middle = (least + most) / 2
            if self.holds(tried := _square_root(loads, middle), groups):
                most, plan = middle, tried
            else:
                least = middle
        return plan

    def trimmed(self, plan: Plan, groups: Sequence[Agent], loads: Mapping[Slot, float]) -> tuple[Plan, bool]:
        """Without those it holds without: many hours at a time, then one by one until none can go."""
        size = max(1, len(plan) // 3)
        refused: set[Slot] = set()  # with still fewer around them they are needed all the more
        while True:
            slots = sorted(
                (slot for slot, n in plan.items() if n and slot not in refused),
                key=lambda slot: (loads.get(slot, 0.0) / plan[slot], slot),
            )
            went = False
            for at in range(0, len(slots), size):
                if self.spent:
                    return plan, False
                some = slots[at : at + size]
                if self.holds(tried := plan | {slot: plan[slot] - 1 for slot in some}, groups):
                    plan, went = tried, True
                elif size == 1:
                    refused.add(some[0])
            if not went:
                if size == 1:
                    return plan, True
                size = max(1, size // 3)


def _numbered(agent: Agent, number: int, group: int) -> Agent:
    return replace(
        agent, slug=f"{'abcdefghijklmnopqrstuvwxyz'[group % 26]}{group // 26 or ''}-{number + 1:03}", hours=None
    )


def _generalist(groups: Sequence[Agent]) -> Agent:
    """Somebody who can do what any of these can."""
    skills: dict[str, int] = {}
    teams: set[str] = set()
    for agent in groups:
        teams |= {agent.team, *agent.teams}
        for skill, level in agent.skills.items():
            skills[skill] = max(level, skills.get(skill, 0))
    first = groups[0]
    return replace(first, skills=skills, teams=frozenset(teams), queues=frozenset())


def _best_for(line: str, of_queue: str, groups: Sequence[Agent]) -> int | None:
    """The group that may take from the line and is the least over-qualified for it; None: none may."""
    queue, team, needs = parse_line(line)
    able = [
        (surplus(agent, needs), number)
        for number, agent in enumerate(groups)
        if any(never(agent, queue=queue, team=one, needs=needs) is None for one in (team, of_queue))
    ]
    return min(able)[1] if able else None


def _square_root(loads: Mapping[Slot, float], beta: float) -> Plan:
    return {slot: max(0, ceil(load + beta * sqrt(load) - 1e-9)) for slot, load in loads.items()}


def _smoothed(day: Sequence[float]) -> list[float]:
    """Each hour with its neighbours, 1-2-1; an hour in which nothing comes stays empty."""
    around = [(day[hour - 1] + 2 * day[hour] + day[(hour + 1) % 24]) / 4 for hour in range(24)]
    return [smooth if load else 0.0 for smooth, load in zip(around, day, strict=True)]


def _kind(day: date) -> str:
    return "weekend" if day.weekday() >= 5 else "weekday"


def _hours_between(start: datetime, end: datetime, zone: ZoneInfo) -> list[Hour]:
    """The hours of the clock from start to end, the first and the last cut off there."""
    found = []
    at = start
    while at < end:
        local = at.astimezone(zone)
        whole = at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        following = min(end, whole + timedelta(hours=1))
        found.append((at, following, _kind(local.date()), local.hour))
        at = following
    return found


def _group(number: int, agent: Agent, plan: Plan) -> Group:
    weekday, weekend = (tuple(plan.get((number, kind, hour), 0) for hour in range(24)) for kind in KINDS)
    return Group(
        skills=dict(agent.skills),
        team=agent.team,
        teams=tuple(sorted(agent.teams)),
        queues=tuple(sorted(agent.queues)),
        capacity=agent.capacity,
        weekday=weekday,
        weekend=weekend,
    )
