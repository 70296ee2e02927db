"""The expected wait against what really happened, on simulated days; the naive formula and the plain one beside it."""

import os
import time
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bench.measure import median, nearest_rank
from bench.options import Options
from bench.results import Goal, Result, Row
from bench.waits_day import DAILY, DAY, OFFICE, TARGETS, Brand, Days, Post, Surge, moment, second
from services.router.domain.hours import Hours, open_seconds
from services.router.domain.pace import HISTORY, Hour, Seen, profile_of
from services.router.domain.promises import (
    CLASSES,
    REGIMES,
    REMEMBERED,
    UNCORRECTED,
    Memory,
    Outcome,
    due_at,
    factors,
    turn,
    wall_seconds,
)
from services.router.domain.waits import FEWEST, Quantiles, Regime, Served

TICK = 60.0


class Kept(NamedTuple):
    """One promise and what came of it, in seconds of opening time; whether it was kept is seen on the wall."""

    promised: float
    waited: float
    kept: bool


class Desk:
    """What the service does at each look, on one simulated queue; promises go onto the posts."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self.memory = Memory()
        self._zone = ZoneInfo(hours.zone)
        self._past: dict[datetime, Hour] = {}
        self._profile = profile_of([], self._zone)
        self._idle: deque[float] = deque(maxlen=REMEMBERED)
        self._handled: deque[float] = deque(maxlen=REMEMBERED)
        self._unanswered: list[Post] = []
        self._outcomes: deque[Outcome] = deque(maxlen=3 * REMEMBERED)
        self._corrections: dict[Regime, Quantiles] = dict.fromkeys(REGIMES, UNCORRECTED)
        self._corrected_at = -DAY
        self._seen: Seen | None = None
        self._plain: list[float | None] = [None] * CLASSES  # p80 by the formula as it is usually written
        self._replies: deque[float] = deque()  # of the last hour

    def on_post(self, at: float, post: Post) -> None:
        """Somebody writes: what was promised then, and what others would have said."""
        seen = self._seen
        if seen is None:
            return
        post.shown = self.memory.shown[post.urgency]
        due = due_at(post.shown, self.hours, moment(at))
        post.promised["ours"] = second(due) if due else None
        post.idle = self.memory.idle[post.urgency]
        ahead = sum(seen.waiting[: post.urgency + 1])
        naive = (ahead + 1) / len(self._replies) * 3600 if self._replies else None
        for name, said in (("naive", naive), ("plain", self._plain[post.urgency])):
            wall = wall_seconds(self.hours, said, moment(at)) if said is not None else None
            post.promised[name] = at + wall if wall is not None else None
        self._unanswered.append(post)

    def on_tick(self, at: float, seen: Seen) -> None:
        """Look, score, say."""
        self._seen = seen
        self._score(at)
        while self._replies and self._replies[0] < at - 3600:
            self._replies.popleft()
        served = Served(tuple(self._idle), tuple(self._handled))
        before = self.memory.hour
        self.memory = turn(
            self.memory, seen, self.hours, self._zone, served=served, profile=self._profile,
            corrections=self._corrections, targets=TARGETS,
        )  # fmt: skip
        if before is not None and self.memory.hour is not None and before.at != self.memory.hour.at:
            self._past[before.at] = before
            since = seen.at - HISTORY
            self._profile = profile_of([hour for at, hour in self._past.items() if at >= since], self._zone)
        self._say_plainly(seen, served)

    def _say_plainly(self, seen: Seen, served: Served) -> None:
        """Observed p80 where free, else (ahead + 1) / (mu - lambda_up), with nothing else to it."""
        pace = self.memory.pace
        mu = pace.replies / pace.worked * seen.agents if pace.worked and seen.agents else 0.0
        for number in range(CLASSES):
            ahead = sum(seen.waiting[: number + 1])
            up = sum(pace.arrived[:number]) / pace.watched if pace.watched else 0.0
            if seen.room and not ahead:
                self._plain[number] = nearest_rank(served.idle, 0.8) if len(served.idle) >= FEWEST else None
            else:
                self._plain[number] = (ahead + 1) / (mu - up) if mu > up else None

    def _score(self, at: float) -> None:
        """Those answered, and those that wait longer than was predicted: silence is an outcome."""
        still, waiting = [], []
        for post in self._unanswered:
            if post.answered is None:
                still.append(post)
                if post.shown.state == "known" and at - post.at > post.shown.raw[1]:
                    waited = open_seconds(self.hours, moment(post.at), moment(at))
                    if waited > post.shown.raw[1]:
                        waiting.append(Outcome(post.shown.regime, post.shown.raw, waited))
                continue
            waited = open_seconds(self.hours, moment(post.at), moment(post.answered))
            self._replies.append(post.answered)
            if post.idle:
                self._idle.append(waited)
            if post.taken is not None:
                self._handled.append(open_seconds(self.hours, moment(post.taken), moment(post.answered)))
            if post.shown.state == "known":
                self._outcomes.append(Outcome(post.shown.regime, post.shown.raw, waited))
        self._unanswered = still
        if at - self._corrected_at >= 300:
            self._corrected_at = at
            known = [*self._outcomes, *waiting]
            self._corrections = {regime: factors(known, regime) for regime in REGIMES}


@dataclass(frozen=True)
class Kind:
    """A kind of day: what is simulated, and which posts count."""

    brand: Brand
    days: int
    counted: range
    hours: Hours = DAILY
    over_closing: bool = False


_BUSY = Brand(posts_an_hour=16, agents=6, handling=600)
KINDS: dict[str, Kind] = {
    "quiet": Kind(Brand(posts_an_hour=2, agents=2, handling=480), 21, range(16, 21)),
    "busy": Kind(_BUSY, 18, range(14, 18)),
    "surge": Kind(replace(_BUSY, surges=(Surge(15, 39_600.0, 4500.0, 5.0),), helpers=2), 16, range(15, 16)),
    "closing": Kind(replace(_BUSY, posts_an_hour=9), 21, range(14, 21), OFFICE, over_closing=True),
}
FORMULAS = {
    "ours": "",
    "plain": "the observed p80 where somebody is free, else (ahead + 1) / (mu - lambda)",
    "naive": "(ahead + 1) / replies of the last hour",
}


class Run(NamedTuple):
    """One simulation: promises with their outcomes by formula, and what was said to the posts that count."""

    kind: str
    kept: dict[str, list[Kept]]
    states: dict[str, int]
    more_than_true: int
    seconds: float


def simulate(name: str, seed: int, tick: float = TICK, kind: Kind | None = None) -> Run:
    """One run. What nobody answered within four days after the last one counts as broken."""
    began = time.perf_counter()
    kind = kind or KINDS[name]
    days = Days(kind.brand, kind.days, seed, kind.hours)
    desk = Desk(kind.hours)
    days.run(desk.on_post, desk.on_tick, tick)
    found: dict[str, list[Kept]] = {formula: [] for formula in FORMULAS}
    states: Counter[str] = Counter()
    true = 0
    for post in days.posts:
        at = moment(post.at)
        if int(post.at // DAY) not in kind.counted:
            continue
        if kind.over_closing and open_seconds(kind.hours, at, moment(post.at + 7200)) == 7200:
            continue
        answered = post.answered if post.answered is not None else (kind.days + 4) * DAY
        states[post.shown.state] += 1
        if post.shown.state == "more_than":
            true += open_seconds(kind.hours, at, moment(answered)) > post.shown.hours * 3600
        for formula, by in post.promised.items():
            if by is not None:
                spans = [open_seconds(kind.hours, at, moment(end)) for end in (by, answered)]
                found[formula].append(Kept(spans[0], spans[1], answered <= by))
    return Run(name, found, states, true, time.perf_counter() - began)


def measure(options: Options) -> Result:
    """Every kind of day, over several seeds; a seed is a brand's weeks, of which the last days count."""
    seeds = range(options.seed, options.seed + options.rounds(8))
    jobs = [(name, seed) for name in KINDS for seed in seeds]
    with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1)) as pool:
        runs = list(pool.map(simulate, *zip(*jobs, strict=True)))
    rows, goals, notes = [], [], []
    for name in KINDS:
        mine = [run for run in runs if run.kind == name]
        posts = sum(sum(run.states.values()) for run in mine)
        for formula in FORMULAS:
            rows.append(_row(f"{name}, {formula}", [run.kept[formula] for run in mine], posts, mine))
        ours = [one for run in mine for one in run.kept["ours"]]
        goals.append(Goal(text=f"{name} days: p80 kept", wanted=80, found=round(100 * _share(ours), 1), unit=" %"))
        more = sum(run.states.get("more_than", 0) for run in mine)
        if more:
            true = sum(run.more_than_true for run in mine)
            notes.append(f'{name}: "more than N h" was said {more} times and was true {true} times')
    return Result(
        name="waits",
        question="is the expected wait kept, and how far is it from what people really waited",
        unit="promise",
        rows=rows,
        goals=goals,
        settings={"seeds": len(seeds), "a look every": f"{TICK:.0f} s", "weeks before": "2 to 3"},
        notes=[
            *notes,
            "medians are of minutes of opening time, over the posts that got such a promise",
            *(f"{formula}: {words}" for formula, words in FORMULAS.items() if words),
        ],
        command=options.command("waits"),
    )


def _row(name: str, by_seed: list[list[Kept]], posts: int, runs: list[Run]) -> Row:
    promises = [one for some in by_seed for one in some]
    shares = [_share(some) for some in by_seed if some]
    rates = [len(some) / run.seconds for some, run in zip(by_seed, runs, strict=True)]
    promised, waited = (median([one[n] / 60 for one in promises]) for n in (0, 1))
    return Row(
        name=name,
        per_second=round(median(rates), 1),
        lowest=round(min(rates), 1),
        highest=round(max(rates), 1),
        more={
            "promises": len(promises),
            "of posts %": round(100 * len(promises) / posts, 1) if posts else 0.0,
            "kept %": round(100 * _share(promises), 1),
            "worst seed %": round(100 * min(shares, default=0.0), 1),
            "promised min": round(promised, 1),
            "waited min": round(waited, 1),
            "promised / waited": round(promised / waited, 2) if waited else 0.0,
        },
    )


def _share(some: list[Kept]) -> float:
    return sum(one.kept for one in some) / len(some) if some else 0.0
