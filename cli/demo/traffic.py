"""The demo's posts: a script of six hours, moved to now. The first part is the past, the rest comes live, for ever.

Pure: times come in as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli import posts
from cli.posts import Handle
from cli.trouble import Trouble

Post = dict[str, Any]

HISTORY_SHARE = 2 / 3
HISTORY_ENDS = timedelta(seconds=40)  # before now
SHORTEST_GAP, LONGEST_GAP = 0.25, 2.5  # seconds between two live posts at the usual speed: always moving, never a flood
USUAL_SPEED = 60.0

_EPOCH_MS = 1288834974657  # of snowflake ids, 2010-11-04
_SALT = (1 << 22) - 1


@dataclass(frozen=True)
class Script:
    """All posts in their order, and who wrote them."""

    posts: Sequence[Post]
    users: Mapping[str, Post]  # by id
    brands: Sequence[Handle]

    @property
    def brand_ids(self) -> frozenset[str]:
        """The authors that are our own handles."""
        return frozenset(handle.external_id for handle in self.brands)

    @property
    def history(self) -> Sequence[Post]:
        """What happened before the demo started, our own answers of that time with it."""
        return self.posts[: round(len(self.posts) * HISTORY_SHARE)]

    @property
    def live(self) -> Sequence[Post]:
        """What comes while it runs, without our own answers: the agents write those."""
        return self._customers(self.posts[round(len(self.posts) * HISTORY_SHARE) :])

    @property
    def again(self) -> Sequence[Post]:
        """What comes in every round after the first: all of it."""
        return self._customers(self.posts)

    def round(self, number: int) -> Sequence[Post]:
        """The live posts of a round, counted from 0."""
        return self.live if number == 0 else self.again

    def _customers(self, some: Sequence[Post]) -> Sequence[Post]:
        return [post for post in some if post["author_id"] not in self.brand_ids]

    def user(self, author_id: str) -> Post:
        """An author as X includes one beside a post."""
        known = self.users.get(author_id, {})
        user: Post = {
            "id": author_id,
            "username": known.get("username", author_id),
            "name": known.get("name", author_id),
            "verified": bool(known.get("verified_brand", False)),
        }
        if "followers" in known:
            user["public_metrics"] = {"followers_count": known["followers"]}
        return user


def read_script(folder: Path) -> Script:
    """The script of a folder.

    Raises:
        Trouble: it is not there.
    """
    file = folder / "traffic.ndjson"
    if not file.exists():
        raise Trouble(f"the demo's posts are not where they belong: {file}; is the installation complete?")
    beside = posts.users_beside(file)
    users = {str(line.post["id"]): line.post for line in posts.read(beside) if line.post}
    told = [line.post for line in posts.read(file) if line.post]
    return Script(told, users, posts.brands_in(beside))


def snowflake(moment: datetime, original: str) -> str:
    """A fresh id that says this time, as X's do; two posts of one millisecond still differ."""
    ms = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) - _EPOCH_MS
    return str((ms << 22) | (int(original) & _SALT))


@dataclass
class Stamps:
    """The fresh ids of a round's posts, so that answers still point to what they answer."""

    ids: dict[str, str] = field(default_factory=dict)  # the script's -> ours

    def stamp(self, post: Post, moment: datetime) -> Post:
        """The post as if it had been written at this moment."""
        self.ids[post["id"]] = fresh = snowflake(moment, post["id"])
        stamped = posts.at(post, moment) | {"id": fresh}
        if "conversation_id" in post:
            stamped["conversation_id"] = self.ids.get(post["conversation_id"], post["conversation_id"])
        if "referenced_tweets" in post:
            stamped["referenced_tweets"] = [
                {**each, "id": self.ids.get(each["id"], each["id"])} for each in post["referenced_tweets"]
            ]
        return stamped


def past(script: Script, stamps: Stamps, now: datetime) -> list[Post]:
    """The history, ending a moment ago: the same gaps as in the script."""
    if not script.history:
        return []
    ended = posts.time_of(script.history[-1])
    by = now - HISTORY_ENDS - ended if ended else timedelta()
    return [stamps.stamp(post, (posts.time_of(post) or now) + by) for post in script.history]


def gap_seconds(before: Post | None, post: Post, speed: float) -> float:
    """How long after the one before a live post comes: the script's gap, faster, and neither flood nor silence."""
    here, there = posts.time_of(post), posts.time_of(before) if before else None
    written = (here - there).total_seconds() if here and there else USUAL_SPEED
    usual = min(max(written / USUAL_SPEED, SHORTEST_GAP), LONGEST_GAP)
    return usual * USUAL_SPEED / speed


def delivery(script: Script, post: Post) -> Post:
    """The post as X delivers it, its author beside it."""
    return {"data": post, "includes": {"users": [script.user(post["author_id"])]}}
