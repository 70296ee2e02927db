"""A change of hours or targets: running clocks get their new deadlines, and keep the old ones with the cause."""

from datetime import datetime

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.domain import clocks as clocks_of
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item, arrange, clock_of, held_until, on_clock, plan_of
from services.router.store import clocks, items

AT_ONCE = 500


async def recompute(session: AsyncSession, setup: Setup, kind: str, slug: str, now: datetime) -> None:
    """New deadlines for the open items of the queues that a change of the set-up concerns."""
    queues = _concerned(setup, kind, slug)
    after = ""
    while queues:
        page = await items.open_in(session, queues, after, AT_ONCE)
        if not page:
            return
        after = page[-1].item.id
        moved = [(work.item, retargeted(work.item, setup, now)) for work in page]
        await items.rearrange(session, [item for _, item in moved], due=True)
        await items.keep_lines(session, [item for old, item in moved if item.line != old.line])
        changed = [(item, old.due_at, f"{kind} {slug}") for old, item in moved if item.due_at != old.due_at]
        await clocks.retarget(session, changed, now)


def _concerned(setup: Setup, kind: str, slug: str) -> list[str]:
    if kind == "queues":
        return [slug] if slug in setup.queues else []
    if kind == "business-hours":
        return sorted(name for name, queue in setup.queues.items() if queue.hours == slug)
    if kind == "sla-policies":
        by_rule = {
            rule.queue for policy in setup.policies.values() for rule in policy.rules if rule.sla == slug
        } & setup.queues.keys()
        return sorted({name for name, queue in setup.queues.items() if queue.sla == slug} | by_rule)
    return []


def retargeted(item: Item, setup: Setup, now: datetime) -> Item:
    """The item under the set-up as it is now. A deadline that was missed stays so."""
    queue = setup.queues[item.queue]
    policy = setup.sla_of(queue, plan_of(item, setup).sla)
    cause = "the set-up changed"
    clock = clocks_of.recompute(clock_of(item, policy), policy, setup.hours_of(queue), now, cause)
    after = on_clock(item, clock)
    if item.state == "pending":
        return arrange(after, plan_of(after, setup), setup, now)
    return replace(after, next_at=held_until(after, setup, now)) if item.state == "assigned" else after
