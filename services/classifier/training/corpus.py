"""The corpus on disk: posts written for it, one JSON object a line, all labels on each.

`corpus/<language>/*.ndjson`. A label that is absent has its default: no topic, no reason, no channel.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from libs.common.events import Channel, Intent, Sentiment, Urgency
from services.classifier.domain.heads import LEARNT_REASONS, TOPICS, urgency_of

CORPUS = Path(__file__).parent.parent / "corpus"


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One post and what it is, by the guideline beside the corpus."""

    id: str
    language: str
    text: str
    intent: Intent
    secondary_intent: Intent | None = None
    needs_response: bool
    urgency: Urgency
    reasons: tuple[str, ...] = ()
    sentiment: Sentiment
    topics: tuple[str, ...] = ()
    contact_channel: Channel = "none"
    channel_sentiment: Sentiment = "neutral"
    asks_private_contact: bool = False
    is_question: bool = False
    stated_wait_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Posts in the order of their files, and the hash of all they say."""

    posts: Sequence[Post]
    sha256: str


def read_corpus(folder: Path = CORPUS) -> Corpus:
    """Read it all.

    Raises:
        ValueError: a line is not a post, or its labels do not agree; the message names file and line.
    """
    digest = hashlib.sha256()
    posts: list[Post] = []
    for file in sorted(folder.glob("*/*.ndjson")):
        digest.update(f"{file.parent.name}/{file.name}\n".encode())
        digest.update(content := file.read_bytes())
        posts += posts_of(content.splitlines(), str(file))
    if not posts:
        raise ValueError(f"no posts under {folder}: is this the corpus?")
    return Corpus(posts, digest.hexdigest())


def posts_of(lines: Iterable[bytes], where: str) -> list[Post]:
    """The posts of one file; see `read_corpus`."""
    posts = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            post = msgspec.json.decode(line, type=Post)
            _check(post)
        except (msgspec.DecodeError, ValueError) as error:
            raise ValueError(f"{where}:{number}: {error}") from error
        posts.append(post)
    return posts


def _check(post: Post) -> None:
    known = {*LEARNT_REASONS, "wait_loop", "complaint"}
    if strange := [reason for reason in post.reasons if reason not in known]:
        raise ValueError(f"unknown reasons {strange}")
    if strange := [topic for topic in post.topics if topic not in TOPICS]:
        raise ValueError(f"unknown topics {strange}")
    if ("wait_loop" in post.reasons) != ("wait_loop" in post.topics):
        raise ValueError("wait_loop is a reason where it is a topic")
    if ("complaint" in post.reasons) != (post.intent == "complaint"):
        raise ValueError("complaint is a reason where it is the intent")
    if post.urgency != (right := urgency_of(post.intent, post.reasons)):
        raise ValueError(f"urgency is {right} by the intent and the reasons, not {post.urgency}")
