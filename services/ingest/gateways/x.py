"""Posts as X API v2 writes them: bare, or with what they include; in the old words (tweet) and the new (post).

Everything but the id, the text and the author may be missing; what we do not know is passed over.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from libs.common.events import Reach
from services.ingest.domain import Person, Post, kept
from services.ingest.gateways.plain import Id, text_id

PATHS = {"$.posted_at": "$.created_at"}
"""Where X has what we call by another name."""

_SNOWFLAKE_EPOCH_MS = 1288834974657  # 2010-11-04; ids before it were counted one by one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_REACH = Reach()


class _Reference(msgspec.Struct, gc=False):
    type: str
    id: Id


class _Named(msgspec.Struct, gc=False):
    username: str | None = None
    id: Id | None = None
    start: int | None = None  # in code points


class _Entities(msgspec.Struct, gc=False):
    mentions: list[_Named] | None = None


class _Note(msgspec.Struct, gc=False):
    text: str = ""
    entities: _Entities | None = None


class _Attachments(msgspec.Struct, gc=False):
    media_keys: list[str] | None = None


class _PostMetrics(msgspec.Struct, gc=False):
    repost_count: int | None = None
    retweet_count: int | None = None
    quote_count: int | None = None
    like_count: int | None = None
    reply_count: int | None = None


class _UserMetrics(msgspec.Struct, gc=False):
    followers_count: int | None = None


class _User(msgspec.Struct, gc=False):
    id: Id
    username: str | None = None
    verified: bool | None = None
    public_metrics: _UserMetrics | None = None


class _Included(msgspec.Struct, gc=False):
    id: Id | None = None
    author_id: Id | None = None


class _Includes(msgspec.Struct, gc=False):
    users: list[_User] | None = None
    tweets: list[_Included] | None = None
    posts: list[_Included] | None = None


class _Post(msgspec.Struct, gc=False):
    id: Id
    author_id: Id
    text: str = ""
    created_at: datetime | None = None
    lang: str | None = None
    conversation_id: Id | None = None
    in_reply_to_user_id: Id | None = None
    referenced_tweets: list[_Reference] | None = None
    referenced_posts: list[_Reference] | None = None
    edit_history_tweet_ids: list[Id] | None = None
    edit_history_post_ids: list[Id] | None = None
    note_tweet: _Note | None = None
    note_post: _Note | None = None
    entities: _Entities | None = None
    attachments: _Attachments | None = None
    public_metrics: _PostMetrics | None = None
    display_text_range: list[int] | None = None  # what is shown: a reply's leading names are not


class _Delivery(msgspec.Struct, gc=False):
    data: _Post
    includes: _Includes | None = None


class _Shape(msgspec.Struct, gc=False):
    data: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Post).decode
_decode_delivery = msgspec.json.Decoder(_Delivery).decode
_shape = msgspec.json.Decoder(_Shape).decode


def read(raw: msgspec.Raw, network: str = "x") -> Post:
    """One post.

    Raises:
        msgspec.MsgspecError: it is not JSON, or not of this shape; a validation error names the path.
    """
    if _is_delivery(raw):
        delivery = _decode_delivery(raw)
        post, includes = delivery.data, delivery.includes
    else:
        post, includes = _decode(raw), None
    users = includes and includes.users
    post_id, author_id = text_id(post.id), text_id(post.author_id)
    history = post.edit_history_post_ids or post.edit_history_tweet_ids
    first_id, version = _edition(post_id, history) if history else (post_id, 1)
    author = _user(author_id, users) if users else None
    note = post.note_post or post.note_tweet
    entities = (note and note.entities) or post.entities
    references = post.referenced_posts or post.referenced_tweets
    begin = max(0, post.display_text_range[0]) if post.display_text_range else 0
    mentions = (entities and entities.mentions) or ()
    named = [Person(text_id(each.id), each.username or "") for each in mentions]
    carried = sum((each.start or 0) < begin for each in mentions) if begin else 0
    return Post(
        network=network,
        id=first_id,
        version=version,
        text=unescaped((note and note.text) or post.text),
        author=Person(author_id, (author and author.username) or ""),
        language=post.lang or "",
        posted_at=posted_at(post_id, post.created_at),
        in_reply_to=_replied_to(references) if references else "",
        answered=text_id(post.in_reply_to_user_id),
        named=named[carried:] if carried else named,
        carried=named[:carried] if carried else (),
        written_from=begin,
        quoted=_quoted(references, includes) if references and includes else "",
        thread_id=text_id(post.conversation_id),
        media=bool(post.attachments and post.attachments.media_keys),
        reach=_reach(post.public_metrics, author),
        raw=kept(raw),
    )


def unescaped(text: str) -> str:
    """The text as it was typed: X writes `&`, `<` and `>` as entities, and nothing else."""
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def posted_at(id_: str, created_at: datetime | None) -> datetime | None:
    """The network's time: to the millisecond from the id where it agrees with `created_at` to the second.

    Source: snowflake ids, milliseconds since 2010-11-04T01:42:54.657Z above the lowest 22 bits.
    """
    if len(id_) < 16 or not (id_.isascii() and id_.isdigit()) or len(id_) > 19:
        return created_at
    told = _EPOCH + timedelta(milliseconds=(int(id_) >> 22) + _SNOWFLAKE_EPOCH_MS)
    if created_at is None:
        return told
    if created_at.tzinfo is None or told.replace(microsecond=0) != created_at.replace(microsecond=0):
        return created_at
    return told


def _is_delivery(raw: msgspec.Raw) -> bool:
    return b'"data"' in bytes(raw) and bytes(_shape(raw).data) != b"null"


def _edition(id_: str, history: Sequence[str | int]) -> tuple[str, int]:
    """The first id of a post's edit history, and which version this one is."""
    ids = [text_id(each) for each in history]
    return ids[0], ids.index(id_) + 1 if id_ in ids else len(ids)


def _user(id_: str, users: Sequence[_User]) -> _User | None:
    return next((user for user in users if text_id(user.id) == id_), None)


def _quoted(references: Sequence[_Reference], includes: _Includes) -> str:
    """Who wrote the post that this one quotes, where the delivery says it."""
    quoted = {text_id(each.id) for each in references if each.type == "quoted"}
    if not quoted:
        return ""
    beside = [*(includes.posts or ()), *(includes.tweets or ())]
    return next((text_id(each.author_id) for each in beside if text_id(each.id) in quoted), "")


def _replied_to(references: Sequence[_Reference]) -> str:
    return next((text_id(each.id) for each in references if each.type == "replied_to"), "")


def _reach(metrics: _PostMetrics | None, author: _User | None) -> Reach:
    if metrics is None and author is None:
        return _NO_REACH
    metrics = metrics or _PostMetrics()
    return Reach(
        author.public_metrics.followers_count if author and author.public_metrics else None,
        author.verified if author else None,
        metrics.retweet_count if metrics.repost_count is None else metrics.repost_count,
        metrics.quote_count,
        metrics.like_count,
        metrics.reply_count,
    )
