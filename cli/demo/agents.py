"""The simulated agents: each fills its hands, answers the most urgent first, and now and then has a break.

Over REST only, as any tool would.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.demo.cast import Cast, Player, answer, pick, thinking_seconds
from cli.demo.snapshot import URGENCIES, AgentView, AnswerView
from cli.house import House
from cli.trouble import Away, Refused, Trouble
from cli.waiting import pause
from cli.words import clean

Json = Mapping[str, Any]

IDLE_SECONDS = 0.7  # between two looks at empty queues
AWAY_SECONDS = 1.0  # after something that did not work
BREAK_AFTER = 40  # answers, give or take
BREAK_SECONDS = 10.0
TRIES = 20


@dataclass
class Agent:
    """One of them at work."""

    house: House
    cast: Cast
    player: Player
    names: Mapping[str, str]  # user name -> how the author wants to be called
    told: deque[AnswerView]  # the last answers of all agents, newest first
    haste: float = 1.0  # 2 is twice as fast as usual
    doing: str = ""
    presence: str = "available"
    _queues: list[str] = field(default_factory=list)
    _hands: list[Json] = field(default_factory=list)  # items with their mentions
    _seen: set[str] = field(default_factory=set)  # items that are or were in these hands
    _answered: int = 0
    _written: set[str] = field(default_factory=set)  # a network refuses the same text twice

    @property
    def view(self) -> AgentView:
        """For the screen."""
        more = f" (+{len(self._hands)})" if self.doing and self._hands else ""
        return AgentView(self.player.slug, self.doing + more, self.presence)

    async def set_up(self) -> None:
        """Be known and there; what an earlier run left in hand goes back with its age."""
        slug = self.player.slug
        body = {
            "name": self.player.name,
            "team": "main",
            "skills": list(self.player.skills),
            "capacity": self.player.capacity,
        }
        await self.house.ask("router", "PUT", f"/v1/agents/{slug}", body=body)
        await self._be("available")
        left: dict[str, str | int] = {"agent": slug, "state": "assigned", "limit": 200}
        for item in (await self.house.ask("router", "GET", "/v1/work-items", params=left))["items"]:
            await self._change(item["id"], "release", "restarted")
        known = (await self.house.ask("router", "GET", "/v1/queues"))["items"]
        own = [queue["queue"] for queue in known if self.player.languages & set(queue.get("languages", []))]
        self._queues = own + [queue["queue"] for queue in known if not queue.get("languages")]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop. What is in hand then goes back at the next start."""
        while not stop.is_set():
            try:
                await self._fill()
                if not self._hands:
                    self.doing = ""
                    await pause(stop, IDLE_SECONDS / self.haste)
                    continue
                await self._one(self._hands.pop(0), stop)
                if pick(f"{self.player.slug}{self._answered}", BREAK_AFTER) == 0:
                    await self._break(stop)
            except Trouble as trouble:
                self.doing = str(trouble)
                await pause(stop, AWAY_SECONDS)

    async def _fill(self) -> None:
        """Take items until the hands are full or nothing waits; then look what was put into them."""
        body = {"agent": self.player.slug, "queues": self._queues}
        while True:
            try:
                taken = await self.house.ask("router", "POST", "/v1/work-items/take-next", body=body)
            except Refused as refused:
                if refused.status != 409:  # no room
                    raise
                break
            if taken is None:
                break
            self._take(taken)
        await self._find_given()

    async def _find_given(self) -> None:
        """Customers who came back were given to the agent they know: nobody else answers them."""
        held: dict[str, str | int] = {"agent": self.player.slug, "state": "assigned", "limit": 200}
        for item in (await self.house.ask("router", "GET", "/v1/work-items", params=held))["items"]:
            if item["id"] not in self._seen:
                self._take({"item": item, "mention": await self._said_last(item["conversation_id"])})

    async def _said_last(self, conversation: str) -> Json | None:
        lines = (await self.house.ask("router", "GET", f"/v1/conversations/{conversation}/timeline"))["items"]
        theirs = [line for line in lines if line.get("side") == "customer" and line.get("text")]
        if not theirs:
            return None
        where = f"/v1/mentions/{theirs[-1]['network']}/{theirs[-1]['post_id']}"
        mention: Json = await self.house.ask("router", "GET", where)
        return mention

    def _take(self, taken: Json) -> None:
        self._seen.add(taken["item"]["id"])
        self._hands.append(taken)
        self._hands.sort(key=lambda each: (URGENCIES.index(each["item"]["urgency"]), each["item"]["enqueued_at"]))

    async def _one(self, taken: Json, stop: asyncio.Event) -> None:
        item, mention = taken["item"], taken["mention"]
        if mention is None:  # deleted meanwhile
            await self._change(item["id"], "complete", "gone")
            return
        self.doing = f"writes to @{clean(mention['author_username'] or mention['author_id'])}"
        await pause(stop, thinking_seconds(self.player, item["id"], self.haste))
        if not stop.is_set():
            await self._answer(item, mention)

    async def _answer(self, item: Json, mention: Json) -> None:
        username = str(mention["author_username"] or "")
        name = self.names.get(username, "") or username
        text = answer(self.cast, self.player, mention["labels"], name, username, item["id"], self._written)
        self._written.add(text)
        reply = {
            "network": mention["network"],
            "post_id": mention["post_id"],
            "text": text,
            "agent": self.player.slug,
            "item_id": item["id"],
        }
        state = await self._send(reply, item["id"])
        if state not in ("queued", "sending", "posted"):  # no network of ours: a person would answer by hand
            await self._change(item["id"], "complete", "by_hand")
            return
        self._answered += 1
        took = datetime.now(UTC) - datetime.fromisoformat(mention["posted_at"])
        question = clean(mention["text"])
        self.told.appendleft(
            AnswerView(
                clean(username or "?"), mention["handle"], question, self.player.slug, clean(text), took.total_seconds()
            )
        )

    async def _send(self, reply: Json, key: str) -> str:
        """Hand the reply in until it is taken, and say what became of it."""
        headers = {"Idempotency-Key": key, "Prefer": "wait=5"}
        for _ in range(TRIES):
            try:
                told = await self.house.ask("responder", "POST", "/v1/replies", body=reply, headers=headers)
            except Refused as refused:
                if refused.status != 404:  # 404: routed, and the responder has not heard of it yet
                    return "refused"
                await asyncio.sleep(0.2)
            except Away:
                await asyncio.sleep(AWAY_SECONDS)
            else:
                return str(told["state"])
        return "refused"

    async def _change(self, item_id: str, how: str, reason: str) -> None:
        try:
            await self.house.ask("router", "POST", f"/v1/work-items/{item_id}/{how}", body={"reason": reason})
        except Refused as refused:
            if refused.status != 409:  # settled meanwhile
                raise

    async def _break(self, stop: asyncio.Event) -> None:
        await self._be("away")
        self.doing = "has a break"
        await pause(stop, BREAK_SECONDS / self.haste)
        await self._be("available")

    async def _be(self, presence: str) -> None:
        path = f"/v1/agents/{self.player.slug}/presence"
        await self.house.ask("router", "PUT", path, body={"presence": presence})
        self.presence = presence
