"""What the router tells about a work item."""

from datetime import datetime

from libs.common.events import (
    Event,
    WorkItemAssigned,
    WorkItemCanceled,
    WorkItemCompleted,
    WorkItemReleased,
    derived_id,
)
from services.router.domain.waiting import Item


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
