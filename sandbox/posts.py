"""Posts: what one is, and all there are."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.text import mentioned


@dataclass(frozen=True, slots=True)
class Post:
    """One version of a post. `received`: it came over the API, not from whoever set the scene.

    `quotes` is the post it quotes. `edit_of` is the first version's id, empty for the first itself. So many
    characters in front as `implicit` says are the name the network wrote there itself.
    """

    id: str
    text: str
    author_id: str
    username: str
    created_at: datetime
    conversation_id: str
    in_reply_to: str = ""
    received: bool = False
    quotes: str = ""
    edit_of: str = ""
    implicit: int = 0

    @property
    def first_id(self) -> str:
        """The id of its first version."""
        return self.edit_of or self.id

    @property
    def written(self) -> str:
        """What its author wrote."""
        return self.text[self.implicit :]

    def as_line(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self) | {"created_at": self.created_at.isoformat()}


def from_line(fields: dict[str, Any]) -> Post:
    """Out of the ledger."""
    return Post(**{**fields, "created_at": datetime.fromisoformat(fields["created_at"]).astimezone(UTC)})


class Posts:
    """All there are, with the ways they are looked for."""

    def __init__(self) -> None:
        self._all: dict[str, Post] = {}
        self._by_author: dict[str, list[Post]] = {}
        self._mentions: dict[str, list[Post]] = {}
        self._histories: dict[str, list[str]] = {}
        self._gone: set[str] = set()

    def keep(self, post: Post) -> None:
        """One more."""
        self._all[post.id] = post
        self._by_author.setdefault(post.author_id, []).append(post)
        for name in set(mentioned(post.written)):
            self._mentions.setdefault(name, []).append(post)
        if post.edit_of:
            self._histories.setdefault(post.edit_of, [post.edit_of]).append(post.id)

    def delete(self, post: Post) -> list[Post]:
        """All its versions are gone; which they were."""
        versions = [found for id_ in self.history(post) if (found := self._all.pop(id_, None))]
        self._gone.update(version.id for version in versions)
        for version in versions:
            self._by_author[version.author_id].remove(version)
            for name in set(mentioned(version.written)):
                self._mentions[name].remove(version)
        return versions

    def get(self, id_: str) -> Post | None:
        """The post of this id, whoever may see it."""
        return self._all.get(id_)

    def is_gone(self, id_: str) -> bool:
        """Whether it was here and was deleted."""
        return id_ in self._gone

    def history(self, post: Post) -> Sequence[str]:
        """The ids of all its versions, oldest first."""
        return self._histories.get(post.first_id, [post.id])

    def is_latest(self, post: Post) -> bool:
        """Whether nothing came after this version."""
        return self.history(post)[-1] == post.id

    def by(self, account_id: str) -> Sequence[Post]:
        """What an account posted."""
        return self._by_author.get(account_id, ())

    def mentioning(self, username: str) -> Sequence[Post]:
        """What names this account in what its author wrote."""
        return self._mentions.get(username.lower(), ())

    def threads(self, most: int) -> list[tuple[str, list[Post]]]:
        """The latest threads by id, each oldest first; every post in its latest version, where its first one was."""
        threads: dict[str, list[Post]] = {}
        for post in self:
            if self.is_latest(post):
                threads.setdefault(post.conversation_id, []).append(post)
        latest = sorted(threads.items(), key=lambda thread: max(post.created_at for post in thread[1]), reverse=True)
        return [(id_, sorted(posts, key=self._place)) for id_, posts in latest[:most]]

    def _place(self, post: Post) -> tuple[datetime, int]:
        first = self._all.get(post.first_id, post)
        return first.created_at, int(first.id)

    def __iter__(self) -> Iterator[Post]:
        return iter(self._all.values())
