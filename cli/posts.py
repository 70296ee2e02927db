"""Posts of a network as a file has them: X's own shape, one a line, oldest first."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cli.trouble import Trouble

_OURS = "_meta"  # notes of whoever made the file; no network sends them
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """One line of a file. `end` is the offset of the next, where a later run may go on."""

    number: int  # from 1
    end: int
    post: dict[str, Any] | None  # None: not a JSON object
    posted_at: datetime | None  # None: it does not say, or not readably


class Survey(NamedTuple):
    """What a file holds, read once beforehand."""

    posts: int
    first_at: datetime | None
    last_at: datetime | None


class Handle(NamedTuple):
    """One of our accounts, as a file of users names it."""

    slug: str
    external_id: str
    username: str
    name: str


def read(path: Path, start: int = 0, number: int = 0) -> Iterator[Line]:
    """The lines from the offset `start`, which is behind line `number`; empty ones are passed over."""
    with path.open("rb") as file:
        file.seek(start)
        end = start
        for text in file:
            end += len(text)
            number += 1
            if text.strip():
                yield Line(number, end, *parse(text))


def parse(text: bytes) -> tuple[dict[str, Any] | None, datetime | None]:
    """A line's post without `_meta`, and when it was written."""
    try:
        post = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, None
    post.pop(_OURS, None)
    return post, time_of(post)


def time_of(post: dict[str, Any]) -> datetime | None:
    """When the post was written, in UTC; None where it does not say so readably."""
    try:
        moment = datetime.fromisoformat(post["created_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def at(post: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """The post with another time, in X's form; its id stays."""
    return {**post, "created_at": text_of(moment)}


def text_of(moment: datetime) -> str:
    """A time as X writes it: `2026-03-02T06:01:36.303Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(post: dict[str, Any]) -> bytes:
    """One line of NDJSON, without its end."""
    return _encode(post)


def survey(path: Path, limit: int | None = None) -> Survey:
    """How many posts there are, and when the first and the last were written.

    Raises:
        Trouble: the file cannot be read, or no line of it is a post.
    """
    posts = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    good = False
    try:
        for line in read(path):
            if limit is not None and posts >= limit:
                break
            posts += 1
            good = good or line.post is not None
            if line.posted_at is not None:
                first_at = first_at or line.posted_at
                last_at = max(last_at or line.posted_at, line.posted_at)
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}") from error
    if not good:
        raise Trouble(f"{path} holds no posts: one JSON object a line is wanted, as X's API gives them")
    return Survey(posts, first_at, last_at)


def users_beside(path: Path) -> Path:
    """Where the users of a file of posts are looked for: `posts.ndjson` -> `posts_users.ndjson`."""
    return path.with_name(f"{path.stem}_users{path.suffix}")


def brands_in(path: Path) -> list[Handle]:
    """The users of a file that are ours: its lines with `"verified_brand": true`.

    Raises:
        Trouble: the file cannot be read, or names no brand.
    """
    try:
        users = [line.post for line in read(path) if line.post and line.post.get("verified_brand") is True]
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}") from error
    if not users:
        raise Trouble(f'{path} names no brand: its lines need "verified_brand": true')
    handles = []
    for user in users:
        external_id = str(user.get("id") or user.get("username") or "")
        username = str(user.get("username") or external_id)
        if external_id:
            handles.append(Handle(slug_of(username), external_id, username, str(user.get("name") or username)))
    return handles


def brands_named(names: str) -> list[Handle]:
    """`XboxSupport,@AskAmex` -> handles whose ids are their names, as in files without numbers."""
    plain = [name.strip().removeprefix("@") for name in names.split(",")]
    return [Handle(slug_of(name), name, name, name) for name in plain if slug_of(name)]


def slug_of(username: str) -> str:
    """How a handle is called in our addresses: `VerizonSupport` -> `verizonsupport`, `Ask_Amex` -> `ask-amex`."""
    return re.sub(r"[^a-z0-9]+", "-", username.lower())[:32].strip("-")
