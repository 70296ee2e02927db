"""What the router tells about a work item."""

from datetime import datetime
from typing import Literal

from libs.common.events import (
    ConversationResolved,
    Event,
    ResponseBreached,
    StoppedClock,
    WorkItemAssigned,
    WorkItemCanceled,
    WorkItemCompleted,
    WorkItemReleased,
    derived_id,
)
from services.router.domain.routing import Conversation
from services.router.domain.waiting import Item, ended


def assigned_event(item: Item, key: str, now: datetime, traceparent: str) -> Event:
    """This agent has it now."""
    return WorkItemAssigned(
        event_id=derived_id(item.id, WorkItemAssigned.type, str(item.version)),
        occurred_at=now,
        key=key,
        traceparent=traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        waited_seconds=max(0.0, (now - item.enqueued_at).total_seconds()),
        team=item.team,
    )


def released_event(item: Item, agent: str, key: str, reason: str, now: datetime, traceparent: str) -> Event:
    """Back in its queue with its original age; `agent` had it."""
    return WorkItemReleased(
        event_id=derived_id(item.id, WorkItemReleased.type, str(item.version)),
        occurred_at=now,
        key=key,
        traceparent=traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=agent,
        version=item.version,
        reason=reason,
        team=item.team,
    )


def completed_event(item: Item, cause: Event, reason: str, now: datetime) -> Event:
    """Done, because of this event."""
    return done_event(item, cause.key, reason, now, cause.traceparent)


def done_event(item: Item, key: str, reason: str, now: datetime, traceparent: str) -> Event:
    """Done, by a human answer or by an agent's word."""
    return WorkItemCompleted(
        event_id=derived_id(item.id, WorkItemCompleted.type, str(item.version)),
        occurred_at=now,
        key=key,
        traceparent=traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        reason=reason,
        team=item.team,
    )


def canceled_event(item: Item, key: str, reason: str, now: datetime, traceparent: str) -> Event:
    """Nobody needs to answer it any more."""
    return WorkItemCanceled(
        event_id=derived_id(item.id, WorkItemCanceled.type, str(item.version)),
        occurred_at=now,
        key=key,
        traceparent=traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        reason=reason,
        team=item.team,
    )


def resolved_event(talk: Conversation, now: datetime, traceparent: str) -> Event:
    """Done, by an agent's word."""
    return ConversationResolved(
        event_id=derived_id(talk.id, ConversationResolved.type, str(talk.version)),
        occurred_at=now,
        key=talk.key,
        traceparent=traceparent,
        conversation_id=talk.id,
        network=talk.network,
        handle=talk.handle,
        author_id=talk.author_id,
        language=talk.language,
        agent=talk.agent,
        private=talk.private,
        team=talk.team,
        cycle=talk.cycle,
        conversation_version=talk.version,
    )


def clock_kind(item: Item) -> Literal["first", "next", "promise"]:
    """Which promise of time an item's deadline is."""
    if item.routing.promised:
        return "promise"
    return "next" if item.routing.followup else "first"


def stopped_clock(item: Item, answered_at: datetime, now: datetime) -> StoppedClock | None:
    """The clock that an answer at this moment, by the network's time, ends; None: none ran, or it began later."""
    clock = ended(item, answered_at, "", now)
    if item.due_at is None or clock.state not in ("met", "met_late"):
        return None
    return StoppedClock(
        item_id=item.id,
        kind=clock_kind(item),
        urgency=item.urgency,
        started_at=item.enqueued_at,
        due_at=item.due_at,
        met=clock.state == "met",
        policy=item.routing.sla,
    )


def breached_event(item: Item, due_at: datetime, key: str, now: datetime, traceparent: str = "") -> ResponseBreached:
    """Its deadline is past, and nobody has answered; `item` and the deadline as they were then."""
    return ResponseBreached(
        event_id=derived_id(item.id, ResponseBreached.type, due_at.isoformat()),
        occurred_at=now,
        key=key,
        traceparent=traceparent,
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        urgency=item.urgency,
        due_at=due_at,
        kind=clock_kind(item),
        policy=item.routing.sla,
        started_at=item.enqueued_at,
        agent=item.agent,
        team=item.team,
    )
