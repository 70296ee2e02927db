"""What one transaction does to conversations and their items, written in the house's order of locks, and told."""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.events import Event
from libs.common.outbox import emit
from libs.common.trace import traceparent
from services.router.domain.routing import Conversation
from services.router.domain.waiting import Item
from services.router.domain.words import HELD_STATES
from services.router.handlers.events_of import (
    assigned_event,
    canceled_event,
    done_event,
    released_event,
    resolved_event,
)
from services.router.handlers.figures import Figures
from services.router.store import clocks, items, reservations, talks
from services.router.store.items import Change
from services.router.store.talks import Step


class Ledger:
    """Steps of (locked) conversations and items: noted one by one, written together."""

    def __init__(self, now: datetime, actor: str, figures: Figures | None = None) -> None:
        """Begin with nothing; `figures`: where it may end items."""
        self.now = now
        self._figures = figures
        self._actor = actor
        self._trace = traceparent()
        self._talks: dict[str, tuple[int, Conversation]] = {}
        self._steps: list[Step] = []
        self._changes: list[Change] = []
        self._loads: Counter[str] = Counter()
        self._ended: dict[str, list[str]] = {}  # items whose clocks stop, by reason
        self._rescinded: dict[str, list[str]] = {}  # items whose offers are over, by reason
        self._due: list[tuple[Item, datetime | None, str]] = []
        self._told: list[Event] = []

    def talk(self, before: Conversation, after: Conversation, reason: str, why: Any = None) -> None:
        """A conversation is this now; without a new version nothing of it but its timer changed."""
        self._talks[after.id] = (before.version, after)
        if after.state == "resolved" != before.state:
            self._told.append(resolved_event(after, self.now, self._trace))
        if after.version != before.version:
            self._steps.append(Step(after.id, after.version, after.state, reason, self._actor, self.now, why))

    def item(self, before: Item, after: Item, key: str, reason: str, why: Any = None) -> None:
        """An item is this now: agents' loads, clocks, offers and events follow from it."""
        self._changes.append(Change(after, reason, self._actor, after.agent or before.agent, why))
        if before.state in HELD_STATES:
            self._loads[before.agent] -= before.weight
        if after.state in HELD_STATES:
            self._loads[after.agent] += after.weight
        if before.state == "reserved" and after.state != "reserved":
            self._rescinded.setdefault(reason, []).append(after.id)
        if after.state in ("completed", "canceled"):
            self._ended.setdefault(reason, []).append(after.id)
        elif after.due_at != before.due_at:
            self._due.append((after, before.due_at, reason))
        self._tell(before, after, key, reason)

    def _tell(self, before: Item, after: Item, key: str, reason: str) -> None:
        match after.state:
            case "completed":
                self._told.append(done_event(after, key, reason, self.now, self._trace))
            case "canceled":
                self._told.append(canceled_event(after, key, reason, self.now, self._trace))
            case "assigned" if before.state != "assigned" or before.agent != after.agent:
                self._told.append(assigned_event(after, key, self.now, self._trace))
            case "pending" if before.agent:
                self._told.append(released_event(after, before.agent, key, reason, self.now, self._trace))
            case _:
                pass

    async def write(self, session: AsyncSession) -> None:
        """All of it; conversations, agents and items are locked in this order.

        Raises:
            Raced: somebody else changed one of them since we looked.
        """
        await talks.save(session, self._talks, self.now)
        await talks.note(session, self._steps)
        await items.load_agents(session, self._loads, self.now)
        await items.write(session, self._changes, self.now)
        canceled: Counter[tuple[str, str, str]] = Counter()
        for reason, ids in self._ended.items():
            canceled += await clocks.cancel(session, ids, reason, self.now)
        if self._figures is not None:
            self._figures.clocks(session, canceled)
        for reason, ids in self._rescinded.items():
            await reservations.end(session, ids, "rescinded", reason, self.now)
        await clocks.retarget(session, self._due, self.now)
        emit(session, self._told)
