"""How to measure on a machine that does other things too: turns that alternate, medians, CPU time by part."""

import cProfile
import gc
import os
import platform
import pstats
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
PROFILE_LINES = 70

Clock = Callable[[], float]
"""CPU seconds a part has used so far."""


@dataclass
class Turn:
    """What one side did in one turn."""

    done: int = 0
    seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    waits_ms: list[float] = field(default_factory=list)  # one for each thing done, where that is the question

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def cpu_us(self) -> dict[str, float]:
        """CPU of each part for one thing done."""
        return {part: seconds / max(1, self.done) * 1e6 for part, seconds in self.cpu_seconds.items()}


@contextmanager
def timed(turn: Turn, parts: Mapping[str, Clock]) -> Iterator[None]:
    """Add the wall and the CPU time of what happens inside to the turn."""
    before = {part: clock() for part, clock in parts.items()}
    started = time.perf_counter()
    try:
        yield
    finally:
        turn.seconds += time.perf_counter() - started
        for part, clock in parts.items():
            turn.cpu_seconds[part] = turn.cpu_seconds.get(part, 0.0) + clock() - before[part]


@contextmanager
def quiet_gc() -> Iterator[None]:
    """What was made for the measurement is no work for the collector while it lasts."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def profiled(title: str) -> Iterator[None]:
    """Print where the time went, on standard error, by all that is in a function and by itself alone; "": don't."""
    if not title:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        sys.stderr.write(f"--- {title}\n")
        figures = pstats.Stats(profile, stream=sys.stderr).strip_dirs()
        figures.sort_stats("cumulative").print_stats(PROFILE_LINES)
        figures.sort_stats("tottime").print_stats(PROFILE_LINES // 2)


def cut(things: Sequence[T], size: int) -> list[Sequence[T]]:
    """In batches."""
    return [things[at : at + size] for at in range(0, len(things), size)]


Side = Callable[[], Awaitable[Turn]]


async def interleaved(sides: Mapping[str, Side], rounds: int, warm_up: bool = True) -> dict[str, list[Turn]]:
    """Every side once a round, in turn, so that what else the machine does hits all alike."""
    if warm_up:
        for side in sides.values():
            await side()
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            turns[name].append(await side())
    return turns


def median(numbers: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return float(statistics.median(numbers)) if numbers else 0.0


def nearest_rank(numbers: Sequence[float], share: float) -> float:
    """The smallest number that at least this share of them does not exceed; 0 of nothing."""
    if not numbers:
        return 0.0
    ordered = sorted(numbers)
    return ordered[max(0, -(-int(len(ordered) * share * 10_000) // 10_000) - 1)]


# --- CPU time


def own_cpu() -> float:
    """This process, all its threads."""
    return time.process_time()


def process_cpu(*pids: int) -> Clock:
    """Some processes, with the children they have buried; one that has ended no longer counts."""

    def clock() -> float:
        return sum(_cpu_of(pid) for pid in pids)

    return clock


def tree_cpu(pid: int) -> Clock:
    """A process with all its descendants, dead and alive: PostgreSQL starts one for each connection."""

    def clock() -> float:
        try:
            family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            return 0.0
        return sum(_cpu_of(each) for each in family)

    return clock


def _cpu_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    buried = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + buried)


def resident_mib(pid: int) -> float:
    """Memory a process really holds."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


# --- the machine


def machine() -> dict[str, str]:
    """What was measured on, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} at the end",
    }
