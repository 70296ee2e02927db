"""Who may post what: X's rules since February 2026, which an enterprise need not keep, and those for everybody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.behaviour import Behaviour
from sandbox.people import Account
from sandbox.posts import Post, Posts
from sandbox.refusals import refusal
from sandbox.text import CASHTAG, mentioned, weighted_length

EDITABLE_FOR = timedelta(hours=1)
EDITS = 5


@dataclass(frozen=True, slots=True)
class NewText:
    """What somebody wants to post."""

    account: Account
    text: str
    in_reply_to: str = ""
    quotes: str = ""


def check(new: NewText, posts: Posts, find: Callable[[str], Post | None], behaviour: Behaviour) -> None:
    """Let it pass. `find` gives the post of an id, once anyone may see it.

    Raises:
        Refused: not this text, or not there.
    """
    if weighted_length(new.text) > behaviour.longest:
        raise refusal("too_long")
    if posts.is_gone(new.in_reply_to) or posts.is_gone(new.quotes):
        raise refusal("not_visible")
    if behaviour.plan == "enterprise":
        return
    if len(CASHTAG.findall(new.text)) > 1:
        raise refusal("cashtags")
    if new.quotes:
        raise refusal("not_permitted")
    if not new.in_reply_to:
        if mentioned(new.text):
            raise refusal("not_engaged")
        return
    parent = find(new.in_reply_to)
    if parent is None:
        raise refusal("not_visible")
    if not summons(parent, new.account, posts):
        raise refusal("not_summoned")


def summons(post: Post, account: Account, posts: Posts) -> bool:
    """Whether a post lets this account answer it: its author named the account, or quotes it, or is it."""
    quoted = posts.get(post.quotes)
    return (
        post.author_id == account.id
        or account.username.lower() in mentioned(post.written)
        or (quoted is not None and quoted.author_id == account.id)
    )


def editable(account: Account, post: Post | None, posts: Posts, now: datetime) -> Post:
    """The post, if its author may still change it.

    Raises:
        Refused: it is another's, a reply, an earlier version, too old, or was changed too often.
    """
    if post is None or post.author_id != account.id or post.in_reply_to or not posts.is_latest(post):
        raise refusal("not_permitted")
    first = posts.get(post.first_id) or post
    if now - first.created_at >= EDITABLE_FOR or len(posts.history(post)) > EDITS:
        raise refusal("not_permitted")
    return post
