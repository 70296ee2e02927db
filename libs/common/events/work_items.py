"""Where a mention waits, who has it, what answered it: told by the router on `work.items`."""

from typing import ClassVar, Literal

import msgspec

from libs.common.events.base import WORK_ITEMS, Event, Intent, Labels, Sentiment, Urgency, Utc
from libs.common.events.mentions import Summoned


class MentionRouted(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: the mention is kept, and this is where it waits (or why it does not). Told again when it moves."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "mention.routed.v1"

    network: str
    post_id: str
    handle: str
    author_id: str
    author_username: str = ""
    thread_id: str = ""
    private: bool = False
    posted_at: Utc
    language: str
    intent: Intent
    urgency: Urgency
    conversation_id: str
    outcome: Literal["opened", "joined", "set_aside", "answered", "deleted"]
    item_id: str = ""
    queue: str = ""
    team: str = "main"
    incident: str = ""  # no machine writes to what belongs to one
    conversation_version: int = 0  # with this message in it
    sentiment: Sentiment | None = None
    summoned: Summoned = ""
    rating: int = 0  # 1..5: it answers a survey of ours with that; 0: it answers none
    comment: str = ""  # what it says beside the rating
    stop: bool = False  # the person wants no more messages that a machine writes


class ConversationResolved(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: an agent says that this conversation is done; a message of the customer opens it again."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "conversation.resolved.v1"

    conversation_id: str
    network: str
    handle: str
    author_id: str
    language: str
    agent: str = ""  # who answered last
    private: bool = False  # the customer's latest message
    team: str = "main"
    cycle: int = 1  # rises with each time that it was opened again
    conversation_version: int = 0


class StoppedClock(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The promise of time that an answer ended, by the network's time of the answer; equality is met."""

    item_id: str
    kind: Literal["first", "next", "promise"]
    urgency: Urgency
    started_at: Utc
    due_at: Utc
    met: bool
    policy: str = ""


class MentionAnswered(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: a post of ours answers this mention; told again for a further answer. Times are the network's.

    `direct`: it names the mention. `covered`: it comes after it in its conversation and names another one, or none.
    """

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "mention.answered.v1"

    network: str
    post_id: str
    handle: str
    conversation_id: str
    how: Literal["direct", "covered"] = "direct"
    own_post_id: str
    reply_id: str = ""  # where it was sent through us
    posted_at: Utc
    answered_at: Utc
    language: str = "und"
    intent: Intent = "chatter"
    queue: str = ""
    team: str = "main"
    conversation_version: int = 0  # with this answer in it
    automatic: bool = False  # a machine wrote it: no response
    business_seconds: float | None = None  # opening time of its queue between both posts; None: nobody told
    clock: StoppedClock | None = None  # of the item that was open when our post came


class _OfWorkItem(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Which item, of which conversation, in which queue; `agent`: who has it, or had it."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)

    item_id: str
    conversation_id: str
    queue: str
    agent: str = ""
    team: str = "main"


class WorkItemAssigned(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: this agent has it now."""

    type: ClassVar[str] = "work_item.assigned.v1"

    version: int
    waited_seconds: float  # since it was first enqueued


class WorkItemOffered(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: this agent may take it until then; else it goes back into its queue with its age."""

    type: ClassVar[str] = "work_item.offered.v1"

    version: int
    reservation_id: str
    expires_at: Utc


class WorkItemReleased(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: back in its queue with its original age."""

    type: ClassVar[str] = "work_item.released.v1"

    version: int
    reason: str


class WorkItemCompleted(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: done, by a human answer or by an agent's word."""

    type: ClassVar[str] = "work_item.completed.v1"

    version: int
    reason: str  # answered, answered_elsewhere, wrapped, done, resolved


class WorkItemCanceled(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: nobody needs to answer it any more."""

    type: ClassVar[str] = "work_item.canceled.v1"

    version: int
    reason: str  # deleted, spam, duplicate, merged


class ResponseWarned(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: this share of the time to the first or next response is over, and nobody has answered yet."""

    type: ClassVar[str] = "response.warned.v1"

    urgency: Urgency
    due_at: Utc
    share: float  # 0..1; several passed at once are one warning


class ResponseBreached(_OfWorkItem, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: its deadline is past, and nobody has answered. Told once."""

    type: ClassVar[str] = "response.breached.v1"

    urgency: Urgency
    due_at: Utc
    kind: Literal["first", "next", "promise"] = "first"
    policy: str = ""
    started_at: Utc | None = None


class ClassificationCorrected(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: a person says what this mention is; each correction is a new version beside the model's word."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)
    type: ClassVar[str] = "classification.corrected.v1"

    correction_id: str
    network: str
    post_id: str
    mention_version: int = 1  # of the text that was corrected
    version: int  # 1 is the mention's first correction
    handle: str
    conversation_id: str
    changed: tuple[str, ...]  # names of labels
    said: Labels  # by the model
    labels: Labels  # all, after the correction
    actor: str
    team: str = "main"
