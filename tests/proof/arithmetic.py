"""What must come of a file of posts, worked out from the file alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path


@dataclass(frozen=True)
class Expected:
    """What a house must hold after a replay."""

    mentions: frozenset[str]  # ids of customers' posts
    own_posts: frozenset[str]  # ids of our handles' posts
    latencies_seconds: tuple[float, ...]  # one per answered mention, rising

    def percentile(self, share: float) -> float:
        """Nearest rank."""
        return nearest_rank(self.latencies_seconds, share)


def nearest_rank(rising: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    return rising[max(0, ceil(share * len(rising)) - 1)]


def brands_in(users: Path) -> set[str]:
    """The ids of our handles in a file of users."""
    rows = map(json.loads, users.read_text(encoding="utf-8").splitlines())
    return {row["id"] for row in rows if row.get("verified_brand")}


def expected(file: Path, brands: set[str]) -> Expected:
    """The earliest direct answer of any of our handles, from the network's own times."""
    posted: dict[str, datetime] = {}
    ours: set[str] = set()
    answers: list[tuple[str, datetime]] = []
    for post in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        at = datetime.fromisoformat(post["created_at"])
        posted[post["id"]] = at
        if post["author_id"] not in brands:
            continue
        ours.add(post["id"])
        for reference in post.get("referenced_tweets", ()):
            if reference["type"] == "replied_to":
                answers.append((reference["id"], at))
    first: dict[str, datetime] = {}
    for mention, at in answers:
        if mention in posted and mention not in ours:
            first[mention] = min(at, first.get(mention, at))
    latencies = sorted((at - posted[mention]).total_seconds() for mention, at in first.items())
    return Expected(frozenset(posted.keys() - ours), frozenset(ours), tuple(latencies))
