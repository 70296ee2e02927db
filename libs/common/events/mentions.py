"""What people wrote, and what that is: told by ingest and by the classifier."""

from typing import ClassVar, Literal

import msgspec

from libs.common.events.base import CLASSIFIED, RAW, Event, Labels, Reach, Utc

Summoned = Literal["", "named", "quoted", "implied", "not"]
"""How a public post calls the handle: its words name it, it quotes a post of it, it stands in a thread with it without
naming it, none of these; empty: nobody told."""

# --- mentions.raw: told by ingest; own posts and deletions go on to mentions.classified as they are


class _Mention(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a customer wrote, to which handle, and when: the same before and after it is understood."""

    network: str
    post_id: str  # the first id of its edit history
    version: int = 1  # rises with each edit
    handle: str
    also_named: tuple[str, ...] = ()
    author_id: str
    author_username: str = ""
    text: str
    posted_at: Utc  # the network's time
    received_at: Utc
    thread_id: str = ""
    in_reply_to: str = ""
    private: bool = False
    reach: Reach = Reach()
    source: str = "api"
    team: str = "main"  # whose handle it is
    summoned: Summoned = ""


class MentionReceived(_Mention, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: a post or private message that concerns a handle of ours, or a new version of one."""

    topics: ClassVar[tuple[str, ...]] = (RAW,)
    type: ClassVar[str] = "mention.received.v1"

    language_hint: str = ""  # what the network says, BCP 47
    raw: msgspec.Raw = msgspec.Raw(b"null")


class OwnPostReceived(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: a post of one of our handles was seen on the network, whoever wrote it with what tool."""

    topics: ClassVar[tuple[str, ...]] = (RAW, CLASSIFIED)
    type: ClassVar[str] = "own_post.received.v1"

    network: str
    post_id: str
    handle: str
    answered_person: str = ""
    text: str
    posted_at: Utc
    thread_id: str = ""
    in_reply_to: str = ""
    private: bool = False


class MentionDeleted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """ingest: its author or the network took the post away; its text must go here too."""

    topics: ClassVar[tuple[str, ...]] = (RAW, CLASSIFIED)
    type: ClassVar[str] = "mention.deleted.v1"

    network: str
    post_id: str


# --- mentions.classified: told by the classifier


class MentionClassified(_Mention, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """classifier: what this mention is, with the confidences and the model that says so."""

    topics: ClassVar[tuple[str, ...]] = (CLASSIFIED,)
    type: ClassVar[str] = "mention.classified.v1"

    labels: Labels
