"""What the network shows: posts, people and messages in X's shapes, under its old names or its new ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.messages import Message
from sandbox.people import Account, account_named
from sandbox.permission import EDITABLE_FOR, EDITS
from sandbox.posts import Post
from sandbox.state import Network
from sandbox.text import CASHTAG, HASHTAG, MENTION, URL

# X is renaming tweets to posts: old -> new
_NEW = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
    "most_recent_tweet_id": "most_recent_post_id",
    "tweets": "posts",
}
_OLD = {
    **{new: old for old, new in _NEW.items()},
    "referenced_posts.id": "referenced_tweets.id",
    "referenced_posts": "referenced_tweets",
}
_COUNTS = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count")
_ALWAYS = frozenset({"id", "text", "edit_history_tweet_ids"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants to see, under the old names; `new`: it is answered under the new ones."""

    fields: frozenset[str] = frozenset()
    expansions: frozenset[str] = frozenset()
    user_fields: frozenset[str] = frozenset()
    new: bool = False


def asked(query: Mapping[str, str], vocabulary: str) -> Asked:
    """Out of a query, which may use either vocabulary."""
    fields = f"{query.get('tweet.fields', '')},{query.get('post.fields', '')}"
    expansions = {_OLD.get(name, name).removesuffix(".id") for name in query.get("expansions", "").split(",")}
    return Asked(
        frozenset(_OLD.get(name, name) for name in fields.split(",")),
        frozenset(expansions),
        frozenset(query.get("user.fields", "").split(",")),
        "post.fields" in query if vocabulary == "asked" else vocabulary == "new",
    )


def moment(at: datetime) -> str:
    """The network tells whole seconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def shown(network: Network, post: Post, wish: Asked) -> dict[str, Any]:
    """A post, with the fields that were asked for."""
    wanted = wish.fields | _ALWAYS
    return _named({name: value for name, value in whole(network, post).items() if name in wanted}, new=wish.new)


def whole(network: Network, post: Post) -> dict[str, Any]:
    """A post with all its fields, under the old names."""
    first = network.posts.get(post.first_id) or post
    history = list(network.posts.history(post))
    fields: dict[str, Any] = {
        "id": post.id,
        "text": post.text,
        "edit_history_tweet_ids": history,
        "author_id": post.author_id,
        "created_at": moment(post.created_at),
        "conversation_id": post.conversation_id,
        "lang": "und",
        "public_metrics": dict.fromkeys(_COUNTS, 0),
        "reply_settings": "everyone",
        "possibly_sensitive": False,
        "display_text_range": [post.implicit, len(post.text)],
        "edit_controls": {
            "edits_remaining": EDITS + 1 - len(history),
            "is_edit_eligible": not post.in_reply_to,
            "editable_until": moment(first.created_at + EDITABLE_FOR),
        },
    }
    references = (("replied_to", post.in_reply_to), ("quoted", post.quotes))
    if any(id_ for _, id_ in references):
        fields["referenced_tweets"] = [{"type": kind, "id": id_} for kind, id_ in references if id_]
    parent = network.posts.get(post.in_reply_to)
    if parent is not None:
        fields["in_reply_to_user_id"] = parent.author_id
    if entities := _entities(network, post.text):
        fields["entities"] = entities
    return fields


def person(account: Account, network: Network, wanted: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Somebody, with the fields that were asked for."""
    counts = ("followers_count", "following_count", "tweet_count", "listed_count")
    more: dict[str, Any] = {
        "created_at": "2020-01-01T00:00:00.000Z",
        "verified": False,
        "verified_type": "none",
        "protected": False,
        "public_metrics": dict.fromkeys(counts, 0),
        "receives_your_dm": network.people.takes_messages(account.id) == "everyone",
    }
    always = {"id": account.id, "name": account.username, "username": account.username}
    return always | {name: value for name, value in more.items() if name in wanted}


def includes(network: Network, posts: Iterable[Post], wish: Asked) -> dict[str, Any]:
    """Whom and what these posts point to, as far as it was asked for."""
    people: dict[str, Account] = {}
    others: dict[str, Post] = {}
    for post in posts:
        ids = [post.author_id] if "author_id" in wish.expansions else []
        if "in_reply_to_user_id" in wish.expansions and (parent := network.find(post.in_reply_to)):
            ids.append(parent.author_id)
        if "entities.mentions.username" in wish.expansions:
            ids += [each["id"] for each in _entities(network, post.text).get("mentions", ())]
        people |= {id_: account for id_ in ids if (account := network.people.of(id_))}
        if "referenced_tweets" in wish.expansions:
            others |= {id_: other for id_ in (post.in_reply_to, post.quotes) if (other := network.find(id_))}
    found: dict[str, Any] = {}
    if people:
        found["users"] = [person(account, network, wish.user_fields) for account in people.values()]
    if others:
        found["tweets"] = [shown(network, other, wish) for other in others.values()]
    return _named(found, new=wish.new)


def page(network: Network, posts: Sequence[Post], more: bool, wish: Asked) -> dict[str, Any]:
    """A page of posts, newest first; without any there is no `data`."""
    meta: dict[str, Any] = {"result_count": len(posts)}
    if not posts:
        return {"meta": meta}
    meta |= {"newest_id": posts[0].id, "oldest_id": posts[-1].id}
    if more:
        meta["next_token"] = posts[-1].id
    body: dict[str, Any] = {"data": [shown(network, post, wish) for post in posts]}
    if found := includes(network, posts, wish):
        body["includes"] = found
    return body | {"meta": meta}


def message_event(message: Message, wanted: frozenset[str]) -> dict[str, Any]:
    """A private message as the REST paths show it."""
    fields = {
        "id": message.id,
        "event_type": "MessageCreate",
        "text": message.text,
        "sender_id": message.sender_id,
        "dm_conversation_id": message.conversation_id,
        "created_at": moment(message.created_at),
    }
    return {name: value for name, value in fields.items() if name in wanted | {"id", "event_type", "text"}}


def _named(fields: dict[str, Any], *, new: bool) -> dict[str, Any]:
    return {_NEW.get(name, name): value for name, value in fields.items()} if new else fields


def _entities(network: Network, text: str) -> dict[str, Any]:
    """Where what stands in the text; offsets count code points."""
    mentions = [
        {
            "start": found.start(),
            "end": found.end(),
            "username": found[1],
            "id": (network.people.known(found[1]) or account_named(found[1])).id,
        }
        for found in MENTION.finditer(text)
    ]
    urls = [
        {"start": found.start(), "end": found.end(), "url": found[0], "expanded_url": found[0]}
        for found in URL.finditer(text)
    ]
    tags = {
        name: [{"start": found.start(), "end": found.end(), "tag": found[1]} for found in kind.finditer(text)]
        for name, kind in (("hashtags", HASHTAG), ("cashtags", CASHTAG))
    }
    return {name: value for name, value in {"mentions": mentions, "urls": urls, **tags}.items() if value}
