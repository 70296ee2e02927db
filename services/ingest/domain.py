"""What a post is to us: which handle it concerns, whether it is our own, or why it cannot be taken."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from libs.common.events import MentionReceived, OwnPostReceived, Reach, Summoned, derived_id

Purpose = Literal["support", "country", "brand"]

DEFAULT = "default"  # the handle of posts that name none of ours
LONGEST_TEXT = 25_000  # characters; the longest post of any network we read
LONGEST_RAW_BYTES = 64 * 1024
MOST_BRACKETS = 500  # of a raw payload: above, it may nest more deeply than those who read it later can follow
FIRST_POST_EVER = datetime(2006, 3, 21, tzinfo=UTC)  # of any network we read
FUTURE = timedelta(hours=24)  # how far a network's clock may be ahead of ours

_RANK = {"support": 0, "country": 1, "brand": 2}
_SLUG = re.compile(r"[a-z0-9_-]{1,32}")
# a user name with what may follow it: acme, acme.bsky.social, acme@mastodon.example
_name_at = re.compile(r"\w[\w.\-]{0,99}(?:@[\w.\-]{1,99})?").match


class Person(NamedTuple):
    """Somebody named in a post. A network may tell only one of the two."""

    id: str = ""
    username: str = ""


class Post(msgspec.Struct, kw_only=True, gc=False):
    """A post of any network, as its gateway read it."""

    network: str
    id: str  # the first of its edit history
    version: int = 1
    text: str
    author: Person
    handle: str = ""  # the slug, where the sender says it
    language: str = ""
    posted_at: datetime | None = None
    in_reply_to: str = ""
    answered: str = ""  # id of the person whose post it answers
    named: Sequence[Person] = ()  # whom the network says it names, in order
    carried: Sequence[Person] = ()  # whom it names only because it stands in a thread with them
    written_from: int = 0  # the author's own words begin here, after the names that the thread puts in front
    quoted: str = ""  # id of the person whose post it quotes, where that is known
    summoned: Summoned = ""  # where the sender says it
    thread_id: str = ""
    private: bool = False
    media: bool = False
    reach: Reach = Reach()
    raw: msgspec.Raw = msgspec.Raw(b"null")


class Refused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """This item cannot be taken: where, why, and what to do about it."""

    type: str
    path: str = ""
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """One account of a brand on a network."""

    slug: str
    network: str
    username: str
    external_id: str = ""
    name: str = ""
    purpose: Purpose = "support"
    languages: tuple[str, ...] = ()
    team: str = "main"
    other_ways: tuple[str, ...] = ()
    version: int = 1
    updated_at: datetime = FIRST_POST_EVER


@dataclass(frozen=True, slots=True)
class _Network:
    by_id: dict[str, Handle]
    by_name: dict[str, Handle]


class Handles:
    """All our handles, to be looked up by what a network says. A value: it does not change."""

    def __init__(self, handles: Iterable[Handle] = ()) -> None:
        self.by_slug = {handle.slug: handle for handle in handles}
        self._networks: dict[str, _Network] = {}
        for handle in self.by_slug.values():
            on = self._networks.setdefault(handle.network, _Network({}, {}))
            on.by_name[handle.username.lower()] = handle
            if handle.external_id:
                on.by_id[handle.external_id] = handle

    def of(self, network: str, person: Person) -> Handle | None:
        """The handle this person is; by id, else by name whatever its case."""
        on = self._networks.get(network)
        if on is None:
            return None
        id_, username = person
        return on.by_id.get(id_) or (on.by_name.get(username.lower()) if username else None)

    def at(self, network: str, written: str) -> Handle | None:
        """The handle meant by what stands after an @: names may hold dots, sentences end with them."""
        on = self._networks.get(network)
        name = written.lower()
        while name and on is not None:
            if found := on.by_name.get(name):
                return found
            name = name[: max(name.rfind("."), name.rfind("-"), name.rfind("@"), 0)]
        return None

    def knows(self, network: str) -> bool:
        """Whether we have any handle there."""
        return network in self._networks


def decide(
    post: Post,
    handles: Handles,
    *,
    teams: frozenset[str],
    source: str,
    received_at: datetime,
    traceparent: str,
    key_of: Callable[[str, str], str],
) -> MentionReceived | OwnPostReceived | Refused:
    """What this post is to us.

    Args:
        teams: whose handles the sender may name by slug; {"*"} is all.
        received_at: the present; also the post's time where the network tells none.
        key_of: (network, person) -> the key that keeps the order of what concerns one person.
    """
    posted_at = post.posted_at
    if posted_at is None:
        posted_at = received_at
    elif posted_at.tzinfo is None:
        return _no_zone(posted_at)
    elif not FIRST_POST_EVER <= posted_at <= received_at + FUTURE:
        return _absurd(posted_at)
    elif posted_at.tzinfo is not UTC:
        posted_at = posted_at.astimezone(UTC)
    if refused := _flaw(post):
        return refused
    if own := handles.of(post.network, post.author):
        return _own(post, own, handles, posted_at, received_at, traceparent, key_of)
    if post.handle and not _known(post.handle, handles, teams):
        return _unknown_handle(post.handle, handles, teams)
    named, spoken = _named(post, handles) if handles.knows(post.network) else _NOBODY
    handle = post.handle or (named[0] if named else DEFAULT)
    owner = handles.by_slug.get(handle)
    return MentionReceived(
        event_id=derived_id("", MentionReceived.type, f"{post.network}/{post.id}/{post.version}"),
        occurred_at=received_at,
        key=key_of(post.network, post.author.id),
        traceparent=traceparent,
        network=post.network,
        post_id=post.id,
        version=post.version,
        handle=handle,
        also_named=tuple(slug for slug in named if slug != handle) if len(named) > 1 or post.handle else (),
        author_id=post.author.id,
        author_username=post.author.username,
        text=post.text,
        language_hint=post.language,
        posted_at=posted_at,
        received_at=received_at,
        thread_id=post.thread_id,
        in_reply_to=post.in_reply_to,
        private=post.private,
        reach=post.reach,
        source=source,
        team=owner.team if owner else "main",
        summoned=post.summoned or _summoned(post, owner, named, spoken, handles),
        raw=post.raw,
    )


def kept(raw: msgspec.Raw) -> msgspec.Raw:
    """The payload as it came, or nothing where it is too large to travel."""
    content = bytes(raw)
    if len(content) > LONGEST_RAW_BYTES or content.count(b"[") + content.count(b"{") > MOST_BRACKETS:
        return msgspec.Raw(b"null")
    return raw


def _own(
    post: Post,
    own: Handle,
    handles: Handles,
    posted_at: datetime,
    received_at: datetime,
    traceparent: str,
    key_of: Callable[[str, str], str],
) -> OwnPostReceived:
    person = _answered(post, handles)
    return OwnPostReceived(
        event_id=derived_id("", OwnPostReceived.type, f"{post.network}/{post.id}/{post.version}"),
        occurred_at=received_at,
        key=key_of(post.network, person or post.id),
        traceparent=traceparent,
        network=post.network,
        post_id=post.id,
        handle=own.slug,
        answered_person=person,
        text=post.text,
        posted_at=posted_at,
        thread_id=post.thread_id,
        in_reply_to=post.in_reply_to,
        private=post.private,
    )


def _answered(post: Post, handles: Handles) -> str:
    """Whom a post of ours answers: never one of us, for a second part answers our own first."""
    if post.answered and not handles.of(post.network, Person(post.answered)):
        return post.answered
    for person in (*post.carried, *post.named):
        if not handles.of(post.network, person):
            return person.id or person.username
    for written in _written(post.text):
        if not handles.at(post.network, written):
            return written.rstrip(".-")
    return ""


def _written(text: str) -> list[str]:
    """What stands after each @ of a text (an @ within a word is an e-mail address)."""
    if "＠" in text:  # as an East Asian keyboard writes it, and X takes it
        text = text.replace("＠", "@")
    found = []
    at = text.find("@")  # to find and then match is twice as fast as one regex that may begin anywhere
    while at >= 0:
        before = text[at - 1] if at else " "
        if not (before.isalnum() or before == "_") and (name := _name_at(text, at + 1)):
            found.append(name[0])
        at = text.find("@", at + 1)
    return found


_NOBODY: tuple[Sequence[str], Sequence[str]] = ((), ())


def _named(post: Post, handles: Handles) -> tuple[Sequence[str], Sequence[str]]:
    """The slugs of our handles in a post: by purpose, then by who is named first, then who is answered or quoted.

    And those of them that the author's own words name.
    """
    network, text, begin = post.network, post.text, post.written_from
    found: dict[str, Handle] = {}
    carried: dict[str, Handle] = {}
    for person in post.carried:
        if handle := handles.of(network, person):
            carried[handle.slug] = handle
    if begin > 0:
        for written in _written(text[:begin]):
            if handle := handles.at(network, written):
                carried[handle.slug] = handle
        text = text[begin:]
    for person in post.named:
        if handle := handles.of(network, person):
            found[handle.slug] = handle
    for written in _written(text):
        if handle := handles.at(network, written):
            found[handle.slug] = handle
    spoken = tuple(found)
    if carried:
        found = carried | found
    if post.answered and (handle := handles.of(network, Person(post.answered))):
        found[handle.slug] = handle
    if post.quoted and (handle := handles.of(network, Person(post.quoted))):
        found[handle.slug] = handle
    if len(found) < 2:
        return tuple(found), spoken
    return sorted(found, key=lambda slug: _RANK[found[slug].purpose]), spoken


def _summoned(
    post: Post, owner: Handle | None, named: Sequence[str], spoken: Sequence[str], handles: Handles
) -> Summoned:
    """How a public post calls its handle; empty where nobody can tell."""
    if post.private or not handles.knows(post.network) or (owner is not None and owner.network != post.network):
        return ""
    if owner is not None:
        if owner.slug in spoken:
            return "named"
        if post.quoted and handles.of(post.network, Person(post.quoted)) is owner:
            return "quoted"
        if owner.slug in named:
            return "implied"
    return "" if post.in_reply_to and not post.answered else "not"


# --- what cannot be taken


@lru_cache(maxsize=1000)
def _is_network(name: str) -> bool:
    return _SLUG.fullmatch(name) is not None


def _flaw(post: Post) -> Refused | None:
    if not _is_network(post.network):
        return Refused(
            type="bad-network",
            path="$.network",
            detail="A network is a short name: 1 to 32 of a-z, 0-9, - and _.",
            fix='Name it like "x", "mastodon" or "crm".',
        )
    if (not post.text or post.text.isspace()) and not post.media:
        return Refused(
            type="no-text",
            path="$.text",
            detail="The text is empty.",
            fix="Send the words of the post; one without any needs no answer and can be left out.",
        )
    if len(post.text) > LONGEST_TEXT:
        return Refused(
            type="too-long",
            path="$.text",
            detail=f"The text has {len(post.text)} characters; {LONGEST_TEXT} are allowed.",
            fix="Send what the person wrote, without quoted history.",
        )
    return None


def _no_zone(posted_at: datetime) -> Refused:
    return Refused(
        type="no-zone",
        path="$.posted_at",
        detail=f"{posted_at.isoformat()} is a time without a zone: a guess would be wrong somewhere.",
        fix=f"Add the zone, for instance {posted_at.isoformat()}Z where it is UTC.",
    )


def _absurd(posted_at: datetime) -> Refused:
    early = posted_at < FIRST_POST_EVER
    return Refused(
        type="absurd-date",
        path="$.posted_at",
        detail=f"{posted_at.isoformat()} is "
        + ("before the first post of any network." if early else "more than 24 hours ahead of our clock."),
        fix="Send the time at which the network says it was posted, or leave it out: then it is the present.",
    )


def _known(slug: str, handles: Handles, teams: frozenset[str]) -> bool:
    handle = handles.by_slug.get(slug)
    if handle is None:
        return slug == DEFAULT
    return "*" in teams or handle.team in teams


def _unknown_handle(slug: str, handles: Handles, teams: frozenset[str]) -> Refused:
    ours = [known for known in handles.by_slug if _known(known, handles, teams)] + [DEFAULT]
    near = get_close_matches(slug, ours, n=1)
    return Refused(
        type="unknown-handle",
        path="$.handle",
        detail=f"There is no handle {slug!r}.",
        fix=f"Did you mean {near[0]!r}?" if near else "GET /v1/handles lists them; leave it out to have it found.",
    )
