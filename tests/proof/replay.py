"""A replay through the `guichet` command, with parts of the house killed while it runs."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.proof.arithmetic import Expected, nearest_rank
from tests.proof.house import DIRECT, ROOT, House, eventually

Strike = Callable[[], Awaitable[str]]
"""Kills something and waits until it is back; says what it was."""


@dataclass(frozen=True)
class Outcome:
    """What the house holds and says when all is quiet."""

    mentions: int
    own_posts: int
    answered: int
    p50_seconds: float
    p90_seconds: float
    smallest_seconds: float


async def replay(house: House, file: Path, *, speed: str, brands: str | None = None, again: bool = False) -> str:
    """Run `guichet replay` to its end; returns what it printed."""
    process = await _start(house, file, speed, brands, again)
    return await _finished(process)


async def replay_under_fire(
    house: House, file: Path, strikes: Sequence[Strike], *, speed: str, posts: int
) -> list[str]:
    """The same while the strikes fall, spread evenly over the posts; returns what was struck, in order."""
    process = await _start(house, file, speed, None, again=False)
    struck: list[str] = []
    for number, strike in enumerate(strikes, start=1):
        await eventually(f"strike {number}", partial(_come_through, house, number * posts // (len(strikes) + 1)), 600)
        struck.append(await strike())
    await _finished(process)
    return struck


async def _come_through(house: House, wanted: int) -> bool:
    mentions = await house.ids("router", "mentions", "count(*)")
    own_posts = await house.ids("router", "own_posts", "count(*)")
    return bool(mentions[0] + own_posts[0] >= wanted)


async def _start(house: House, file: Path, speed: str, brands: str | None, again: bool) -> asyncio.subprocess.Process:
    more = [*(["--brands", brands] if brands else []), *(["--again"] if again else [])]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "replay", str(file), "--speed", speed, "--to", house.urls["ingest"],
        "--data", str(house.folder), *more,
        cwd=ROOT, env={**os.environ, "GUICHET_KEY": house.key},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


async def _finished(process: asyncio.subprocess.Process) -> str:
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    return text


def kill_of(house: House, chance: random.Random) -> Strike:
    """kill -9 of a random part, which is started again at once."""

    async def strike() -> str:
        part = chance.choice(house.parts)
        await house.kill(part)
        house.start(part)
        await house.all_ready()
        return part

    return strike


async def outcome(house: House, wanted: Expected, *, quiet_seconds: float = 60) -> Outcome:
    """What the house holds, once all is quiet: each post exactly once, asserted id by id."""
    await house.quiet(len(wanted.mentions), len(wanted.own_posts), len(wanted.latencies_seconds), quiet_seconds)
    mentions = await house.ids("router", "mentions", "post_id")
    own_posts = await house.ids("router", "own_posts", "post_id")
    assert sorted(mentions) == sorted(wanted.mentions)
    assert sorted(own_posts) == sorted(wanted.own_posts)
    measured = sorted(await house.ids("responder", DIRECT, "latency_seconds"))
    assert measured == list(wanted.latencies_seconds)
    report = (await house.get("responder", "/v1/stats/response-latency?group_by=none&from=2000-01-01T00:00:00Z"))[
        "groups"
    ][0]
    assert report["answered"] == len(measured)
    assert report["p50"] == nearest_rank(measured, 0.5)
    return Outcome(len(mentions), len(own_posts), report["answered"], report["p50"], report["p90"], report["min"])


async def dead_letters(house: House) -> list[str]:
    """What could not be handled, over all services; must be empty unless poison was planted."""
    found: list[str] = []
    for service in ("classifier", "router", "responder"):
        for dead in (await house.get(service, f"/v1/{service}/dead-letters"))["items"]:
            found.append(json.dumps(dead))
    return found
