"""The judge's books: what came over the API. What was deleted since still came."""

from collections import Counter
from collections.abc import Mapping

from sandbox.posts import Post


class Judge:
    """`attempts` are posts that somebody tried; `calls` tells how often an endpoint was answered how."""

    def __init__(self) -> None:
        self.attempts = 0
        self.calls: Counter[str] = Counter()
        self._received: list[Post] = []
        self._per_reply: Counter[str] = Counter()

    def keep(self, post: Post) -> None:
        """It came over the API."""
        self._received.append(post)
        self._per_reply[post.in_reply_to] += bool(post.in_reply_to)

    def received(self, most: int, in_reply_to: str | None = None) -> list[Post]:
        """What came, newest first."""
        wanted = (post for post in reversed(self._received) if in_reply_to in (None, post.in_reply_to))
        return [post for post, _ in zip(wanted, range(most), strict=False)]

    def counts(self) -> tuple[int, Mapping[str, int]]:
        """How many posts came, and how many answer each post."""
        return len(self._received), dict(self._per_reply)
