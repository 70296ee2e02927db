"""An incident's items, many at a time: taken together, and closed together."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.outbox import emit
from libs.common.trace import traceparent
from services.router.domain import conversations, serving
from services.router.domain.bulk import take_together, with_room
from services.router.domain.conversations import After
from services.router.domain.waiting import given
from services.router.handlers.desk import cannot_take
from services.router.handlers.events_of import assigned_event
from services.router.handlers.figures import Figures
from services.router.handlers.incidents import known
from services.router.handlers.ledger import Ledger
from services.router.store import agents, items, leases, lines, talks
from services.router.store import incidents as store
from services.router.store.items import Change, WorkItem
from services.router.store.setup import Setups

AT_ONCE = 500
REASON = "incident"


@dataclass(frozen=True)
class Resolved:
    """What was completed; `critical`: open critical items that were left for somebody to read."""

    completed: int
    critical: int


async def take(
    session: AsyncSession,
    setups: Setups,
    figures: Figures,
    slug: str,
    agent: str,
    count: int,
    teams: Collection[str],
    actor: str,
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
    await lines.lock(session, named)
    needed = serving.lines_for([(with_room(candidate), setup.queues.keys())], there, setup)
    waiting = await store.waiting(session, incident.slug, needed, AT_ONCE)
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
    figures.assigned(session, [work.item for work in taken], now)
    return taken


async def resolve(
    session: AsyncSession,
    figures: Figures,
    slug: str,
    teams: Collection[str],
    actor: str,
    *,
    agent: str | None,
    critical: bool,
) -> Resolved:
    """Complete a batch of its open items without an answer of ours, and resolve their conversations.

    Their clocks are canceled with a reason of their own; a deadline that was missed stays missed.

    Args:
        agent: only what this agent holds.
        critical: critical ones too; else they are left.

    Raises:
        Problem: 404.
    """
    incident = (await known(session, slug, teams)).incident
    seen = await store.unresolved(session, incident.slug, teams, agent=agent, critical=critical, most=AT_ONCE)
    was = {work.item.id: (work.item.agent, work.item.version) for work in seen}
    found = await talks.lock(session, {work.item.conversation_id for work in seen})
    await agents.lock_agents(session, {work.item.agent for work in seen if work.item.agent})
    ledger = Ledger(await db.now(session), actor, figures)
    closed: list[str] = []
    for work in await items.lock_items(session, sorted(was), teams):
        item = work.item
        if (item.agent, item.version) != was[item.id] or item.conversation_id not in found:
            continue  # it moved on; the next batch sees where to
        talk = replace(found[item.conversation_id], item=item)
        after = conversations.resolve(talk, ledger.now, conversations.CLOSES_AFTER)
        if isinstance(after, After):
            ledger.talk(talk, after.talk, REASON)
        done = replace(item, state="completed", version=item.version + 1, next_at=None)
        ledger.item(item, done, work.key, REASON, {"incident": slug})
        closed.append(talk.id)
    await leases.drop(session, closed)
    await ledger.write(session)
    _, left, _ = await store.figures(session, slug)
    return Resolved(len(closed), left)
