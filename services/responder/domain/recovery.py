"""Finding out whether a reply went out: by reading our own timeline."""

import html
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.responder.domain.posting import GaveUp, Missing, Outcome, Pace, Posted, Postponed
from services.responder.domain.replies import Reply


@dataclass(frozen=True, slots=True)
class OwnPost:
    """A post on our own timeline."""

    post_id: str
    in_reply_to: str
    text: str
    created_at: datetime | None


def find(reply: Reply, timeline: Sequence[OwnPost], claimed: Collection[str]) -> OwnPost | None:
    """Our reply among our own posts: the one that answers its mention and is no other reply of ours.

    A follow-up must have its words too, for the mention was answered before; for a first reply any answer of
    ours counts, because the mention has then been answered, by whatever means. The same words win, then the
    oldest.
    """
    near = [post for post in timeline if post.in_reply_to == reply.in_reply_to and post.post_id not in claimed]
    same = [post for post in near if _words(post.text) == _words(reply.text)]
    return min(same or ([] if reply.follow_up_of else near), key=_by_number, default=None)


def after_look(reply: Reply, found: OwnPost | None, *, read: bool, now: datetime, pace: Pace) -> Outcome:
    """What to do with an unknown reply after a look at our timeline.

    Args:
        read: the timeline was read to its end; False says nothing about the post.
    """
    if found is not None:
        return Posted(found.post_id, found.created_at)
    if now - (reply.unknown_since or now) >= pace.give_up_after:
        return GaveUp("we don't know whether this went out")
    if not read:
        return Missing(now + pace.look_again / 2, reply.missed_at, "our timeline could not be read")
    if reply.missed_at is None:
        return Missing(now + pace.look_again, now, "not on our timeline so far")
    if now - reply.missed_at < pace.look_again:
        return Missing(reply.missed_at + pace.look_again, reply.missed_at, "not on our timeline so far")
    return Postponed("it did not go out the first time", now)


def _words(text: str) -> str:
    """The text without what a network changes: leading mentions, links, entities, spaces."""
    plain = unicodedata.normalize("NFC", html.unescape(text))
    plain = re.sub(r"^(?:\s*@\w+)+", "", plain)
    return " ".join(re.sub(r"https?://\S+", "", plain).split())


def _by_number(post: OwnPost) -> tuple[int, str]:
    return len(post.post_id), post.post_id
