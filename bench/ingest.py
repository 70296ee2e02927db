"""How much one ingest process takes in over HTTP, beside the bare web framework without a log behind it."""

import asyncio
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvloop

from bench.house import Services, running
from bench.http import as_array, as_fast_as_it_goes, post
from bench.kafka import Held
from bench.measure import Clock, Turn, cut, interleaved, process_cpu, timed
from bench.options import Options
from bench.parts import Parts, real_parts
from bench.posts import Posts
from bench.results import Goal, Result, cpu_ratio, ratio, row_of
from cli.installation import free_ports
from libs.common.events import RAW
from tests.servers.processes import ROOT, Process, wait_until_ready

GOAL = 100_000
BATCH = 100
SHAPES = {BATCH: 8, 1: 32}  # posts a request, and how many connections send them
EXPECTED = {BATCH: 2_000, 1: 15_000}  # requests a second at most, where we have to write them beforehand
IDS_A_TURN = 10_000_000

_LUA = """
local parts, key, each = {parts}, "{key}", {each}
local number = {first}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
if key ~= "" then wrk.headers["Authorization"] = "Bearer " .. key end
request = function()
  local out, n = {{}}, 0
  for i = 1, each do
    number = number + 1
    local id = string.format("%d", number)
    local part = parts[number % #parts + 1]
    out[i] = part[1] .. id .. part[2] .. id .. part[3]
  end
  local body = each == 1 and out[1] or "[" .. table.concat(out, ",") .. "]"
  return wrk.format(nil, nil, nil, body)
end
"""


def measure(options: Options) -> Result:
    """Batches of 100, and single posts."""
    seconds, rounds = options.turn_seconds(2.0), options.rounds(3)
    with (
        real_parts(kafka=True, postgres=True, bus=options.bus, database=options.database) as parts,
        running(parts, ["ingest"]) as services,
        _bare(parts) as (address, bare_cpu),
    ):
        turns = uvloop.run(_measure(services, address, bare_cpu, options.seed, seconds, rounds))
    batched, single = turns[f"ingest, {BATCH} a request"], turns["ingest, 1 a request"]
    floors = turns[f"floor, {BATCH} a request"], turns["floor, 1 a request"]
    return Result(
        name="ingest",
        question="POST /v1/mentions into Kafka, one process, every author new",
        unit="mentions",
        rows=[row_of(name, some) for name, some in turns.items()],
        goals=[
            Goal(text=f"mentions a second, {BATCH} a request", wanted=GOAL, found=row_of("", batched).per_second),
        ],
        settings={"rounds": rounds, "turn_seconds": seconds, "seed": options.seed, "driver": _driver()},
        notes=[
            "the floor is FastAPI and msgspec alone: no key, no checks, no handles, no log; ingest answers when Kafka "
            "holds what it took (counted there)",
            f"of the floor's rate: {ratio(batched, floors[0]):.2f} ({BATCH} a request), {ratio(single, floors[1]):.2f} "
            f"(1 a request); of its CPU: {cpu_ratio(batched, floors[0]):.2f} and {cpu_ratio(single, floors[1]):.2f}",
        ],
        command=options.command("ingest"),
    )


def _driver() -> str:
    return "wrk" if shutil.which("wrk") else "our own client, which uses more CPU than wrk"


async def _measure(
    services: Services, bare: str, bare_cpu: Mapping[str, Clock], seed: int, seconds: float, rounds: int
) -> dict[str, list[Turn]]:
    posts = Posts(seed)
    address = services.addresses["ingest"]
    cpu = services.cpu
    cpu.pop("postgres", None)  # it is not asked for a mention

    async def ours(each: int) -> Turn:
        async with Held(services.parts.bootstrap, RAW) as held:
            before = await held.count()
            turn = await _turn(services.parts.folder, address, services.key, each, posts, seconds, cpu)
            services.check()
            found = await held.count() - before
            if found < turn.done:
                raise RuntimeError(f"{turn.done} mentions were accepted, Kafka holds {found}")
            return turn

    sides = {}
    for each in SHAPES:
        sides[f"floor, {each} a request"] = partial(
            _turn, services.parts.folder, bare, "", each, posts, seconds, bare_cpu
        )
        sides[f"ingest, {each} a request"] = partial(ours, each)
    return await interleaved(sides, rounds)


async def _turn(
    folder: Path, address: str, key: str, each: int, posts: Posts, seconds: float, cpu: Mapping[str, Clock]
) -> Turn:
    turn = Turn()
    if shutil.which("wrk"):
        script = folder / "wrk.lua"
        script.write_text(_script(posts, key, each))
        with timed(turn, cpu):
            turn.done = await _wrk(script, f"{address}/v1/mentions", SHAPES[each], seconds) * each
        return turn
    payloads = cut(posts.payloads(int(EXPECTED[each] * each * seconds)), each)
    requests = [post("/v1/mentions", as_array(some) if each > 1 else some[0], key) for some in payloads]
    with timed(turn, cpu):
        turn.done = (await as_fast_as_it_goes(address, requests, SHAPES[each], seconds)).done * each
    return turn


async def _wrk(script: Path, url: str, connections: int, seconds: float) -> int:
    """How many requests were accepted."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = (await process.communicate())[0].decode()
    found = re.search(r"(\d+) requests in", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk: {said}")
    return int(found[1])


def _script(posts: Posts, key: str, each: int) -> str:
    """Our posts with their ids cut out: wrk writes new ones."""
    first = 1_000_000_000 + posts.skip(IDS_A_TURN)
    parts = []
    for payload in posts.payloads(500):
        text = payload.decode()
        post_id = re.search(r'"id":"(\d{19})"', text)
        author_id = re.search(r'"author":\{"id":"(\d+)"', text)
        assert post_id is not None
        assert author_id is not None
        pieces = text[: post_id.start(1)], text[post_id.end(1) : author_id.start(1)], text[author_id.end(1) :]
        parts.append("{" + ",".join(f"[==[{piece}]==]" for piece in pieces) + "}")
    return _LUA.format(parts="{" + ",".join(parts) + "}", key=key, each=each, first=first)


@contextmanager
def _bare(parts: Parts) -> Iterator[tuple[str, dict[str, Clock]]]:
    """The floor's server."""
    port = free_ports(["floor"])["floor"]
    address = f"http://127.0.0.1:{port}"
    process = Process(
        [sys.executable, "-m", "bench.ingest_floor", str(port)],
        parts.folder / "floor.log",
        environment={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    try:
        wait_until_ready(lambda: _answers(address), [process], 30, "the floor's server")
        yield address, {"floor": process_cpu(process.pid)}
    finally:
        process.kill()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=1)
    except urllib.error.HTTPError:
        return True  # it has no such page
    except OSError:
        return False
    return True
