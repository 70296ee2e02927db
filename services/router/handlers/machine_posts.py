"""Posts of ours that were first seen on the network, as anybody's, and are then told as a machine's.

By then one has been taken for an answer. That is taken back: the clocks of such a post met nothing, so whoever waited
waits again, with the age they had.
"""

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import MACHINE, Event, MentionAnswered, ReplyPosted, derived_id
from libs.common.outbox import emit
from services.router.domain.setup import Setup
from services.router.handlers.conversations import Conversations, Scene, with_item
from services.router.handlers.figures import Figures
from services.router.handlers.ledger import Ledger
from services.router.handlers.own_posts import business_seconds
from services.router.store import machine_posts as store
from services.router.store import talks
from services.router.store.machine_posts import Undone
from services.router.store.setup import Setups


class MachinePosts:
    """What the network showed before the responder told who wrote it."""

    def __init__(self, setups: Setups, figures: Figures) -> None:
        self._setups = setups
        self._conversations = Conversations(setups, figures)

    async def on_posted(self, events: Sequence[Event], session: AsyncSession) -> None:
        """Take back what such posts seemed to answer; tell each of those mentions again as not answered by it."""
        for event in events:
            if isinstance(event, ReplyPosted) and event.kind in MACHINE:
                await self._one(event, session)

    async def _one(self, event: ReplyPosted, session: AsyncSession) -> None:
        talk = await talks.of_mention(session, event.network, event.in_reply_to)
        if talk is None or not await store.mark(session, event.network, event.post_id, event.kind, event.reply_id):
            return  # it was told before it was seen
        now = await db.now(session)
        undone = await store.take_back(session, talk.id, event.network, event.post_id, now)
        people, talk = await with_item(session, talk)
        replied_at = await store.first_answer(session, talk.id, talk.opened_at)
        scene = Scene(
            await self._setups.current(session), now, replace(talk, machine=event.kind, replied_at=replied_at), people
        )
        why = {"reply_id": event.reply_id, "post_id": event.post_id}
        waits = any(not each.answered_by for each in undone)
        if waits and talk.state == "waiting_customer" and (talk.item is None or talk.item.state == "wrapping"):
            await self._conversations.open_again(session, scene, "machine_wrote", "router", why)
        else:
            ledger = Ledger(now, "router")
            ledger.talk(scene.talk, replace(scene.talk, version=talk.version + 1), "machine_wrote", why)
            await ledger.write(session)
        for each in undone:
            emit(session, _told_again(each, event, talk.version + 1, scene.setup))


def _told_again(mention: Undone, event: ReplyPosted, version: int, setup: Setup) -> list[MentionAnswered]:
    """Not by the machine; by the people who answered it as well."""
    seen = MentionAnswered(
        event_id=derived_id(event.event_id, MentionAnswered.type, mention.post_id),
        occurred_at=event.occurred_at,
        key=event.key,
        traceparent=event.traceparent,
        network=mention.network,
        post_id=mention.post_id,
        handle=mention.handle,
        conversation_id=mention.conversation_id,
        how=mention.how,
        own_post_id=event.post_id,
        reply_id=event.reply_id,
        posted_at=mention.posted_at,
        answered_at=event.posted_at,
        language=mention.language,
        intent=mention.intent,  # type: ignore[arg-type]
        queue=mention.queue,
        team=mention.team,
        conversation_version=version,
        automatic=True,
    )
    by_people = [
        replace(
            seen,
            event_id=derived_id(seen.event_id, how, answer.post_id),
            how=how,
            own_post_id=answer.post_id,
            reply_id=answer.reply_id,
            answered_at=answer.posted_at,
            automatic=False,
            business_seconds=business_seconds(mention.queue, mention.posted_at, answer.posted_at, setup),
        )
        for how, answer in mention.answered_by
    ]
    return [seen, *by_people]
