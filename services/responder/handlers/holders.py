"""Who has a conversation in hand: heard from the router."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import Event, WorkItemAssigned, WorkItemCanceled, WorkItemCompleted, WorkItemReleased
from services.responder.store import holders as store
from services.responder.store.holders import Holder


async def on_held(session: AsyncSession, events: Iterable[Event]) -> None:
    """Keep who took what, and what nobody has any more."""
    heard = []
    for event in events:
        match event:
            case WorkItemAssigned():
                heard.append(Holder(event.conversation_id, event.item_id, event.agent, event.occurred_at))
            case WorkItemReleased() | WorkItemCompleted() | WorkItemCanceled():
                heard.append(Holder(event.conversation_id, event.item_id, "", event.occurred_at))
    await store.keep(session, heard)
