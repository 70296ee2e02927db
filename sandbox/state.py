"""What the sandbox network knows: accounts, posts, limits, the faults it was asked for, and a ledger of it all."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

TOKEN_PREFIX = "sandbox-"  # the rest of such a token is the account's name  # noqa: S105
DEFAULT_ACCOUNT = "brand"

_SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
_LARGEST_ID = 2**63 - 1

FaultKind = Literal["error", "error_after_posting", "no_answer", "rate_limited", "late_timeline"]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who posts."""

    id: str
    username: str


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `received`: it came over the API, not from whoever set the scene."""

    id: str
    text: str
    author_id: str
    username: str
    created_at: datetime
    conversation_id: str
    in_reply_to: str = ""
    received: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one of the next requests, `on` a post or a read."""

    kind: FaultKind
    on: Literal["post", "read"] = "post"
    status: int = 503
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the network allows an account."""

    posts: int = 10_000
    window: timedelta = timedelta(minutes=15)
    duplicates_within: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of an account's window."""

    limit: int
    remaining: int
    reset_at: datetime


class Refused(Exception):
    """The network does not take this post: a problem in its own shape."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"title": title, "status": status, "type": "about:blank", "detail": detail}


class Network:
    """All of it in memory; with a ledger it comes back after a restart."""

    def __init__(self, ledger: Path | None, clock: Callable[[], datetime], limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._posts: dict[str, Post] = {}
        self._by_author: dict[str, list[Post]] = {}
        self._received: list[Post] = []
        self._per_reply: Counter[str] = Counter()
        self._visible_at: dict[str, datetime] = {}
        self._texts: dict[tuple[str, str, str], datetime] = {}  # see `_same` -> when it was last posted
        self._taken: dict[str, deque[datetime]] = {}
        self._faults: dict[tuple[str, bool], deque[Fault]] = {}  # on what, late or not -> those to come
        self._last_id = 0
        self.attempts = 0
        self._ledger = ledger
        if ledger is not None:
            ledger.parent.mkdir(parents=True, exist_ok=True)
            for post in _read(ledger):
                self._keep(post)

    # --- what clients do

    def post(self, account: Account, text: str, in_reply_to: str) -> Post:
        """Take a post.

        Raises:
            Refused: not this text, or not now.
        """
        now = self._clock()
        whole = self._addressed(text, in_reply_to)
        said_at = self._texts.get(self._same(account.id, whole, in_reply_to))
        if said_at is not None and now - said_at < self._limits.duplicates_within:
            raise Refused(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content.")
        if self.quota(account).remaining == 0:
            raise Refused(429, "Too Many Requests", "Too Many Requests")
        self._taken[account.id].append(now)
        parent = self._posts.get(in_reply_to)
        id_ = self._next_id(now, after=in_reply_to)
        thread = (parent.conversation_id if parent else in_reply_to) or id_
        post = Post(id_, whole, account.id, account.username, now, thread, in_reply_to, received=True)
        if late := self.fault("post", late=True):
            self._visible_at[id_] = now + timedelta(seconds=late.seconds)
        self._keep(post)
        self._write([post])
        return post

    def quota(self, account: Account) -> Quota:
        """How many posts the account has left, and until when."""
        now = self._clock()
        taken = self._taken.setdefault(account.id, deque())
        while taken and now - taken[0] >= self._limits.window:
            taken.popleft()
        reset_at = (taken[0] if taken else now) + self._limits.window
        return Quota(self._limits.posts, max(0, self._limits.posts - len(taken)), reset_at)

    def find(self, id_: str) -> Post | None:
        """The post, once anyone may see it."""
        post = self._posts.get(id_)
        return post if post is not None and self._clock() >= self._visible_at.get(id_, post.created_at) else None

    def timeline(self, account_id: str, *, since_id: int, until_id: int, most: int) -> tuple[list[Post], bool]:
        """An account's posts with since_id < id < until_id, newest first; and whether there are more."""
        found = [
            post
            for post in self._by_author.get(account_id, ())
            if since_id < int(post.id) < until_id and self.find(post.id) is not None
        ]
        found.sort(key=lambda post: int(post.id), reverse=True)
        return found[:most], len(found) > most

    # --- what whoever sets the scene does

    def seed(self, posts: Sequence[Post]) -> None:
        """Posts of other people (or earlier ones of ours); one whose id is known is passed over."""
        new = list({post.id: post for post in posts if post.id not in self._posts}.values())
        for post in new:
            self._keep(post)
        self._write(new)

    def plant(self, faults: Iterable[Fault]) -> None:
        """These befall the next requests, in this order; a late timeline beside whatever else befalls the post."""
        for fault in faults:
            self._faults.setdefault((fault.on, fault.kind == "late_timeline"), deque()).append(fault)

    def fault(self, on: Literal["post", "read"], *, late: bool = False) -> Fault | None:
        """What befalls this request."""
        waiting = self._faults.get((on, late))
        return waiting.popleft() if waiting else None

    def received(self, most: int, in_reply_to: str | None = None) -> list[Post]:
        """What came over the API, newest first."""
        wanted = (post for post in reversed(self._received) if in_reply_to in (None, post.in_reply_to))
        return [post for post, _ in zip(wanted, range(most), strict=False)]

    def counts(self) -> tuple[int, Mapping[str, int]]:
        """How many posts came over the API, and how many answer each post."""
        return len(self._received), dict(self._per_reply)

    def threads(self, most: int) -> list[tuple[str, list[Post]]]:
        """The latest threads by id, each oldest first."""
        threads: dict[str, list[Post]] = {}
        for post in self._posts.values():
            threads.setdefault(post.conversation_id, []).append(post)
        latest = sorted(threads.items(), key=lambda thread: max(post.created_at for post in thread[1]), reverse=True)
        return [(id_, sorted(posts, key=lambda post: (post.created_at, post.id))) for id_, posts in latest[:most]]

    def next_id(self) -> str:
        """An id for a post that came without one."""
        return self._next_id(self._clock(), after="")

    # --- inside

    def _addressed(self, text: str, in_reply_to: str) -> str:
        """The network writes the name of the person answered in front, where it knows the post."""
        parent = self._posts.get(in_reply_to)
        if parent is None or text.lower().startswith(f"@{parent.username.lower()} "):
            return text
        return f"@{parent.username} {text}"

    def _same(self, author_id: str, text: str, in_reply_to: str) -> tuple[str, str, str]:
        """What makes two posts duplicates: the same words to the same person.

        Where we do not know whom a post answers, its id stands for the name that is missing in front.
        """
        return author_id, text, "" if in_reply_to in self._posts else in_reply_to

    def _next_id(self, now: datetime, *, after: str) -> str:
        """A snowflake of this moment, above every id known here: an answer always follows what it answers."""
        milliseconds = int(now.timestamp() * 1000)
        moment = max(milliseconds - _SNOWFLAKE_EPOCH_MS, 1) << 22
        known = int(after) if after.isdecimal() and int(after) < _LARGEST_ID else 0
        self._last_id = max(moment, self._last_id + 1, known + 1)
        return str(self._last_id)

    def _keep(self, post: Post) -> None:
        self._posts[post.id] = post
        self._by_author.setdefault(post.author_id, []).append(post)
        self._last_id = max(self._last_id, int(post.id))
        if post.received:
            self._received.append(post)
            self._per_reply[post.in_reply_to] += bool(post.in_reply_to)
            self._texts[self._same(post.author_id, post.text, post.in_reply_to)] = post.created_at

    def _write(self, posts: Sequence[Post]) -> None:
        """Given to the system before anybody hears of it: it outlives us, though not the machine."""
        if self._ledger is not None and posts:
            with self._ledger.open("a", encoding="utf-8") as file:
                file.writelines(_line(post) for post in posts)


def account_of(token: str) -> Account:
    """Whom a token lets post: `sandbox-acme` the account `acme`, any other the account `brand`."""
    name = token.removeprefix(TOKEN_PREFIX) if token.startswith(TOKEN_PREFIX) else ""
    return account_named(name or DEFAULT_ACCOUNT)


def account_named(name: str) -> Account:
    """The account of this name; its id follows from it."""
    return Account(str(int.from_bytes(blake2b(name.lower().encode(), digest_size=7).digest())), name)


def _line(post: Post) -> str:
    return json.dumps(asdict(post) | {"created_at": post.created_at.isoformat()}, ensure_ascii=False) + "\n"


def _read(ledger: Path) -> list[Post]:
    """The posts of a ledger. A last line that was never finished is cut off: nobody was told of it."""
    if not ledger.exists():
        return []
    content = ledger.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with ledger.open("r+b") as file:
            file.truncate(len(whole))
    return [_post(json.loads(line)) for line in whole.splitlines()]


def _post(fields: dict[str, Any]) -> Post:
    created_at = datetime.fromisoformat(fields["created_at"]).astimezone(UTC)
    return Post(**{**fields, "created_at": created_at})
