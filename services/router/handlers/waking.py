"""What time does to conversations: a snooze ends, a resolved one closes, one that waits in public goes stale."""

from dataclasses import replace as changed
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import idempotency
from services.router.domain.conversations import woken
from services.router.domain.setup import Setup
from services.router.domain.words import HELD_STATES, OPEN_STATES
from services.router.handlers.conversations import can_go_on
from services.router.handlers.ledger import Ledger
from services.router.store import agents, items, talks

AT_ONCE = 200
KEYS_KEPT = timedelta(days=7)  # an Idempotency-Key is known for that long
_FORGET_EVERY = timedelta(hours=1)


class Waker:
    """One of the timers' further sweeps."""

    def __init__(self) -> None:
        self._forgot_at: datetime | None = None

    async def wake(self, session: AsyncSession, setup: Setup, now: datetime) -> int:
        """Change what is due, at most a batch of it; what somebody has in hand now comes with the next turn."""
        if self._forgot_at is None or now - self._forgot_at >= _FORGET_EVERY:
            self._forgot_at = now
            await idempotency.forget(session, now - KEYS_KEPT)
        ids = await talks.waking(session, now, AT_ONCE)
        if not ids:
            return 0
        found = await talks.lock_if_free(session, ids)
        due = [talk for talk in found.values() if talk.wake_at is not None and talk.wake_at <= now]
        holders = {talk.item.agent for talk in due if talk.item is not None and talk.item.agent}
        people = await agents.lock_agents(session, holders) if holders else {}
        seen = {talk.item.id for talk in due if talk.item is not None}
        known = {work.item.id: work.item for work in await items.lock_items(session, seen, {"*"})} if seen else {}
        ledger = Ledger(now, "router")
        for talk in due:
            item = known.get(talk.item.id) if talk.item is not None else None
            before = replace(talk, item=item if item is not None and item.state in OPEN_STATES else None)
            step = woken(before, setup, now, has_room=can_go_on(before.item, people))
            ledger.talk(before, step.after.talk, step.happened)
            after = step.after.item
            if after is None or before.item is None:
                continue
            reason = step.happened if after.state in HELD_STATES else "agent_not_there"
            ledger.item(before.item, after, talk.key, reason)
            if after.state in HELD_STATES:  # the next one sees the room that is left
                person = people[after.agent]
                people[after.agent] = changed(person, used=person.used + after.weight)
        await ledger.write(session)
        return len(due)
