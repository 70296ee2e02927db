"""People at work over REST: they come and go, take, accept, claim, answer, give back, and let offers pass."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from libs.common.bus import Bus, Record
from libs.common.errors import Unavailable
from tests.proof.house import eventually
from tests.proof.routing.office import Profile
from tests.proof.routing.routers import Routers
from tests.proof.routing.tape import StoryClock
from tests.proof.routing.traffic import Traffic

BREATH_SECONDS = 0.2  # between two looks of somebody for whom there is nothing to do
TELL_SECONDS = 120
GIVEN = ("take", "claim", "accept")  # acts after which somebody has something more


class Crowd:
    """Everybody at once; `acts` counts what they did and how the house answered."""

    def __init__(
        self, routers: Routers, bus: Bus, traffic: Traffic, people: list[Profile], clock: StoryClock, seed: int
    ) -> None:
        self._routers, self._bus, self._traffic, self._clock = routers, bus, traffic, clock
        self._people = people
        self._chance = random.Random(seed)
        self.acts: Counter[tuple[str, int]] = Counter()
        self.over = asyncio.Event()

    @property
    def given(self) -> int:
        """How many times somebody got something by their own doing."""
        return sum(n for (act, status), n in self.acts.items() if act in GIVEN and status == 200)

    async def work(self) -> None:
        """Until it is over."""
        seeds = [self._chance.random() for _ in self._people]
        await asyncio.gather(
            *(_Somebody(self, each, random.Random(s)).live() for each, s in zip(self._people, seeds, strict=True))
        )

    async def ask(self, act: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """One call, counted.

        Raises:
            AssertionError: an answer that no agent should ever get.
        """
        status, answer = await self._routers.call(method, path, body)
        self.acts[act, status] += 1
        if status in (400, 401, 403, 405, 422, 500):
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return status, answer

    async def reply(self, item: str, agent: str) -> None:
        """An answer of ours goes out, and its event to the log."""
        written = self._traffic.of_item[item]
        await told(self._bus, [self._traffic.reply(written, agent, self._clock.now())])
        self.acts["reply", 200] += 1


class _Somebody:
    """One agent's day."""

    def __init__(self, crowd: Crowd, profile: Profile, chance: random.Random) -> None:
        self._crowd, self._me, self._chance = crowd, profile, chance
        self._presence = "offline"

    async def live(self) -> None:
        while not self._crowd.over.is_set():
            if not await self._act():
                await _breath(self._crowd.over)

    async def _act(self) -> bool:
        """One thing; whether there was one to do."""
        dice = self._chance.random()
        if self._presence != "available":
            return await self._come() if dice < 0.3 else await self._work_off()
        if dice < 0.02:
            return await self._go()
        if dice < 0.40:
            return await self._take()
        if dice < 0.55:
            return await self._offers()
        if dice < 0.60:
            return await self._claim()
        return await self._work_off()

    async def _come(self) -> bool:
        return await self._declare("available", "declared")

    async def _go(self) -> bool:
        presence = self._chance.choice(("away", "finishing", "offline", "offline"))
        reason = self._chance.choice(("declared", "connection_lost")) if presence == "offline" else "declared"
        return await self._declare(presence, reason)

    async def _declare(self, presence: str, reason: str) -> bool:
        body = {"presence": presence, "reason": reason}
        status, _ = await self._crowd.ask("presence", "PUT", f"/v1/agents/{self._me.slug}/presence", body)
        if status == 200:
            self._presence = presence
        return status == 200

    async def _take(self) -> bool:
        body = {"agent": self._me.slug, "queues": list(self._me.asks)}
        status, answer = await self._crowd.ask("take", "POST", "/v1/work-items/take-next", body)
        if status == 409 and answer["type"].endswith("not-available"):
            self._presence = "away"  # two offers went by
        return status == 200

    async def _offers(self) -> bool:
        status, answer = await self._crowd.ask("offers", "GET", f"/v1/agents/{self._me.slug}/offers")
        for offer in answer["items"] if status == 200 else ():
            dice = self._chance.random()
            if dice < 0.85:
                act = "accept" if dice < 0.65 else "reject"
                await self._crowd.ask(act, "POST", f"/v1/reservations/{offer['reservation']}/{act}")
        return status == 200 and bool(answer["items"])

    async def _claim(self) -> bool:
        queue = self._chance.choice(self._me.asks or ("fr", "en", "nord"))
        status, page = await self._crowd.ask("list", "GET", f"/v1/work-items?queue={queue}&state=pending&limit=5")
        if status != 200 or not page["items"]:
            return False
        item = self._chance.choice(page["items"])["id"]
        status, _ = await self._crowd.ask("claim", "POST", f"/v1/work-items/{item}/claim", {"agent": self._me.slug})
        return status == 200

    async def _work_off(self) -> bool:
        """Something with one of those in hand."""
        status, load = await self._crowd.ask("workload", "GET", f"/v1/agents/{self._me.slug}/workload")
        held = [item for item in load["items"] if item["state"] == "assigned"] if status == 200 else []
        if not held:
            return False
        item, dice = self._chance.choice(held)["id"], self._chance.random()
        path = f"/v1/work-items/{item}"
        if dice < 0.70:
            await self._crowd.reply(item, self._me.slug)
        elif dice < 0.82:
            await self._crowd.ask("complete", "POST", f"{path}/complete", {"reason": "done"})
        elif dice < 0.92:
            await self._crowd.ask("release", "POST", f"{path}/release", {"reason": "released"})
        elif dice < 0.96:
            await self._crowd.ask("escalate", "POST", f"{path}/escalate", {"note": "?"})
        else:
            await self._crowd.ask("transfer", "POST", f"{path}/transfer", {"queue": "default", "note": "?"})
        return True


async def _breath(over: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(BREATH_SECONDS):
            await over.wait()
    except TimeoutError:
        pass


async def told(bus: Bus, records: Sequence[Record]) -> None:
    """They are on the log: what is told again after a doubt has the same id and counts once."""

    async def landed() -> bool:
        try:
            await bus.publish(records)
        except Unavailable:
            return False
        return True

    await eventually("the log taking what is told", landed, TELL_SECONDS)
