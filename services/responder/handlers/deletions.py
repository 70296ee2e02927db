"""A message was deleted: nobody answers it any more, and what was written about it goes too."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from services.responder.domain.deletions import Gone, withdraw
from services.responder.domain.replies import Reply, Target
from services.responder.store import mentions, replies


async def on_deleted(session: AsyncSession, deleted: Sequence[Target]) -> list[Reply]:
    """Keep that these are gone; the replies that were on their way or in a person's hands and are taken back."""
    if not deleted:
        return []
    await mentions.mark_deleted(session, deleted)
    now = await db.now(session)
    there = await replies.not_posted(session, {(target.network, target.post_id) for target in deleted})
    withdrawn = [(reply, after) for reply in there if (after := withdraw(reply, now))]
    await _keep(session, [after for _, after in withdrawn])
    return [after for before, after in withdrawn if after.state != before.state]


async def again_if_gone(session: AsyncSession, reply: Reply, now: datetime) -> Reply:
    """The reply as it is; taken back where its mention was deleted while it was on its way."""
    if reply.state not in ("queued", "refused", "manual_required"):
        return reply
    if not await mentions.is_deleted(session, reply.network, reply.in_reply_to):
        return reply
    withdrawn = withdraw(reply, now)
    if withdrawn is None:
        return reply
    await _keep(session, [withdrawn])
    return withdrawn


async def _keep(session: AsyncSession, withdrawn: Sequence[Reply]) -> None:
    await replies.save(session, withdrawn)
    await replies.blank_answers(session, withdrawn)


async def gone(session: AsyncSession, target: Target) -> Gone:
    """What can be answered instead of a deleted message."""
    return Gone(target, await mentions.latest_living(session, target.conversation_id))
