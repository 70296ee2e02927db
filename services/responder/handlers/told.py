"""What a reply's state is worth telling."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import Event, ReplyFailed, ReplyPosted, derived_id
from libs.common.outbox import emit
from services.responder.domain.replies import MACHINE, Reply


def tell(session: AsyncSession, reply: Reply, now: datetime) -> None:
    """Tell, when the transaction commits, that the reply is out or needs a person; a machine's never needs one."""
    if event := _event(reply, now):
        emit(session, [event])


def _event(reply: Reply, now: datetime) -> Event | None:
    match reply.state:
        case "posted":
            assert reply.own_post_id is not None
            assert reply.posted_at is not None
            return ReplyPosted(
                event_id=derived_id(reply.id, ReplyPosted.type, reply.own_post_id),
                occurred_at=now,
                key=reply.key,
                traceparent=reply.traceparent,
                reply_id=reply.id,
                network=reply.network,
                post_id=reply.own_post_id,
                in_reply_to=reply.in_reply_to,
                handle=reply.handle,
                author_id=reply.author_id,
                agent=reply.agent,
                text=reply.text,
                posted_at=reply.posted_at,
                thread_id=reply.thread_id,
                private=reply.private,
                team=reply.team,
                kind=reply.kind,
                promised_at=reply.promised_at,
            )
        case "refused" | "manual_required" | "needs_human" as state if reply.kind not in MACHINE:
            return ReplyFailed(
                event_id=derived_id(reply.id, ReplyFailed.type, f"{state} {reply.version}"),
                occurred_at=now,
                key=reply.key,
                traceparent=reply.traceparent,
                reply_id=reply.id,
                network=reply.network,
                in_reply_to=reply.in_reply_to,
                handle=reply.handle,
                agent=reply.agent,
                state=state,
                reason=reply.reason,
                team=reply.team,
            )
        case _:
            return None
