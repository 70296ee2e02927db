"""What a reply may have become since the backup that it was restored from."""

from dataclasses import replace
from datetime import datetime

from libs.common.events import ReplyPosted
from services.responder.domain.posting import Pace
from services.responder.domain.replies import MACHINE, Reply, State, Target

IN_DOUBT: tuple[State, ...] = ("approval_pending", "queued", "sending", "unknown", "needs_human")
"""These may have gone out after the backup without anything in the tables that says so."""

_A_PERSON_DECIDES: frozenset[State] = frozenset({"approval_pending", "needs_human"})


def doubt_restored(reply: Reply, now: datetime, pace: Pace) -> Reply:
    """To be looked for on our timeline before anything is sent; whoever still holds the old fence is too late.

    What was ours to send goes out after two looks that do not find it. What was not is looked for once, and is a
    person's then: a reply that nobody has approved must not go out because of a restore.
    """
    since = now - pace.give_up_after if reply.state in _A_PERSON_DECIDES else now
    return replace(
        reply,
        state="unknown",
        reason="restored from a backup: it may have gone out since",
        updated_at=now,
        fence=reply.fence + 1,
        version=reply.version + 1,
        reserved_at=now,
        unknown_since=since,
        missed_at=None,
        look_at=now + pace.recover_after,
    )


def posted_since(told: ReplyPosted, restored: Reply | None, target: Target, now: datetime) -> Reply:
    """The reply as the log says it went out after the backup; `restored` is what the tables hold of it."""
    kept = restored or Reply(
        id=told.reply_id,
        network=told.network,
        in_reply_to=told.in_reply_to,
        handle=told.handle,
        text=told.text,
        state="posted",
        created_at=now,
        updated_at=now,
        not_before=now,
        key=told.key,
        version=0,
        item_id=target.item_id,
        created_by="restored",
    )
    return replace(
        kept,
        text=told.text,
        state="posted",
        reason="",
        updated_at=now,
        version=kept.version + 1,
        fence=kept.fence + 1,
        team=told.team,
        agent=told.agent,
        author_id=told.author_id,
        thread_id=told.thread_id,
        private=told.private,
        kind=told.kind,
        follow_up_of=told.kind if told.kind in MACHINE else kept.follow_up_of,
        conversation_id=target.conversation_id,
        own_post_id=told.post_id,
        posted_at=told.posted_at,
        look_at=None,
    )
