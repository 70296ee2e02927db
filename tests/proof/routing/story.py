"""The story itself: real parts are set up, mentions pour in, people work, routers are killed; then all stands still."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import asyncpg
from msgspec import Struct

from libs.common.bus_kafka import KafkaBus, parse
from libs.common.migrate import migrate
from libs.common.topics import create as create_topics
from services.router.app import MIGRATIONS
from tests.proof.house import eventually
from tests.proof.routing import office
from tests.proof.routing.crowd import Crowd, told
from tests.proof.routing.office import Profile
from tests.proof.routing.routers import Routers
from tests.proof.routing.tape import StoryClock, hold, roll
from tests.proof.routing.traffic import PARTITIONS, Traffic

BATCH = 500
AT_ONCE = 0.75  # of the mentions come at full speed, the others while people work
PER_ACT = 8  # later mentions for each thing that somebody got
LIMIT_SECONDS = 1800
QUIET_SECONDS = 300
TELL_SECONDS = 10
STILL_SECONDS = 3  # the routers look for something to give every second

Tell = Callable[[str], None]


class Wanted(Struct, frozen=True):
    """What is to be played."""

    mentions: int = 100_000
    agents: int = 60
    routers: int = 3
    kills: int = 3
    given: int = 5_000  # items that agents take, claim or accept; others are given to them
    speed: int = 60
    seed: int = 1


class Played(Struct, frozen=True):
    """What was, when it was quiet: the tables hold the rest."""

    wanted: Wanted
    clock: StoryClock
    held_at: datetime  # the story's time when it was stopped
    seconds: float
    post_ids: frozenset[str]
    replies: int
    people: list[Profile]
    acts: Counter[tuple[str, int]]
    killed: list[int]


async def play(wanted: Wanted, bus_url: str, url: str, folder: Path, tell: Tell) -> Played:
    """Play it on these (empty) parts; the routers have ended when this returns."""
    await create_topics(parse(bus_url), PARTITIONS)
    await migrate(url, "router", MIGRATIONS)
    clock = await roll(url, wanted.speed)
    chance = random.Random(wanted.seed)
    people = office.profiles(wanted.agents, chance)
    traffic = Traffic(wanted.mentions, wanted.seed)
    bus = KafkaBus(parse(bus_url), PARTITIONS)
    watch = await asyncpg.connect(url)
    try:
        async with Routers(folder, bus_url, url, wanted.routers) as routers:
            await routers.must("PATCH", "/v1/setup", office.SETUP)
            for each in people:
                await routers.must("PUT", f"/v1/agents/{each.slug}", each.body())
            tell(f"{wanted.routers} routers, {len(office.SETUP['queues'])} queues, {len(people)} agents are set up")
            crowd = Crowd(routers, bus, traffic, people, clock, wanted.seed)
            began = time.monotonic()
            async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as group:
                group.create_task(crowd.work())
                feeding = group.create_task(_feed(bus, traffic, clock, crowd))
                killing = group.create_task(_kill(routers, crowd, wanted, chance, tell))
                await _until_enough(routers, crowd, watch, wanted, feeding, tell)
                killed = await killing
                crowd.over.set()
            seconds = time.monotonic() - began
            held_at = await hold(watch)
            tell(f"time stands still at {held_at:%A %H:%M} of the story, after {seconds:.0f} s")
            await _quiet(watch, wanted.mentions, traffic.replies)
        return Played(
            wanted, clock, held_at, seconds, frozenset(traffic.post_ids), traffic.replies, people, crowd.acts, killed
        )
    finally:
        await watch.close()
        await bus.close()


async def _feed(bus: KafkaBus, traffic: Traffic, clock: StoryClock, crowd: Crowd) -> None:
    """Most at full speed, the others as people work: some of them are written again after an answer."""
    while (sent := len(traffic.post_ids)) < traffic.mentions:
        count = min(BATCH, traffic.mentions - sent)
        backlog = sent < traffic.mentions * AT_ONCE
        if not backlog:
            after = (sent - traffic.mentions * AT_ONCE) / PER_ACT
            await eventually("somebody getting something", lambda: crowd.given >= after, LIMIT_SECONDS)  # noqa: B023
        await told(bus, list(traffic.posts(count, clock.now(), backlog=backlog)))


async def _until_enough(
    routers: Routers, crowd: Crowd, watch: asyncpg.Connection, wanted: Wanted, feeding: asyncio.Task[None], tell: Tell
) -> None:
    """Tell every few seconds how far it is; return when all mentions are kept and enough was given."""
    told_at = time.monotonic()

    async def enough() -> bool:
        nonlocal told_at
        routers.check()
        done, telling = feeding.done() and crowd.given >= wanted.given, time.monotonic() - told_at > TELL_SECONDS
        if not done and not telling:
            return False  # to count them costs the routers time
        kept = await watch.fetchval("SELECT count(*) FROM router.mentions")
        if telling:
            told_at = time.monotonic()
            tell(f"{kept:,} of {wanted.mentions:,} mentions are kept; agents got {crowd.given:,} of {wanted.given:,}")
        return done and bool(kept == wanted.mentions)

    await eventually("enough being given", enough, LIMIT_SECONDS)


async def _kill(routers: Routers, crowd: Crowd, wanted: Wanted, chance: random.Random, tell: Tell) -> list[int]:
    """kill -9 of one of them, now and then."""
    killed: list[int] = []
    for number in range(wanted.kills):
        after = wanted.given * (number + 1) / (wanted.kills + 1)
        await eventually(f"kill {number}", lambda: crowd.given >= after, LIMIT_SECONDS)  # noqa: B023
        ordinal = chance.randrange(routers.count)
        await routers.kill(ordinal)
        killed.append(ordinal)
        tell(f"router {ordinal} was killed and is back")
    return killed


async def _quiet(watch: asyncpg.Connection, mentions: int, replies: int) -> None:
    """Wait until all was heard and told, nothing is due, and nobody was given anything for a while."""
    last, since = -1, time.monotonic()

    async def quiet() -> bool:
        nonlocal last, since
        row = await watch.fetchrow(_LEFT)
        if row["last"] != last or row["told"] or row["due"]:
            last, since = row["last"], time.monotonic()
        all_heard = row["mentions"] == mentions and row["replies"] == replies
        return bool(all_heard) and time.monotonic() - since > STILL_SECONDS

    await eventually("quiet", quiet, QUIET_SECONDS)


_LEFT = """
SELECT (SELECT count(*) FROM router.mentions) AS mentions, (SELECT count(*) FROM router.own_posts) AS replies,
  (SELECT count(*) FROM router.outbox) AS told, (SELECT max(seq) FROM router.work_item_changes) AS last,
  (SELECT count(*) FROM router.work_items WHERE next_at <= clock_timestamp()
     AND state IN ('pending', 'reserved', 'assigned', 'wrapping'))
  + (SELECT count(*) FROM router.agents WHERE next_at <= clock_timestamp())
  + (SELECT count(*) FROM router.conversations WHERE wake_at <= clock_timestamp()) AS due
"""
