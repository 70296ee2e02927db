"""Mentions at a steady rate through a balancer, with a ledger of what was acknowledged and of what was answered."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from bench.posts import HANDLE, NETWORK, Posts
from tests.proof.fleet import JSON, Fleet, Replica
from tests.proof.house import eventually

TICK_SECONDS = 0.02
RETRY_SECONDS = 0.2
PATIENCE = 120.0


class Answer(NamedTuple):
    """One answer to the caller. Status 0: the connection was lost, which callers have to try again."""

    at: datetime
    status: int
    seconds: float


@dataclass
class Load:
    """What is sent and what came of it."""

    fleet: Fleet
    rate: int
    seed: int = 1
    accepted: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # an answer that no caller could do anything with

    async def until(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait until everything that was begun is accepted."""
        posts = Posts(self.seed)
        each = max(1, round(self.rate * TICK_SECONDS))
        under_way: set[asyncio.Task[None]] = set()
        began, sent = time.monotonic(), 0
        while not stop.is_set():
            task = asyncio.create_task(self._deliver(posts.payloads(each)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            sent += each
            await asyncio.sleep(max(0.0, began + sent / self.rate - time.monotonic()))
        if under_way:
            await asyncio.wait(under_way, timeout=PATIENCE)

    async def _deliver(self, payloads: Sequence[bytes]) -> None:
        ids = [str(json.loads(payload)["id"]) for payload in payloads]
        body = b"[" + b",".join(payloads) + b"]"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            began = time.monotonic()
            answer = await self.fleet.call("ingest", "POST", "/v1/mentions", body)
            status = 0 if answer is None else answer.status_code
            self.answers.append(Answer(datetime.now(UTC), status, time.monotonic() - began))
            if answer is not None and answer.is_success:
                said = answer.json()
                if said["rejected"]:
                    self.wrong.append(f"rejected: {said['rejected'][0]}")
                self.accepted.update(ids)
                return
            if answer is not None and not (status == 503 and "retry-after" in answer.headers):
                self.wrong.append(f"{status}: {answer.text[:200]}")
            await asyncio.sleep(RETRY_SECONDS)
        self.wrong.append("not accepted in time")

    def between(self, since: datetime, until: datetime) -> tuple[Counter[int], list[float]]:
        """How often which status was answered in this span, and how many ms each answer took."""
        within = [answer for answer in self.answers if since <= answer.at < until]
        return Counter(answer.status for answer in within), [answer.seconds * 1000 for answer in within]


async def make_handle(load: Load) -> None:
    """The handle that the mentions are to; returns when every replica of ingest has heard of it."""
    body = json.dumps({"network": NETWORK, "username": HANDLE}).encode()
    answer = await load.fleet.call("ingest", "PUT", f"/v1/handles/{HANDLE}", body)
    assert answer is not None
    assert answer.is_success, answer.text
    [payload] = Posts(load.seed + 1).payloads(1)

    async def knows(replica: Replica) -> bool:
        answer = await load.fleet.http.post(f"{replica.url}/v1/mentions", content=b"[" + payload + b"]", headers=JSON)
        return answer.is_success

    for replica in load.fleet.replicas:
        if replica.service == "ingest":
            await eventually("the handle being known", partial(knows, replica), 30)
    load.accepted.add(str(json.loads(payload)["id"]))
