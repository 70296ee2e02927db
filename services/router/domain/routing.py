"""What a customer's message or a post of ours does to a conversation and its work item. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from services.router.domain import clocks
from services.router.domain.incidents import Facts, incident_of
from services.router.domain.policies import Plan, Subject, plan_for, queue_at
from services.router.domain.setup import Queue, Setup
from services.router.domain.waiting import Item, Routing, arrange, promised, raised
from services.router.domain.words import RANK, Urgency

JOINS_WITHIN = timedelta(hours=72)
"""A message joins the last conversation of the same author and handle within this time."""

REPEATED_AFTER = timedelta(minutes=10)
"""A second message this long after an unanswered one asks again; sooner it goes on with what was said."""

STALE_AFTER = timedelta(hours=24)
"""A public conversation that waits and in which nothing new was written for so long is looked at in bulk."""


class Conversation(Struct, frozen=True, gc=False):
    """All messages with one author and one handle in one thread, or within 72 h of the last message."""

    id: str
    network: str
    author_id: str
    author_username: str
    handle: str
    team: str
    key: str
    thread_id: str
    language: str
    state: str
    opened_at: datetime
    last_message_at: datetime
    last_customer_at: datetime
    version: int
    urgency: Urgency = "none"  # of its last item
    replied_at: datetime | None = None  # first human answer of this cycle
    agent: str = ""  # who answered last, and when
    agent_at: datetime | None = None
    cycle: int = 1  # rises when it is reopened after it was resolved
    wake_at: datetime | None = None  # a snooze ends, it goes stale, it closes
    reason: str = ""  # why it is in its state, where somebody said so
    merged_into: str = ""  # the conversation that has its messages now
    private: bool = False  # the customer's latest message
    machine: str = ""  # what a machine of ours wrote since then: survey, automatic
    item: Item | None = None


class Message(Struct, frozen=True, gc=False):
    """A customer's message: already classified."""

    network: str
    post_id: str
    version: int
    handle: str
    author_id: str
    author_username: str
    thread_id: str
    language: str  # BCP 47, "und" where nobody could tell
    urgency: Urgency
    set_aside: bool
    posted_at: datetime
    key: str
    team: str = "main"  # its handle's
    intent: str = "assistance_request"
    sure: float = 0.0  # probability of the intent
    sentiment: str = "neutral"
    topics: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    private: bool = False
    followers: int | None = None
    text: str = ""
    event_at: datetime | None = None  # of a departure or a delivery that it speaks of
    to_machine: bool = False  # it is an answer to what a machine of ours wrote, and nothing else


class OwnPost(Struct, frozen=True, gc=False):
    """A post of one of our handles, whoever wrote it."""

    network: str
    post_id: str
    handle: str
    in_reply_to: str
    answered_person: str
    posted_at: datetime
    agent: str = ""  # where it was sent through us
    promised_at: datetime | None = None  # of a holding reply: when its agent comes back


class Opened(Struct, frozen=True, gc=False):
    """Nobody has this conversation yet: a new work item waits."""

    conversation: Conversation
    item: Item
    done: Item | None = None  # the one before it, whose wrap-up ends with this message
    returns_to: str = ""  # the agent who answered this person last: theirs, if they are there and have room


class Joined(Struct, frozen=True, gc=False):
    """The conversation already waits or is in somebody's hands; it may have become more urgent."""

    conversation: Conversation
    item: Item


class SetAside(Struct, frozen=True, gc=False):
    """No answer is needed: kept and browsable, in no queue."""

    conversation: Conversation


class Answered(Struct, frozen=True, gc=False):
    """Our answer was seen before the message it answers."""

    conversation: Conversation


Routed = Opened | Joined | SetAside | Answered


def conversation_of(message: Message, known: Iterable[Conversation]) -> Conversation | None:
    """The conversation this message belongs to, among those of its author and handle; None: a new one.

    The same network thread first, then the latest within 72 h; ties go to the lower id.
    """
    near = [
        conversation
        for conversation in known
        if conversation.thread_id == message.thread_id
        or abs(message.posted_at - conversation.last_message_at) <= JOINS_WITHIN
    ]
    if len(near) < 2:
        return near[0] if near else None
    return min(
        near,
        key=lambda c: (c.thread_id != message.thread_id, abs(message.posted_at - c.last_message_at), c.id),
    )


def route(
    message: Message,
    conversation: Conversation | None,
    setup: Setup,
    now: datetime,
    *,
    answered_at: datetime | None,
    new_conversation_id: str,
    new_item_id: str,
) -> Routed:
    """Where this message goes.

    Args:
        conversation: the one it joins, or None.
        now: the house's clock; ages and deadlines count from the network's times.
        answered_at: the network's time of an answer of ours that came in before it, or None.
    """
    talk = conversation or _new_conversation(new_conversation_id, message)
    language = message.language if message.language != "und" else talk.language
    item = talk.item
    if item is not None and item.state != "wrapping":
        item = _heard_again(item, talk, message, language, setup, now)
        return Joined(_heard(talk, message, language, "open", now, item=item), item)
    if answered_at is not None and answered_at >= message.posted_at:
        return Answered(_heard(talk, message, language, "waiting_customer", now, answered_at=answered_at, item=item))
    followup = conversation is not None and talk.replied_at is not None
    if not _needs_us(message, followup):
        return SetAside(_heard(talk, message, language, talk.state if conversation else "set_aside", now, item=item))
    if talk.state in ("resolved", "closed"):  # reopened: a new cycle with clocks of its own
        talk = replace(talk, cycle=talk.cycle + 1, replied_at=None)
    urgency = _urgency(message, talk, followup)
    opened = open_item(message, talk, language, urgency, followup, setup, now, new_item_id)
    return Opened(
        _heard(talk, message, language, "open", now, item=opened),
        opened,
        replace(item, state="completed", version=item.version + 1, next_at=None) if item is not None else None,
        "" if opened.routing.incident else _returns_to(talk, urgency, message.posted_at, setup.queues[opened.queue]),
    )


def _needs_us(message: Message, followup: bool) -> bool:
    """Set aside only what surely asks for nothing; a customer's answer to us is a follow-up whatever it looks like."""
    if message.to_machine:
        return False
    if not followup:
        return not message.set_aside
    if message.intent == "spam_abuse":
        return not message.set_aside
    return clocks.starts_next_response(message.intent, message.sure, message.sentiment)


def _urgency(message: Message, talk: Conversation, followup: bool) -> Urgency:
    """A follow-up inherits; one that looks like nothing is at least low."""
    if not followup:
        return message.urgency
    inherited = talk.urgency if RANK[talk.urgency] < RANK["none"] else "low"
    return min(message.urgency, inherited, key=lambda urgency: RANK[urgency])


def open_item(
    message: Message,
    talk: Conversation,
    language: str,
    urgency: Urgency,
    followup: bool,
    setup: Setup,
    now: datetime,
    new_item_id: str,
) -> Item:
    """A work item for this message of the conversation, in the queue and the line where it waits."""
    subject = Subject(
        team=talk.team,
        language=language,
        network=message.network,
        handle=message.handle,
        intent=message.intent,
        urgency=urgency,
        topics=message.topics,
        reasons=message.reasons,
        flags=message.flags,
        private=message.private,
        followers=message.followers,
    )
    plan = plan_for(subject, setup)
    queue = queue_at(plan.queue, urgency, setup, now)
    policy = setup.sla_of(plan.queue, plan.sla)
    clock = clocks.start_clock(
        policy, setup.hours_of(queue), "next" if followup else "first", urgency, message.intent, message.posted_at,
        clock_id=new_item_id, conversation_id=talk.id, item_id=new_item_id, event_at=message.event_at,
    )  # fmt: skip
    item = Item(
        id=new_item_id,
        conversation_id=talk.id,
        queue=queue.slug,
        team=talk.team,
        urgency=urgency,
        state="pending",
        enqueued_at=message.posted_at,
        due_at=clock.due_at if clock is not None else None,
        agent="",
        version=1,
        opened_by=message.post_id,
        weight=plan.weight,
        routing=Routing(
            policy=plan.policy,
            policy_version=plan.policy_version,
            rule=plan.rule,
            sla=policy.slug,
            sla_version=policy.version,
            target_seconds=clock.target_seconds if clock is not None else None,
            followup=followup,
            event_at=message.event_at,
            reasons=message.reasons,
            language=language,
            network=message.network,
            intent=message.intent,
            topics=message.topics,
            sent_from=plan.queue.slug if queue.slug != plan.queue.slug else "",
            incident=_incident(message, talk, language, setup) if setup.incidents else "",
        ),
    )
    return arrange(item, plan if queue is plan.queue else Plan(queue), setup, now)


def _incident(message: Message, talk: Conversation, language: str, setup: Setup) -> str:
    facts = Facts(talk.team, message.handle, language, message.intent, message.topics, message.text, message.posted_at)
    return incident_of(setup.incidents, facts)


def _returns_to(talk: Conversation, urgency: str, at: datetime, queue: Queue) -> str:
    """The agent this person knows, for a while; what is critical waits for nobody, nor does what an incident has."""
    if not talk.agent or talk.agent_at is None or urgency == "critical":
        return ""
    return talk.agent if at - talk.agent_at <= timedelta(seconds=queue.same_agent_seconds) else ""


def _heard_again(item: Item, talk: Conversation, message: Message, language: str, setup: Setup, now: datetime) -> Item:
    """The open item after one more message: its own urgency counts, that nobody answered the one before, and what it
    is about, where there is an incident.
    """
    after = raised(item, message.urgency, message.reasons, setup, now, event_at=message.event_at)
    asks = message.urgency != "none" and message.intent != "spam_abuse"
    if asks and message.posted_at - talk.last_customer_at >= REPEATED_AFTER:
        after = raised(after, "high", ("repeat_contact",), setup, now)
    if setup.incidents and not item.routing.incident and (incident := _incident(message, talk, language, setup)):
        after = replace(after, routing=replace(after.routing, incident=incident))
    return after if after is item else replace(after, version=item.version + 1)  # one step, whatever it says


def _new_conversation(id_: str, message: Message) -> Conversation:
    return Conversation(
        id=id_,
        network=message.network,
        author_id=message.author_id,
        author_username=message.author_username,
        handle=message.handle,
        team=message.team,
        key=message.key,
        thread_id=message.thread_id,
        language="und",
        state="open",
        opened_at=message.posted_at,
        last_message_at=message.posted_at,
        last_customer_at=message.posted_at,
        version=0,
    )


def _heard(
    talk: Conversation,
    message: Message,
    language: str,
    state: str,
    now: datetime,
    *,
    item: Item | None = None,
    answered_at: datetime | None = None,
) -> Conversation:
    """The conversation after this message. An item that was put aside is wanted at once."""
    wake_at = talk.wake_at if state == talk.state else None
    if state == "open":
        wake_at = now if item is not None and item.routing.parked is not None else stale_at(message.private, now)
    return replace(
        talk,
        language=language,
        thread_id=message.thread_id or talk.thread_id,
        last_message_at=max(talk.last_message_at, answered_at or message.posted_at, message.posted_at),
        last_customer_at=max(talk.last_customer_at, message.posted_at),
        state=state,
        urgency=item.urgency if item is not None else talk.urgency,
        replied_at=talk.replied_at or answered_at,
        wake_at=wake_at,
        reason=talk.reason if state == talk.state else "",
        private=message.private,
        machine="",
        item=item,
        version=talk.version + 1,
    )


def stale_at(private: bool, now: datetime) -> datetime | None:
    """When a conversation goes stale that waits from now on; a private one never does."""
    return None if private else now + STALE_AFTER


def answered_by(
    conversation: Conversation, post: OwnPost, setup: Setup, now: datetime
) -> tuple[Conversation, Item | None]:
    """The conversation after a post of ours, and the item that is thereby done or in its wrap-up (or None).

    After a holding reply ("I come back by ...") the item stays with its agent until then.

    A post older than the customer's latest message leaves the item open: that message is still unanswered. One
    after the conversation was resolved (we say in public that it is) leaves it so.
    """
    item = conversation.item
    if post.posted_at < conversation.last_customer_at:
        return conversation, None
    held = item is not None and item.state == "assigned"
    if item is not None and held and post.promised_at is not None:
        kept = promised(item, post.promised_at, setup, now)
        replied_at = conversation.replied_at or post.posted_at
        told = replace(conversation, item=kept, replied_at=replied_at, version=conversation.version + 1)
        return replace(told, last_message_at=max(conversation.last_message_at, post.posted_at)), kept
    done = _done(item, setup, now) if item is not None and item.state != "wrapping" else None
    over = item is None and conversation.state in ("resolved", "closed")
    after = replace(
        conversation,
        state=conversation.state if over else "waiting_customer",
        wake_at=conversation.wake_at if over else None,
        reason=conversation.reason if over else "",
        last_message_at=max(conversation.last_message_at, post.posted_at),
        replied_at=conversation.replied_at or post.posted_at,
        agent=post.agent or conversation.agent,
        agent_at=post.posted_at if post.agent else conversation.agent_at,
        version=conversation.version + 1,
        item=item if done is None or done.state == "wrapping" else None,
    )
    if done is not None and done.state == "wrapping":
        after = replace(after, item=done)
    return after, done


def _done(item: Item, setup: Setup, now: datetime) -> Item:
    """Completed; or wrapping, where the queue gives its agent time for that."""
    queue = setup.queues.get(item.queue)
    if item.agent and item.state == "assigned" and queue is not None and queue.wrap_up_seconds:
        until = now + timedelta(seconds=queue.wrap_up_seconds)
        return replace(item, state="wrapping", version=item.version + 1, next_at=until)
    return replace(item, state="completed", version=item.version + 1, next_at=None)
