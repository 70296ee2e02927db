"""All four services as processes of their own, Kafka, PostgreSQL and the load generator on one machine."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import uvloop

from bench.house import SERVICES, Services, running
from bench.http import Paced, as_array, post
from bench.lag import GROUPS, Lag, Sample
from bench.measure import Clock, Turn, cut, own_cpu, quiet_gc, timed
from bench.options import Options
from bench.parts import real_parts
from bench.posts import Posts
from bench.queue import COMMIT_TIMES, kept, queued
from bench.results import Goal, Result, row_of

RATE, SECONDS = 5_800, 60.0
BURST, BURST_SECONDS = 15_000, 10.0
BACKLOG = 100_000
GOAL_P99_MS = 250
GOAL_DRAIN = 8_000
REQUEST_SECONDS = 0.01  # what comes in this time goes in one request
WARM_UP, WARM_UP_RATE = 20_000, 1_000
WARM_UP_SECONDS = 40.0  # so long Java compiles Kafka's code, on the cores that are measured
CATCH_UP_SECONDS = 240.0
BACKLOG_REQUEST = 500
GROWING_SHARE = 0.02  # of the rate: above, the lag grows


@dataclass(frozen=True)
class Load:
    """What is done to the services."""

    rate: float = RATE
    seconds: float = SECONDS
    burst: float = BURST
    backlog: int = BACKLOG
    warm_up_seconds: float = WARM_UP_SECONDS


def measure(options: Options) -> Result:
    """A steady rate, a burst, a backlog."""
    load = Load(
        rate=options.rate or RATE,
        seconds=options.turn_seconds(SECONDS) if not options.quick else 5.0,
        burst=BURST if options.burst is None else options.burst,
        backlog=BACKLOG if options.backlog is None else options.backlog,
        warm_up_seconds=options.warm_up_seconds(WARM_UP_SECONDS),
    )
    with (
        real_parts(
            kafka=True, postgres=True, bus=options.bus, database=options.database, postgres_settings=COMMIT_TIMES
        ) as parts,
        running(parts) as services,
    ):
        phases = uvloop.run(_measure(services, options.seed, load))
        memory = services.memory()
    steady, more = phases["steady"]
    steady_row = row_of(f"steady, {load.rate:,.0f}/s asked", [steady], **more)
    rows = [steady_row]
    rows += [row_of(name, [turn], **figures) for name, (turn, figures) in phases.items() if name != "steady"]
    drain = phases.get("backlog")
    growth = float(more["lag grows by /s"])
    goals = [
        Goal(text="steady: mentions a second", wanted=round(load.rate * 0.99), found=steady_row.per_second),
        Goal(
            text="steady: lag grows by", wanted=round(load.rate * GROWING_SHARE), found=growth, at_most=True, unit="/s"
        ),
        Goal(text="steady: p99", wanted=GOAL_P99_MS, found=steady_row.p99_ms or 0.0, at_most=True, unit=" ms"),
    ]
    if drain is not None:
        goals.append(Goal(text="backlog: mentions a second", wanted=GOAL_DRAIN, found=round(drain[0].rate)))
    return Result(
        name="pipeline",
        question="all four services, Kafka, PostgreSQL and the generator on this machine",
        unit="mentions",
        rows=rows,
        goals=goals,
        settings={"rate": load.rate, "seconds": load.seconds, "seed": options.seed, **memory},
        notes=[
            "every author is new, so every mention opens a conversation and a work item unless it needs no answer; "
            "p50 and p99 are from the moment ingest received it to the commit that put it in its queue",
            "a mention is done when no service has anything left of it: routed, told, and known to the responder",
        ],
        command=options.command("pipeline"),
    )


Figures = dict[str, float | str]


async def _measure(services: Services, seed: int, load: Load) -> dict[str, tuple[Turn, Figures]]:
    posts = Posts(seed)
    phases: dict[str, tuple[Turn, Figures]] = {}
    async with Lag(services.parts.bootstrap, services.parts.database) as lag:
        await _backlog(services, lag, posts, WARM_UP)
        await _steady(services, lag, _requests(services, posts, WARM_UP_RATE, load.warm_up_seconds), WARM_UP_RATE)
        phases["steady"] = await _steady(services, lag, _requests(services, posts, load.rate, load.seconds), load.rate)
        if load.burst:
            requests = _requests(services, posts, load.burst, BURST_SECONDS)
            phases[f"burst, {load.burst:,.0f}/s for {BURST_SECONDS:.0f} s"] = await _steady(
                services, lag, requests, load.burst
            )
        if load.backlog:
            phases["backlog"] = await _backlog(services, lag, posts, load.backlog)
    return phases


Requests = tuple[list[bytes], int]
"""Whole requests, and how many posts each has."""


def _requests(services: Services, posts: Posts, rate: float, seconds: float) -> Requests:
    each = max(1, round(rate * REQUEST_SECONDS))
    bodies = [as_array(some) for some in cut(posts.payloads(int(rate * seconds) // each * each), each)]
    return [post("/v1/mentions", body, services.key) for body in bodies], each


async def _steady(services: Services, lag: Lag, requests: Requests, rate: float) -> tuple[Turn, Figures]:
    """At this rate; then until all is done. The rate found is of what was kept while it lasted, CPU of it all."""
    bodies, each = requests
    generator = Paced(services.addresses["ingest"])
    lag.samples.clear()
    before = await kept(services.parts.database)
    whole = Turn()
    with quiet_gc(), timed(whole, {"generator": own_cpu, **services.cpu}):
        since, begun = datetime.now(UTC), time.perf_counter()
        watching = asyncio.create_task(lag.watch())
        await generator.send(bodies, each, rate)
        within, sent_at = await kept(services.parts.database) - before, time.perf_counter()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        until, samples = datetime.now(UTC), list(lag.samples)
        done_at = await lag.drained(CATCH_UP_SECONDS)
    services.check()
    found = await queued(services.parts.database, since, until)
    turn = Turn(within, sent_at - begun, waits_ms=found.waits_ms)
    share = within / max(1, generator.accepted)  # CPU is counted for all of them
    turn.cpu_seconds = {part: seconds * share for part, seconds in whole.cpu_seconds.items()}
    figures: Figures = {
        "accepted": generator.accepted,
        "requests refused": generator.refused,
        "kept": found.mentions,
        **{f"most before {name}": max(sample.waiting[name] for sample in samples) for name in GROUPS},
        "lag grows by /s": round(_growth(samples), 1),
        "generator late s": round(generator.late_seconds, 2),
        "done after s": "never" if done_at is None else round(max(0.0, done_at - sent_at), 2),
    }
    return turn, figures


def _growth(samples: Sequence[Sample]) -> float:
    """Records more a second, by least squares over the second half."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return 0.0
    mean_at = sum(sample.at for sample in half) / len(half)
    mean = sum(sample.total for sample in half) / len(half)
    spread = sum((sample.at - mean_at) ** 2 for sample in half)
    return sum((sample.at - mean_at) * (sample.total - mean) for sample in half) / spread


async def _backlog(services: Services, lag: Lag, posts: Posts, count: int) -> tuple[Turn, Figures]:
    """The others stand still while ingest takes so many; then, how quickly they are done."""
    others = [services.processes[name] for name in SERVICES if name != "ingest"]
    bodies = [as_array(some) for some in cut(posts.payloads(count), BACKLOG_REQUEST)]
    requests = [post("/v1/mentions", body, services.key) for body in bodies]
    for process in others:
        process.signal(signal.SIGSTOP)
    await Paced(services.addresses["ingest"], connections=4).send(requests, BACKLOG_REQUEST, 1e9)
    turn = Turn(done=count)
    begun = time.perf_counter()
    before = _read(services.cpu)
    for process in others:
        process.signal(signal.SIGCONT)
    done_at = await lag.drained(CATCH_UP_SECONDS)
    services.check()
    turn.seconds = (done_at or time.perf_counter()) - begun
    after = _read(services.cpu)
    turn.cpu_seconds = {part: after[part] - before[part] for part in after}
    if done_at is None:
        turn.done = count - (await lag.sample()).total
    return turn, {"accepted": count}


def _read(cpu: Mapping[str, Clock]) -> dict[str, float]:
    return {part: clock() for part, clock in cpu.items()}
