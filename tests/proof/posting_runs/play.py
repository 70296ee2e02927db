"""The runs: mentions told, replies asked for, the network misbehaving, responders killed and frozen meanwhile."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from libs.common.bus import Bus
from libs.common.errors import Raced, Unavailable
from libs.common.events import REPLIES, ReplyPosted, decode
from tests.integration.responder.mentions import routed
from tests.proof.house import NotInTime, eventually
from tests.proof.posting_runs.fates import Fate, draw
from tests.proof.posting_runs.house import House, ask
from tests.proof.posting_runs.judging import FINAL, Post, Row, Run, judge
from tests.proof.routing.verdict import Verdict
from tests.servers.processes import Process

POINTS = (
    "after_reserve_before_post",
    "after_post_before_confirm",
    "handler_before_commit",
    "handler_after_commit",
    "relay_before_publish",
    "relay_before_commit",
)
"""Every named point that a responder passes."""
SENDING = POINTS[:2]
FROZEN_SECONDS = 0.9  # from outside: no process lives longer without its liveness
OWN_FREEZES = (0.3, 4.0)  # at a named point, also longer than others wait before they look
UNDER_WAY = 100  # runs at most
AHEAD = 3  # kills that the runs may be ahead of
ASK_SECONDS = 90.0
SETTLE_SECONDS = 120.0
_LOOK_SECONDS = 0.2

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What to play."""

    runs: int = 2000
    kills: int = 20  # at each point
    seed: int = 1
    responders: int = 2
    handles: int = 8
    planted: str = ""
    give_up_seconds: float = 60.0  # no hundredth: a new process needs seconds to begin, and nobody looks meanwhile


@dataclass
class Played:
    """What was done."""

    wanted: Wanted
    runs: list[Run] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)  # by point
    freezes: Counter[str] = field(default_factory=Counter)
    shot: int = 0  # killed at no named point, at the end of a freeze
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def missing_kills(self) -> int:
        """How many are still to come."""
        return sum(max(0, self.wanted.kills - self.kills[point]) for point in POINTS)


@dataclass
class Play:
    """One play; use `play`."""

    house: House
    played: Played
    tell: Tell

    def __post_init__(self) -> None:
        self.chance = random.Random(self.played.wanted.seed)
        self.over = asyncio.Event()
        self._asking = 0
        self._open = 0
        self._ended: set[str] = set()
        self._strikes: list[float] = []  # when
        self._spans: dict[str, tuple[float, float]] = {}  # of each run, from the question to its end
        self._aimed: Counter[str] = Counter()
        self._shot: set[Process] = set()

    async def go(self) -> None:
        """All runs and all kills; then everything calm until every reply has come to an end."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for ordinal in self.house.ordinals:
                group.create_task(self._lives(ordinal))
            group.create_task(self._freezes())
            group.create_task(self._watch())
            await self._feed(group)
        for ordinal in self.house.ordinals:
            self.house.start(ordinal)
        await self.house.ready()
        self.tell("all asked for; nothing more is struck")
        with suppress(NotInTime):  # what has not ended is judged
            await eventually("every reply coming to an end", self._quiet, SETTLE_SECONDS)
        self.played.seconds = time.monotonic() - began
        await self._take_stock()

    # --- the runs

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        tasks: set[asyncio.Task[None]] = set()
        wanted = self.played.wanted
        for n in itertools.count():
            if n >= wanted.runs and not self.played.missing_kills:
                break
            await self._room(n)
            self._asking += 1
            tasks.add(group.create_task(self._run(n)))
            if n and n % 100 == 0:
                done = sum(self.played.kills.values())
                self.tell(f"{n:,} asked for, {self._open} under way, {done} killed at named points")
        await asyncio.gather(*tasks)
        self.over.set()

    async def _room(self, n: int) -> None:
        """Wait while too many are under way; and for a second at most while the kills lag behind."""
        wanted = self.played.wanted
        due = len(POINTS) * wanted.kills * min(1.0, n / wanted.runs) - AHEAD
        until = time.monotonic() + 1
        while self._asking + self._open >= UNDER_WAY or (  # noqa: ASYNC110  # nothing tells
            sum(self.played.kills.values()) < due and time.monotonic() < until
        ):
            await asyncio.sleep(0.02)

    async def _run(self, n: int) -> None:
        fate = draw(self.chance)
        faults = fate.faults(self.chance)
        try:
            [post_id] = await self.house.network.seed(1)
            await self.house.network.befall(post_id, faults)
            handle = f"acme{n % self.played.wanted.handles}"
            person: dict[str, Any] = {"author_id": str(10_000 + n), "key": f"key-{n}", "conversation_id": f"cnv_{n}"}
            await self.house.hear(routed(post_id, handle=handle, item_id=f"itm_{n}", **person))
            since = time.monotonic()
            text = f"Réponse {n} ^Ana"
            status, answer = await ask(self.house, post_id, text, key=f"run-{n}", seconds=ASK_SECONDS)
            if status != 202:
                raise NotInTime(f"a reply to {post_id}: {status} {answer}")
            self._spans[answer["id"]] = since, since
            self._keep(answer["id"], post_id, text, fate)
        finally:
            self._asking -= 1

    def _keep(self, reply_id: str, post_id: str, text: str, fate: Fate) -> None:
        self.played.runs.append(Run(reply_id, post_id, text, fate))
        self._open += 1

    # --- the strikes

    async def _lives(self, ordinal: int) -> None:
        """One responder after the other in this place, each until it is struck."""
        while not self.over.is_set():
            point = min(POINTS, key=lambda each: (self.played.kills[each] + self._aimed[each], each))
            self._aimed[point] += 1
            process = self.house.start(ordinal, self._drawn(point))
            while process.running and not self.over.is_set():  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.05)
            self._aimed[point] -= 1
            if process.running:
                await asyncio.to_thread(process.kill)
                self.played.shot += 1
            self._befell(process, point)

    def _drawn(self, point: str) -> str:
        """Where this life ends, and maybe where it stands still before."""
        a_kill = self.played.wanted.runs // (len(POINTS) * max(1, self.played.wanted.kills))  # so many runs
        most = 2 * a_kill if point in SENDING else a_kill // 2  # the others are passed by several at once
        strikes = [f"{point}:{self.chance.randint(1, max(2, most))}:kill"]
        other = self.chance.choice(SENDING)
        if other != point and self.chance.random() < 0.4:
            strikes.append(f"{other}:{self.chance.randint(1, 3)}:{self.chance.uniform(*OWN_FREEZES):.2f}")
        return " ".join(strikes)

    def _befell(self, process: Process, point: str) -> None:
        """Count it; nothing else may end a responder."""
        log = process.log.read_text(errors="replace")
        self._strikes.append(time.monotonic())
        for line in log.splitlines():
            if line.startswith("struck: ") and " kill " not in line:
                self.played.freezes[f"at {line.rpartition(' ')[2]}"] += 1
        if f"struck: kill at {point}\n" in log:
            self.played.kills[point] += 1
        elif process not in self._shot and not self.over.is_set():
            raise NotInTime(f"a responder ended by itself with {process.exit_code}:\n{process.tail()}")

    async def _freezes(self) -> None:
        """Stop one from outside, anywhere; as liveness would, kill it where that lasts too long."""
        while not self.over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self.chance.uniform(1.0, 4.0))
            await self._freeze(self.chance.choice(self.house.ordinals))

    async def _freeze(self, ordinal: int) -> None:
        long = self.chance.random() < 0.2
        process = await self.house.freeze(ordinal, FROZEN_SECONDS if long else self.chance.uniform(0, FROZEN_SECONDS))
        self._strikes.append(time.monotonic())
        if not process.running:
            return
        if long:
            self._shot.add(process)
            self.played.shot += 1
            await asyncio.to_thread(process.kill)
        else:
            self.played.freezes["anywhere, from outside"] += 1
            self.house.thaw(process)

    # --- what became of it

    async def _watch(self) -> None:
        while not self.over.is_set():
            with suppress(Unavailable, Raced):
                await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        ended = {row.id for row in await rows_of(self.house) if row.state in FINAL}
        now = time.monotonic()
        self._spans = {
            id_: (since, until if id_ in self._ended else now) for id_, (since, until) in self._spans.items()
        }
        self._ended = ended
        self._open = len(self.played.runs) - len(ended)

    async def _quiet(self) -> bool:
        await self._look()
        return self._open == 0 and await count(self.house, "outbox") == 0

    async def _take_stock(self) -> None:
        played = self.played
        played.rows = await rows_of(self.house)
        found: dict[str, Any] = await self.house.network.received()
        played.posts = [Post(each["id"], each["in_reply_to"], each["text"]) for each in found["items"]]
        played.calls = found["calls"]
        played.told = await told(self.house.bus)
        played.runs = [replace(run, struck=self._struck(run.reply_id)) for run in played.runs]

    def _struck(self, reply_id: str) -> bool:
        since, until = self._spans[reply_id]
        return any(since <= at <= until + 1 for at in self._strikes)


async def rows_of(house: House) -> list[Row]:
    """The responder's table as it stands."""
    question = "SELECT id, state, in_reply_to, own_post_id, unknown_since, updated_at FROM replies"
    async with house.tables.read() as session:
        return [Row(*row) for row in await session.execute(sa.text(question))]


async def count(house: House, table: str) -> int:
    """How many rows there are."""
    async with house.tables.read() as session:
        return int((await session.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def told(bus: Bus) -> dict[str, str]:
    """What was told as posted: the post's id by the reply's."""
    found: dict[str, str] = {}
    async for record in bus.scan(REPLIES):
        event = decode(record.header("ce_type"), record.value or b"")
        if isinstance(event, ReplyPosted):
            before = found.get(event.reply_id, event.post_id)
            found[event.reply_id] = event.post_id if before == event.post_id else f"{before} and {event.post_id}"
    return found


async def play(wanted: Wanted, bus: str, database: str, folder: Path, tell: Tell) -> Played:
    """Play it on this Kafka and PostgreSQL."""
    more = {"PROOF_PLANTED": wanted.planted, "RESPONDER_GIVE_UP_AFTER": f"{wanted.give_up_seconds}s"}
    played = Played(wanted)
    async with House(folder, bus, database, wanted.responders, more=more) as house:
        await house.network.behave(limits={"GET /2/users/:id/tweets": 1_000_000, "GET /2/users/me": 1_000_000})
        await Play(house, played, tell).go()
    return played


def judged(played: Played) -> list[Verdict]:
    """Every promise; and that it was put to the test as often as was wanted."""
    wanted = played.wanted
    give_up = timedelta(seconds=wanted.give_up_seconds)
    verdicts = judge(played.runs, played.rows, played.posts, played.told, give_up)
    struck = Verdict(f"killed at each named point, {wanted.kills} times or more")
    for point in POINTS:
        struck.look(played.kills[point] >= wanted.kills, f"{point}: {played.kills[point]} times")
    return [*verdicts, struck]
