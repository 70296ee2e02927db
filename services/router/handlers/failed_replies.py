"""Replies of ours that did not go out: the conversation says so, and nobody is forgotten over it."""

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import Event, ReplyFailed
from services.router.handlers.conversations import Conversations, Scene, with_item
from services.router.handlers.figures import Figures
from services.router.handlers.ledger import Ledger
from services.router.store import talks
from services.router.store.setup import Setups

OVER = ("waiting_customer", "resolved", "closed")
"""States in which nobody would look again by themselves."""


class FailedReplies:
    """What the responder could not post."""

    def __init__(self, setups: Setups, figures: Figures) -> None:
        self._setups = setups
        self._conversations = Conversations(setups, figures)

    async def on_failed(self, events: Sequence[Event], session: AsyncSession) -> None:
        """Whose item is open has it still. One that was done on the word of its agent is opened again, unless the
        customer was answered in another way.
        """
        for event in events:
            if isinstance(event, ReplyFailed):
                await self._one(event, session)

    async def _one(self, event: ReplyFailed, session: AsyncSession) -> None:
        talk = await talks.of_mention(session, event.network, event.in_reply_to)
        if talk is None:
            return
        people, talk = await with_item(session, talk)
        scene = Scene(await self._setups.current(session), await db.now(session), talk, people)
        why = {"reply_id": event.reply_id, "state": event.state, "reason": event.reason, "agent": event.agent}
        latest = await talks.latest_message(session, talk)
        unanswered = latest is not None and latest.answered_at is None
        if talk.state in OVER and talk.item is None and unanswered:
            await self._conversations.open_again(session, scene, "reply_failed", "router", why)
        else:
            await _note(session, scene, why)


async def _note(session: AsyncSession, scene: Scene, why: dict[str, str]) -> None:
    ledger = Ledger(scene.now, "router")
    ledger.talk(scene.talk, replace(scene.talk, version=scene.talk.version + 1), "reply_failed", why)
    await ledger.write(session)
