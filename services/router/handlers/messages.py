"""What `mentions.classified` and `replies` bring: customers' messages and our own posts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import (
    Event,
    MentionClassified,
    MentionDeleted,
    MentionRouted,
    OwnPostReceived,
    ReplyPosted,
    derived_id,
)
from libs.common.outbox import emit
from services.router.domain.eligibility import parse_line, why_not
from services.router.domain.machines import NOTHING, said_to
from services.router.domain.routing import (
    Answered,
    Conversation,
    Joined,
    Message,
    Opened,
    SetAside,
    conversation_of,
    route,
)
from services.router.domain.setup import Setup
from services.router.domain.waiting import given, raised
from services.router.handlers.deletions import on_deleted
from services.router.handlers.events_of import assigned_event, breached_event, completed_event
from services.router.handlers.failed_replies import FailedReplies
from services.router.handlers.figures import Figures
from services.router.handlers.machine_posts import MachinePosts
from services.router.handlers.own_posts import answered_event, on_own_post
from services.router.ids import typed_id
from services.router.store import agents, covered
from services.router.store import floor as floors
from services.router.store.floor import Floor
from services.router.store.known import KnownAnswer, KnownMention
from services.router.store.lines import Lines
from services.router.store.setup import Setups


class Messages:
    """What the router hears."""

    def __init__(self, setups: Setups, lines: Lines, figures: Figures) -> None:
        self._setups = setups
        self._lines = lines
        self._figures = figures
        self._failed = FailedReplies(setups, figures)
        self._machines = MachinePosts(setups, figures)

    async def on_messages(self, events: Sequence[Event], session: AsyncSession) -> None:
        """Keep the messages, and route those that somebody must answer; one transaction, whatever the size."""
        setup = await self._setups.current(session)
        now = await db.now(session)
        floor = await _load(session, now, events)
        told: list[Event] = []
        for event in events:
            match event:
                case MentionClassified():
                    told += _on_mention(floor, event, setup)
                case OwnPostReceived() | ReplyPosted():
                    told += on_own_post(floor, event, setup)
                case MentionDeleted():
                    told += on_deleted(floor, event)
                case _:
                    pass  # another service's concern
        told += await _give_back_to_the_same(session, floor, setup)
        await floors.save(session, floor, await self._lines.known(session, _lines_of(floor)))
        emit(session, told)
        await self._failed.on_failed(events, session)
        await self._machines.on_posted(events, session)
        self._figures.clocks(session, floor.outcomes)
        self._figures.assigned(session, [floor.new_items[id_] for id_ in floor.taken], now)


def _lines_of(floor: Floor) -> set[str]:
    return {item.line for item in floor.new_items.values()} | {item.line for _, item in floor.changed_items.values()}


async def _load(session: AsyncSession, now: Any, events: Sequence[Event]) -> Floor:
    posts: list[floors.PostKey] = []
    own: list[floors.PostKey] = []
    answered: list[floors.PostKey] = []
    answering: list[floors.AuthorKey] = []
    authors: list[floors.AuthorKey] = []
    times = []
    for event in events:
        if isinstance(event, MentionClassified):
            posts.append((event.network, event.post_id))
            authors.append((event.network, event.author_id, event.handle))
            times.append(event.posted_at)
        elif isinstance(event, OwnPostReceived | ReplyPosted):
            own.append((event.network, event.post_id))
            times.append(event.posted_at)
            person = event.author_id if isinstance(event, ReplyPosted) else event.answered_person
            if event.in_reply_to:
                answered.append((event.network, event.in_reply_to))
            if person:
                answering.append((event.network, person, event.handle))
        elif isinstance(event, MentionDeleted):
            posts.append((event.network, event.post_id))
    earliest = min(times, default=None)
    floor = await floors.load(
        session, now, posts=posts, authors=[*authors, *answering], own=own, answered=answered, earliest=earliest
    )
    gone = [(event.network, event.post_id) for event in events if isinstance(event, MentionDeleted)]
    if own or gone:
        await covered.load(session, floor, [*answered, *gone], answering, earliest or now)
    return floor


# --- customers' messages


def _on_mention(floor: Floor, event: MentionClassified, setup: Setup) -> list[Event]:
    key = (event.network, event.post_id)
    known = floor.mentions.get(key)
    if known is not None:
        if known.version < event.version:
            _edit(floor, event, known, setup)
        return []
    labels = event.labels
    message = Message(
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        thread_id=event.thread_id or event.post_id,
        language=labels.language,
        urgency=labels.urgency,
        set_aside=labels.decision == "set_aside",
        posted_at=event.posted_at,
        key=event.key,
        team=event.team,
        intent=labels.intent,
        sure=labels.confidence.get("intent", 0.0),
        sentiment=labels.sentiment,
        topics=labels.topics,
        reasons=labels.reasons,
        flags=labels.flags,
        private=event.private,
        followers=event.reach.followers,
        event_at=_event_at(event),
        text=event.text,
    )
    answers = floor.answers.get(key, [])
    first = min(answers, key=lambda answer: answer.posted_at, default=None)
    joined = floor.heir(conversation_of(message, floor.of_author(event.network, event.author_id, event.handle)))
    said = said_to(joined.machine, event.text, private=event.private) if joined is not None else NOTHING
    routed = route(
        replace(message, to_machine=True) if said.all else message,
        joined,
        setup,
        floor.now,
        answered_at=first.posted_at if first else None,
        new_conversation_id=typed_id("cnv", event.posted_at, event.network, event.post_id, event.handle),
        new_item_id=typed_id("itm", event.posted_at, event.network, event.post_id),
    )
    told: list[Event] = []
    match routed:
        case Opened(conversation, item, done, returns_to):
            if done is not None:
                assert joined is not None
                assert joined.item is not None
                floor.close(joined.item, done, "wrapped")
                told.append(completed_event(done, event, "wrapped", floor.now))
            floor.open(item)
            if item.late and item.due_at is not None:  # no timer will tell it
                told.append(breached_event(item, item.due_at, event.key, floor.now, event.traceparent))
            if returns_to:
                floor.returning[item.id] = (returns_to, event)
            outcome, item_id, queue = "opened", item.id, item.queue
        case Joined(conversation, item):
            if joined is not None and joined.item is not None:
                floor.change(joined.item, item)
            outcome, item_id, queue = "joined", item.id, item.queue
        case SetAside(conversation):
            outcome, item_id, queue = "set_aside", "", ""
        case Answered(conversation):
            outcome, item_id, queue = "answered", "", ""
        case other:
            assert_never(other)
    floor.keep(conversation)
    kept = _keep(floor, event, conversation, outcome=outcome, item_id=item_id, queue=queue, first=first)
    told.append(
        MentionRouted(
            event_id=derived_id(event.event_id, MentionRouted.type, event.post_id),
            occurred_at=floor.now,
            key=event.key,
            traceparent=event.traceparent,
            network=event.network,
            post_id=event.post_id,
            handle=event.handle,
            author_id=event.author_id,
            author_username=event.author_username,
            thread_id=message.thread_id,
            private=event.private,
            posted_at=event.posted_at,
            language=conversation.language,
            intent=event.labels.intent,
            urgency=event.labels.urgency,
            conversation_id=conversation.id,
            outcome=outcome,  # type: ignore[arg-type]
            item_id=item_id,
            queue=queue,
            team=conversation.team,
            incident=conversation.item.routing.incident if item_id and conversation.item is not None else "",
            conversation_version=conversation.version,
            sentiment=event.labels.sentiment,
            summoned=event.summoned,
            rating=said.rating,
            comment=said.comment,
            stop=said.stop,
        )
    )
    return told + [answered_event(kept, event, answer, floor, setup=setup) for answer in answers]


async def _give_back_to_the_same(session: AsyncSession, floor: Floor, setup: Setup) -> list[Event]:
    """A returning customer finds the agent they know, if that one is there and has room; else the queue has them."""
    wanted = {id_: back for id_, back in floor.returning.items() if floor.new_items[id_].state == "pending"}
    if not wanted:
        return []
    known = await agents.lock_agents(session, {slug for slug, _ in wanted.values()})
    people = {slug: agent.as_candidate(setup) for slug, agent in known.items()}
    told: list[Event] = []
    for id_, (slug, cause) in wanted.items():
        item, person = floor.new_items[id_], people.get(slug)
        _, _, needs = parse_line(item.line)
        if person is None or why_not(
            person, queue=item.queue, team=item.team, needs=needs, weight=item.weight, now=floor.now
        ):
            continue
        used = person.used
        people[slug] = replace(person, used=used + item.weight)
        floor.new_items[id_] = held = given(item, slug, setup, floor.now)
        floor.taken[id_] = slug
        floor.why_taken[id_] = {"knows": "customer", "line": item.line, "used": used, "of": person.capacity}
        told.append(assigned_event(held, cause.key, floor.now, cause.traceparent))
    return told


def _event_at(event: MentionClassified) -> datetime | None:
    left = event.labels.stated_minutes_left
    return None if left is None else event.posted_at + timedelta(minutes=left)


def _keep(
    floor: Floor,
    event: MentionClassified,
    conversation: Conversation,
    *,
    outcome: str,
    item_id: str,
    queue: str,
    first: KnownAnswer | None,
) -> KnownMention:
    """The mention as a row, and as the next decisions of this batch see it."""
    floor.mention_rows[event.network, event.post_id] = {
        "network": event.network,
        "post_id": event.post_id,
        "version": event.version,
        "handle": event.handle,
        "also_named": event.also_named,
        "conversation_id": conversation.id,
        "item_id": item_id,
        "queue": queue,
        "team": conversation.team,
        "outcome": outcome,
        "author_id": event.author_id,
        "author_username": event.author_username,
        "text": event.text,
        "thread_id": event.thread_id,
        "in_reply_to": event.in_reply_to,
        "private": event.private,
        "source": event.source,
        "reach": event.reach,
        "labels": event.labels,
        "posted_at": event.posted_at,
        "received_at": event.received_at,
        "answered_at": first.posted_at if first else None,
        "answered_by": first.post_id if first else None,
        "covered_at": None,
        "covered_by": None,
        "traceparent": event.traceparent,
        "updated_at": floor.now,
    }
    if floor.covers:
        floor.uncovered.setdefault(conversation.id, set()).add((event.network, event.post_id))
    known = KnownMention(
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        conversation_id=conversation.id,
        queue=queue,
        team=conversation.team,
        outcome=outcome,
        posted_at=event.posted_at,
        answered_at=first.posted_at if first else None,
        labels={"language": event.labels.language, "intent": event.labels.intent},
    )
    floor.mentions[event.network, event.post_id] = known
    return known


def _edit(floor: Floor, event: MentionClassified, known: KnownMention, setup: Setup) -> None:
    """A newer version of a message we hold: its text and labels follow; its place in the queue only rises."""
    conversation = floor.conversations.get(known.conversation_id)
    if conversation is not None and conversation.item is not None:
        item = raised(conversation.item, event.labels.urgency, event.labels.reasons, setup, floor.now)
        floor.change(conversation.item, item)
        floor.keep(replace(conversation, item=item, version=conversation.version + 1))
    floor.edited_rows.append(
        {
            "network": event.network,
            "post_id": event.post_id,
            "version": event.version,
            "text": event.text,
            "labels": event.labels,
            "correction": None,  # it was of another text
            "updated_at": floor.now,
        }
    )
    floor.mentions[event.network, event.post_id] = known._replace(version=event.version)
