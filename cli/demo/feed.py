"""Brings the demo's posts to ingest: the past at once, the present one by one, and remembers how far it came."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cli import posts
from cli.demo.traffic import Post, Script, Stamps, delivery, gap_seconds, past
from cli.house import House
from cli.trouble import Away
from cli.waiting import pause

AGAIN_SECONDS = 0.5
BATCH = 400
NETWORK = "x"


@dataclass
class Progress:
    """How far the traffic came, kept in the data folder so that the next start goes on there."""

    file: Path
    seeded: bool = False
    round: int = 0
    next: int = 0
    ids: dict[str, str] = field(default_factory=dict)  # of the round: the script's -> ours
    sent: int = 0

    @classmethod
    def load(cls, data: Path) -> "Progress":
        """As the last run left it; from the beginning where there was none."""
        file = data / "demo.json"
        try:
            return cls(file, **json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(file)

    def keep(self) -> None:
        """Remember."""
        content = {name: value for name, value in vars(self).items() if name != "file"}
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(content), "utf-8")
        beside.replace(self.file)


class Feed:
    """The posts of a script, into a house."""

    def __init__(self, house: House, script: Script, progress: Progress, speed: float) -> None:
        self._house = house
        self._script = script
        self._progress = progress
        self._speed = speed
        self._stamps = Stamps(progress.ids)
        self._lately: deque[float] = deque()

    @property
    def sent(self) -> int:
        """Posts handed in, over all runs."""
        return self._progress.sent

    @property
    def last_minute(self) -> int:
        """Posts handed in during the last minute."""
        since = time.monotonic() - 60
        while self._lately and self._lately[0] < since:
            self._lately.popleft()
        return len(self._lately)

    async def set_up(self) -> None:
        """Our handles."""
        for handle in self._script.brands:
            language = str(self._script.users[handle.external_id].get("language", ""))
            body = {
                "network": NETWORK,
                "external_id": handle.external_id,
                "username": handle.username,
                "name": handle.name,
                "purpose": "support",
                "languages": [language] if language else [],
            }
            await self._house.ask("ingest", "PUT", f"/v1/handles/{handle.slug}", body=body)

    async def seed(self) -> None:
        """The past, once."""
        if self._progress.seeded:
            return
        history = past(self._script, self._stamps, datetime.now(UTC))
        for start in range(0, len(history), BATCH):
            await self._send(history[start : start + BATCH])
        self._progress.seeded = True
        self._progress.keep()

    async def run(self, stop: asyncio.Event) -> None:
        """The present, until told to stop."""
        before: Post | None = None
        while not stop.is_set():
            coming = self._script.round(self._progress.round)
            if self._progress.next >= len(coming):
                self._progress.round += 1
                self._progress.next = 0
                self._stamps.ids.clear()
                before = None
                continue
            post = coming[self._progress.next]
            await pause(stop, gap_seconds(before, post, self._speed))
            if stop.is_set():
                return
            try:
                await self._send([self._stamps.stamp(post, datetime.now(UTC))])
            except Away:
                await pause(stop, AGAIN_SECONDS)
                continue
            self._progress.next += 1
            self._progress.keep()
            before = post

    async def _send(self, some: Sequence[Post]) -> None:
        """To the network first, so that there is something to answer to, then to ingest."""
        seeds = [
            {
                "id": post["id"],
                "text": post["text"],
                "username": self._script.user(post["author_id"])["username"],
                "author_id": post["author_id"],
                "created_at": post["created_at"],
                "conversation_id": post.get("conversation_id"),
                "in_reply_to": next((each["id"] for each in post.get("referenced_tweets", ())), ""),
            }
            for post in some
        ]
        await self._house.ask("sandbox", "POST", "/sandbox/posts", body={"posts": seeds})
        lines = b"\n".join(posts.encode(delivery(self._script, post)) for post in some)
        await self._house.hand_in(lines + b"\n", {"shape": "x", "network": NETWORK})
        self._progress.sent += len(some)
        self._lately.extend([time.monotonic()] * len(some))
