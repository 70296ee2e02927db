"""After a database was restored from a backup: what may have gone out since is looked for before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.events import ReplyPosted
from services.responder.domain.machines import by_people
from services.responder.domain.posting import Pace
from services.responder.domain.replies import MACHINE, Reply
from services.responder.domain.restored import IN_DOUBT, doubt_restored, posted_since
from services.responder.store import mentions
from services.responder.store import replies as store
from services.responder.store import restore as restored

PAGE = 500
EVERYBODY = frozenset({"*"})
TOLERANCE = timedelta(minutes=10)
"""The clocks of who wrote the backup's time down and of the database may differ by so much."""


@dataclass(frozen=True, slots=True)
class LaterThanBackup:
    """The tables changed after the backup's time: they are not those of the backup, or this was done already."""

    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """How many replies the log says are out, and how many are looked for from `looked_for_at` on."""

    posted: int
    in_doubt: int
    looked_for_at: datetime


async def too_late(database: Database, backup_time: datetime) -> LaterThanBackup | None:
    """Whether the tables hold something later than the backup can."""
    async with database.read() as session:
        changed_at = await restored.last_change(session)
    if changed_at is None or changed_at <= backup_time + TOLERANCE:
        return None
    return LaterThanBackup(changed_at)


async def finish(database: Database, told: Sequence[ReplyPosted], pace: Pace) -> Finished:
    """Take over what the log says went out, doubt the rest; all of it or nothing, in one transaction.

    Args:
        told: what was told since shortly before the backup, in order; repeats do no harm.
    """
    async with database.begin() as session:
        now = await db.now(session)
        posted = [await _post(session, event, now) for event in told]
        in_doubt, last = 0, ""
        while page := await restored.in_states(session, IN_DOUBT, last, PAGE):
            await store.save(session, [doubt_restored(reply, now, pace) for reply in page])
            in_doubt, last = in_doubt + len(page), page[-1].id
    return Finished(sum(posted), in_doubt, now + pace.recover_after)


async def _post(session: AsyncSession, told: ReplyPosted, now: datetime) -> bool:
    """Whether the tables did not know that this reply is out, and do now."""
    target = await mentions.target(session, told.network, told.in_reply_to, EVERYBODY, lock=True)
    if target is None:  # of after the backup: it comes again from the log, and its answer with it
        return False
    if await store.reply_of_post(session, told.network, told.post_id) is not None:
        return False
    there = await store.find(session, told.reply_id, EVERYBODY, lock=True)
    if there is not None:
        if there.state not in (*IN_DOUBT, "draft", "manual_required"):
            return False
        if there.state == "draft" and await _answered(session, there):
            return False
        await store.save(session, [posted_since(told, there, target, now)])
        return True
    reply = posted_since(told, None, target, now)
    if await _answered(session, reply):
        return False
    await store.add(session, reply)
    return True


async def _answered(session: AsyncSession, reply: Reply) -> bool:
    """Whether the mention has a live reply already, which keeps further ones away just as well.

    A machine's message is in nobody's way but its own kind's.
    """
    live = await store.live_replies(session, reply.network, reply.in_reply_to)
    if reply.kind in MACHINE:
        return any(each.kind == reply.kind for each in live)
    return bool(by_people(live))
