"""`python -m tests.proof.posting`: schedules of the posting protocol, counted; prints those that broke a promise.

The decisions are the responder's own (`services.responder.domain`); the tables, the clock and the network are models.
A schedule is a seed: two replicas, crashes and freezes at every step, lost answers, late timelines, refusals.
"""

import argparse
import heapq
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from services.responder.domain import recovery
from services.responder.domain.posting import (
    Answered,
    Exchange,
    Lost,
    NotSent,
    Outcome,
    Pace,
    Postponed,
    Unknown,
    classify,
)
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import (
    Accepted,
    Reply,
    accept,
    borrow,
    cancel,
    doubt,
    reserve,
    settle,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACE = Pace()
FROZEN_SECONDS = 90.0  # a pod lives no longer than that without its liveness
LAG_SECONDS = 60.0  # of the network's timeline, at most
QUIET_AFTER = 3600.0  # then nothing more goes wrong, so that what is not settled is lost
LONGEST = 6 * 3600.0
PLANTED = ("resend", "look-early", "no-fence", "no-look", "two-at-once")
"""Mistakes that the schedules have to find; else they prove nothing."""


@dataclass(slots=True)
class Post:
    """One on the network."""

    id: str
    text: str
    at: float
    visible_at: float
    by_us: bool


@dataclass
class Schedule:
    """One run of the protocol: a mention, up to three people who answer it, two replicas that send."""

    seed: int
    planted: str = ""
    rows: dict[str, Reply] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.t = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._n = 0
        self.pace = Pace(recover_after=timedelta(seconds=26)) if self.planted == "look-early" else PACE
        self._faulty = self.chance.choice((0.05, 0.2, 0.5))  # how much goes wrong in this one
        self._refuses_duplicates = self.chance.random() < 0.5  # the protocol must not need it

    def run(self) -> list[str]:
        """Every promise it broke."""
        for n in range(1 + (self.chance.random() < 0.3) + (self.chance.random() < 0.1)):
            self._at(self.chance.uniform(0, 5 if n < 2 else 400), partial(self._ask, n))
        if self.chance.random() < 0.1:
            self._at(self.chance.uniform(0, 400), self._cancel)
        if self.chance.random() < 0.05:
            self._at(self.chance.uniform(0, 400), self._by_hand)
        while self._events and self.t < LONGEST:
            self.t, _, act = heapq.heappop(self._events)
            act()
        return list(self._broken())

    def _broken(self) -> Iterator[str]:
        ours = [post for post in self.posts if post.by_us]
        if len(ours) > 1:
            yield f"double: {len(ours)} posts"
        ids = {post.id for post in self.posts}
        texts = {post.text for post in ours}
        for reply in self.rows.values():
            self.seen[f"ended {reply.state}"] += 1
            if reply.state in ("queued", "sending", "unknown"):
                yield f"lost: still {reply.state}"
            if reply.state == "posted" and reply.own_post_id not in ids:
                yield "posted, and the network does not hold it"
            if reply.state in ("refused", "manual_required", "canceled") and reply.text in texts:
                yield f"{reply.state}, and the network holds it"
        if len({reply.own_post_id for reply in self.rows.values() if reply.own_post_id}) < sum(
            reply.state == "posted" for reply in self.rows.values()
        ):
            yield "one post is two replies"

    # --- the clock

    @property
    def _now(self) -> datetime:
        return NOON + timedelta(seconds=self.t)

    def _at(self, t: float, act: Callable[[], None]) -> None:
        self._n += 1
        heapq.heappush(self._events, (t, self._n, act))

    def _goes_wrong(self, what: str, share: float = 0.5) -> bool:
        wrong = self.t < QUIET_AFTER and self.chance.random() < self._faulty * share
        if wrong:
            self.seen[what] += 1
        return wrong

    # --- people

    def _ask(self, n: int) -> None:
        live = [reply for reply in self.rows.values() if reply.state not in ("refused", "canceled")]
        answer = accept([] if self.planted == "two-at-once" else live, "")
        if not isinstance(answer, Accepted):
            self.seen["taken"] += 1
            return
        asked = Reply(
            id=f"rep_{n}", network="x", in_reply_to="1001", handle="acme", text=f"Answer {n}", state=answer.state,
            created_at=self._now, updated_at=self._now, not_before=self._now, key="k",
        )  # fmt: skip
        self._save(asked)

    def _cancel(self) -> None:
        for reply in list(self.rows.values()):
            canceled = cancel(reply, self._now, "no") if reply.state == "queued" else None
            if canceled is not None:
                self.seen["canceled"] += 1
                self._save(canceled)

    def _by_hand(self) -> None:
        self.posts.append(Post(f"5{len(self.posts)}", "by hand", self.t, self.t, by_us=False))

    # --- the tables: each of these is one transaction

    def _save(self, reply: Reply) -> None:
        """Then both replicas look at it, when it is due, at their own pace."""
        self.rows[reply.id] = reply
        due = {
            "queued": reply.not_before,
            "unknown": reply.look_at,
            "sending": (reply.reserved_at or self._now) + self.pace.recover_after,
        }.get(reply.state)
        if due is not None:
            moment = max((due - NOON).total_seconds(), self.t)
            for _ in range(2):
                self._at(moment + self.chance.random(), self._turn)

    def _turn(self) -> None:
        """One replica's turn: what `Sender` takes in one transaction."""
        now, pace = self._now, self.pace
        for reply in list(self.rows.values()):
            if reply.state == "sending" and reply.reserved_at and reply.reserved_at <= now - pace.recover_after:
                self.seen["doubted"] += 1
                self._save(doubt(reply, now, pace))
                reply = self.rows[reply.id]
            if reply.state == "unknown" and reply.look_at and reply.look_at <= now:
                mine = borrow(reply, now, pace)
                self._save(mine)
                if not self._goes_wrong("crash before a look"):
                    self._at(self.t + self._some_time("freeze before a look"), partial(self._look, mine))
            elif reply.state == "queued" and reply.not_before <= now:
                mine = reserve(reply, now)
                self._save(mine)
                if not self._goes_wrong("crash after the reservation"):
                    wait = self._some_time("freeze after the reservation")
                    self._at(self.t + wait, partial(self._send, mine, self.t))

    def _send(self, reply: Reply, since: float) -> None:
        if self.t - since > self.pace.send_within.total_seconds():
            self.seen["too late to send"] += 1
            self._at(self.t, partial(self._confirm, reply, NotSent("it took too long to begin")))
            return
        frozen = self.t - since < 1 and self._goes_wrong("freeze before the request", 0.2)
        write_at = self.t + (self.chance.uniform(0, FROZEN_SECONDS) if frozen else 0.0)
        slow = self._goes_wrong("slow network")
        arrives = write_at + (self.chance.uniform(0, self.pace.post_limit.total_seconds()) if slow else 0.1)
        self._at(arrives, partial(self._arrive, reply, thaws_late=frozen))

    def _confirm(self, reply: Reply, exchange: Exchange) -> None:
        current = self.rows[reply.id]
        if current.fence != reply.fence and self.planted != "no-fence":
            self.seen["fence lost"] += 1
            return
        outcome = classify(exchange, tries=reply.fence, now=self._now, pace=self.pace, chance=self.chance.random())
        if self.planted == "resend" and isinstance(outcome, Unknown):
            outcome = Postponed("again", self._now)
        self._settle(current, outcome)

    def _look(self, reply: Reply) -> None:
        read = not self._goes_wrong("timeline not read")
        timeline = [
            OwnPost(post.id, "1001", f"@jo {post.text}", NOON + timedelta(seconds=post.at))
            for post in self.posts
            if read and post.visible_at <= self.t
        ]
        if self._goes_wrong("crash after a look"):
            return
        self._at(self.t + self._some_time("freeze after a look"), partial(self._conclude, reply, timeline, read))

    def _conclude(self, reply: Reply, timeline: Sequence[OwnPost], read: bool) -> None:
        current = self.rows[reply.id]
        if current.version != reply.version:
            self.seen["look overtaken"] += 1
            return
        claimed = {row.own_post_id for row in self.rows.values() if row.own_post_id}
        found = recovery.find(current, timeline, claimed)
        outcome = recovery.after_look(current, found, read=read, now=self._now, pace=self.pace)
        if self.planted == "no-look":
            outcome = Postponed("it is not there", self._now)
        self._settle(current, outcome)

    def _settle(self, reply: Reply, outcome: Outcome) -> None:
        self.seen[type(outcome).__name__] += 1
        after = settle(reply, outcome, self._now, self.pace)
        if after is not None:
            self._save(after)

    # --- the network

    def _arrive(self, reply: Reply, *, thaws_late: bool) -> None:
        exchange = self._exchange(reply)
        wait = self._some_time("freeze before the confirmation") if not thaws_late else 0.1
        if self._goes_wrong("database away at the confirmation", 0.3):
            wait += self.chance.uniform(0, 600)
        if not self._goes_wrong("crash before the confirmation"):
            self._at(self.t + wait, partial(self._confirm, reply, exchange))

    def _exchange(self, reply: Reply) -> Exchange:
        """What the network does with the request, and what its sender hears of it."""
        if self._goes_wrong("not reached"):
            return NotSent("ConnectError")
        if self._goes_wrong("too many"):
            reset = int(NOON.timestamp() + self.t + self.chance.uniform(1, 900))
            return Answered(429, {"x-rate-limit-reset": str(reset)})
        if self._goes_wrong("refused", 0.1):
            return Answered(self.chance.choice((400, 401, 404, 422)))
        if self._goes_wrong("not allowed", 0.1):
            return Answered(403, {}, {"detail": "Reply to this conversation is not allowed"})
        if self._goes_wrong("error without a post"):
            return self.chance.choice((Answered(503), Lost("ReadError")))
        if self._refuses_duplicates and any(post.text == reply.text and self.t - post.at < 900 for post in self.posts):
            self.seen["duplicate refused"] += 1
            return Answered(403, {}, {"detail": "You are not allowed to create a Tweet with duplicate content."})
        late = self.chance.uniform(0, LAG_SECONDS) if self._goes_wrong("late timeline") else 0.0
        post = Post(f"9{len(self.posts)}", reply.text, self.t, self.t + late, by_us=True)
        self.posts.append(post)
        if self._goes_wrong("answer lost"):
            return Lost("ReadTimeout")
        if self._goes_wrong("error after the post"):
            return Answered(503)
        return Answered(201, {}, {"data": {"id": post.id}})

    def _some_time(self, what: str) -> float:
        frozen = self.chance.uniform(0, FROZEN_SECONDS) if self._goes_wrong(what) else 0.0
        return 0.05 + frozen


def prove(seeds: Sequence[int], planted: str = "") -> tuple[int, list[tuple[int, str]], Counter[str]]:
    """How many schedules were run, what was broken in which, and how often each thing happened."""
    broken: list[tuple[int, str]] = []
    seen: Counter[str] = Counter()
    for seed in seeds:
        schedule = Schedule(seed, planted)
        broken += [(seed, what) for what in schedule.run()]
        seen.update(schedule.seen)
    return len(seeds), broken, seen


def main() -> int:
    """Run so many schedules over all processes; 1 when one of them broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.posting", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--planted", choices=PLANTED, default="", help="with a mistake that has to be found")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.schedules)
    parts = [seeds[n : n + 2000] for n in range(0, len(seeds), 2000)]
    began, n = time.monotonic(), 0
    broken: list[tuple[int, str]] = []
    seen: Counter[str] = Counter()
    with multiprocessing.Pool(given.processes) as pool:
        for ran, wrong, happened in pool.imap_unordered(partial(prove, planted=given.planted), parts):
            n += ran
            broken += wrong
            seen.update(happened)
            if n % 200_000 == 0:
                print(f"{n:,} schedules, {len(broken)} broken, {n / (time.monotonic() - began):,.0f}/s", flush=True)
    seconds = time.monotonic() - began
    print(f"{n:,} schedules (seeds {seeds[0]} to {seeds[-1]}) in {seconds:.0f} s: {len(broken)} promises broken")
    for what, times in sorted(seen.items()):
        print(f"  {times:>12,} {what}")
    for seed, what in broken[:20]:
        print(f"  seed {seed}: {what}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
