"""The shape any tool can send: our own words for a post."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from libs.common.events import Reach
from services.ingest.domain import Person, Post, kept

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | int
"""Ids are texts; numbers are taken and become texts, because some tools send them so."""
MaybeId = Annotated[str, msgspec.Meta(max_length=200)] | int | None
Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Short = Annotated[str, msgspec.Meta(max_length=200)]
Language = Annotated[str, msgspec.Meta(max_length=35)]
_TOO_LARGE = 10**40
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class _Author(msgspec.Struct, gc=False):
    id: Id
    username: Short | None = None
    followers: Count | None = None
    verified: bool | None = None


class _Reach(msgspec.Struct, gc=False):
    reposts: Count | None = None
    quotes: Count | None = None
    likes: Count | None = None
    replies: Count | None = None
    followers: Count | None = None
    verified: bool | None = None


class _Item(msgspec.Struct, gc=False):
    network: str
    id: Id
    text: str
    author: _Author
    handle: Short | None = None
    posted_at: datetime | None = None
    language: Language | None = None
    in_reply_to: MaybeId = None
    in_reply_to_user_id: MaybeId = None
    thread_id: MaybeId = None
    private: bool = False
    reach: _Reach | None = None
    version: Version | None = None
    edit_of: MaybeId = None
    summoned: Literal["named", "quoted", "implied", "not"] | None = None


_decode = msgspec.json.Decoder(_Item).decode


def read(raw: msgspec.Raw) -> Post:
    """One item.

    Raises:
        msgspec.MsgspecError: it is not JSON, or not of this shape; a validation error names the path.
    """
    item = _decode(raw)
    author = item.author
    edit_of = text_id(item.edit_of)
    if edit_of and item.version is None:  # two edits without one would be taken for the same
        raise msgspec.ValidationError("Object missing required field `version`")
    return Post(
        network=item.network,
        id=edit_of or text_id(item.id),
        version=item.version or 1,
        text=item.text,
        author=Person(text_id(author.id), author.username.removeprefix("@") if author.username else ""),
        handle=item.handle or "",
        language=item.language or "",
        posted_at=item.posted_at,
        in_reply_to=text_id(item.in_reply_to),
        answered=text_id(item.in_reply_to_user_id),
        thread_id=text_id(item.thread_id),
        private=item.private,
        reach=_reach(item.reach, author),
        summoned=item.summoned or "",
        raw=kept(raw),
    )


def text_id(found: str | int | None) -> str:
    """An id as the text it is; "" where there is none."""
    if isinstance(found, str):
        return found
    if found is None:
        return ""
    if abs(found) >= _TOO_LARGE:
        raise msgspec.ValidationError("Expected ids of at most 40 digits")
    return str(found)


_NO_REACH = Reach()


def _reach(reach: _Reach | None, author: _Author) -> Reach:
    if reach is None:
        if author.followers is None and author.verified is None:
            return _NO_REACH
        return Reach(author.followers, author.verified)
    return Reach(
        reach.followers if author.followers is None else author.followers,
        reach.verified if author.verified is None else author.verified,
        reach.reposts,
        reach.quotes,
        reach.likes,
        reach.replies,
    )
