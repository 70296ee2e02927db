"""`work.items` in: which mentions can be answered, and which were."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import Event, MentionAnswered, MentionRouted, of_type
from services.responder.domain.latency import Latency, waited
from services.responder.domain.replies import Target
from services.responder.handlers.figures import Figures, after_commit
from services.responder.store import mentions as store


@dataclass(frozen=True)
class Mentions:
    """What the router says about mentions."""

    figures: Figures

    async def on_work_items(self, events: Sequence[Event], session: AsyncSession) -> None:
        """Keep what can be answered, and how long the answered ones waited, in whatever order that comes."""
        await store.keep_targets(session, [_target(event) for event in of_type(MentionRouted, events)])
        latencies, left_out = waited(_latency(event) for event in of_type(MentionAnswered, events))
        new = await store.keep_latencies(session, latencies)

        def count() -> None:
            self.figures.answered([latency for latency in new if latency.how == "direct"])
            self.figures.left_out(left_out, "answered_before_posted")

        after_commit(session, count)


def _target(event: MentionRouted) -> Target:
    return Target(
        network=event.network,
        post_id=event.post_id,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        thread_id=event.thread_id,
        private=event.private,
        posted_at=event.posted_at,
        conversation_id=event.conversation_id,
        item_id=event.item_id,
        queue=event.queue,
        language=event.language,
        intent=event.intent,
        urgency=event.urgency,
        team=event.team,
        key=event.key,
        routed_at=event.occurred_at,
    )


def _latency(event: MentionAnswered) -> Latency:
    return Latency(
        network=event.network,
        post_id=event.post_id,
        how=event.how,
        own_post_id=event.own_post_id,
        reply_id=event.reply_id,
        posted_at=event.posted_at,
        answered_at=event.answered_at,
        latency_seconds=(event.answered_at - event.posted_at).total_seconds(),
        handle=event.handle,
        queue=event.queue,
        language=event.language,
        intent=event.intent,
        team=event.team,
        conversation_id=event.conversation_id,
    )
