"""An incident's items, many at a time: taken together, and closed together."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import Event, WorkItemCanceled, derived_id
from libs.common.outbox import emit
from libs.common.trace import traceparent
from services.router.domain import serving
from services.router.domain.bulk import take_together
from services.router.domain.waiting import Item, given
from services.router.domain.words import HELD_STATES
from services.router.handlers.desk import cannot_take
from services.router.handlers.events_of import assigned_event, done_event
from services.router.handlers.incidents import known
from services.router.store import agents, clocks, items, lines, reservations
from services.router.store import incidents as store
from services.router.store.items import Change, WorkItem
from services.router.store.setup import Setups

AT_ONCE = 500
REASON = "incident"


@dataclass(frozen=True)
class Resolved:
    """What was closed; `critical`: open critical items that were left for somebody to read."""

    completed: int
    canceled: int
    critical: int


async def take(
    session: AsyncSession, setups: Setups, slug: str, agent: str, count: int, teams: Collection[str], actor: str
) -> list[WorkItem]:
    """The first so many of its items that wait and that the agent may have, what is critical first.

    Together they weigh what the first weighs.

    Raises:
        Problem: 404 for an unknown incident or agent, 409 for one who is not available or has no room.
    """
    setup = await setups.current(session)
    incident = (await known(session, slug, teams)).incident
    person = (await agents.lock_agents(session, {agent})).get(agent)
    if person is not None and person.team not in teams and "*" not in teams:
        person = None
    now = await db.now(session)
    held = await items.held_by(session, [agent], lock=False)
    holds_one = any(work.item.routing.incident == slug and work.item.weight for work in held)
    if problem := cannot_take(agent, person, setup, now, weight=0 if holds_one else 1):
        raise problem
    assert person is not None
    candidate = person.as_candidate(setup)
    there = await store.lines_of(session, incident.slug)
    named = sorted(set(there.values()))
    overseen = [setup.queues[slug].supervisor for slug in named if slug in setup.queues]
    await lines.lock(session, named)
    if not any(overseen):
        there = {line: there[line] for line in serving.lines_for([candidate], there)}
    waiting = await store.waiting(session, incident.slug, there, AT_ONCE)
    counter = serving.Counter((work.item for work in waiting), {}, setup, now)
    keys = {work.item.id: work.key for work in waiting}
    served = take_together(candidate, counter, setup.queues.keys(), teams, count, holds_one=holds_one)
    changes = []
    taken = []
    for each in served:
        item = given(each.item, agent, setup, now)
        changes.append(Change(item, "taken", actor, agent, {"order": each.why, "incident": slug}))
        taken.append(WorkItem(item, keys[item.id], "taken", now))
        emit(session, [assigned_event(item, keys[item.id], now, traceparent())])
    await items.load_agents(session, Counter({agent: sum(work.item.weight for work in taken)}), now)
    await items.write(session, changes, now)
    return taken


async def resolve(
    session: AsyncSession, slug: str, teams: Collection[str], actor: str, *, agent: str | None, critical: bool
) -> Resolved:
    """Close a batch of its open items without an answer of ours, and resolve their conversations.

    Held ones are completed, waiting ones canceled; their clocks are canceled with a reason of their own. A deadline
    that was missed stays missed.

    Args:
        agent: only what this agent holds.
        critical: critical ones too; else they are left.

    Raises:
        Problem: 404.
    """
    incident = (await known(session, slug, teams)).incident
    seen = await store.unresolved(session, incident.slug, teams, agent=agent, critical=critical, most=AT_ONCE)
    await store.lock_conversations(session, {work.item.conversation_id for work in seen})
    await agents.lock_agents(session, {work.item.agent for work in seen if work.item.agent})
    was = {work.item.id: (work.item.agent, work.item.version) for work in seen}
    now = await db.now(session)
    changes: list[Change] = []
    told: list[Event] = []
    loads: Counter[str] = Counter()
    for work in await items.lock_items(session, sorted(was), teams):
        before = work.item
        if (before.agent, before.version) != was[before.id]:
            continue  # it moved on; the next batch sees where to
        held = before.state in ("assigned", "wrapping")
        after = replace(before, state="completed" if held else "canceled", version=before.version + 1, next_at=None)
        if before.agent and before.state in HELD_STATES:
            loads[before.agent] -= before.weight
        changes.append(Change(after, REASON, actor, before.agent, {"incident": slug}))
        told.append(
            done_event(after, work.key, REASON, now, traceparent()) if held else _canceled_event(after, work.key, now)
        )
    closed = [change.item for change in changes]
    await items.load_agents(session, loads, now)
    await items.write(session, changes, now)
    if closed:
        ids = [item.id for item in closed]
        await clocks.cancel(session, ids, REASON, now)
        await reservations.end(session, ids, "canceled", REASON, now)
        await store.resolve_conversations(session, {item.conversation_id for item in closed}, now)
    emit(session, told)
    _, left, _ = await store.figures(session, slug)
    completed = sum(item.state == "completed" for item in closed)
    return Resolved(completed, len(closed) - completed, left)


def _canceled_event(item: Item, key: str, now: datetime) -> Event:
    return WorkItemCanceled(
        event_id=derived_id(item.id, WorkItemCanceled.type, str(item.version)),
        occurred_at=now,
        key=key,
        traceparent=traceparent(),
        item_id=item.id,
        conversation_id=item.conversation_id,
        queue=item.queue,
        agent=item.agent,
        version=item.version,
        reason=REASON,
        team=item.team,
    )
