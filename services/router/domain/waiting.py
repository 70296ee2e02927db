"""A work item while it waits and while somebody has it: where it stands, and what time does to it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from services.router.domain import clocks
from services.router.domain.clocks import Clock, SlaPolicy
from services.router.domain.eligibility import line_of
from services.router.domain.order import NEVER, next_lift, place
from services.router.domain.policies import Plan, needs_now, next_change, planned_again
from services.router.domain.setup import Queue, Setup
from services.router.domain.words import RANK, Urgency

JUST_AFTER = timedelta(milliseconds=1)
"""A deadline itself is in time; this much later is late."""


class Routing(Struct, frozen=True, gc=False, omit_defaults=True):
    """What decided about an item, and what applies to it: kept with it, and shown."""

    policy: str = ""  # none: the queue of its language, or the default one
    policy_version: int = 0
    rule: str = ""
    sla: str = ""
    sla_version: int = 0
    target_seconds: float | None = None
    step: int = 0
    followup: bool = False
    reasons: tuple[str, ...] = ()
    declined_by: tuple[str, ...] = ()
    warned: float = 0.0  # share of the target that the last warning was for
    language: str = "und"
    network: str = ""
    intent: str = ""
    topics: tuple[str, ...] = ()
    sent_from: str = ""  # the queue it was in before it overflowed, went on call, was escalated or transferred
    event_at: datetime | None = None  # of a departure or delivery it speaks of
    promised: bool = False  # by a holding reply: its deadline is when its agent comes back
    incident: str = ""
    parked: int | None = None  # units it uses again once its conversation is neither on hold nor snoozed


class Item(Struct, frozen=True, gc=False):
    """A work item as the decisions see it."""

    id: str
    conversation_id: str
    queue: str
    team: str
    urgency: Urgency
    state: str
    enqueued_at: datetime  # the post's time on its network: ingest lag does not make anybody younger
    due_at: datetime | None
    agent: str
    version: int
    opened_by: str  # post id
    line: str = ""
    rank: int = 9
    late: bool = False
    sort_at: datetime = NEVER
    next_at: datetime | None = None
    weight: int = 1
    assigned_at: datetime | None = None
    routing: Routing = Routing()


def plan_of(item: Item, setup: Setup) -> Plan:
    """The plan an item got, as the set-up says it now."""
    return planned_again(item.routing.policy, item.routing.rule, item.queue, setup)


def arrange(item: Item, plan: Plan, setup: Setup, now: datetime) -> Item:
    """A pending item in its line, where it stands at this moment, with the next time that this changes.

    Nothing but the clock and the set-up go into it: arranging twice is arranging once.
    """
    age = now - item.enqueued_at
    target = timedelta(seconds=item.routing.target_seconds) if item.routing.target_seconds is not None else None
    routing = item.routing
    step, needs = needs_now(plan, age, target, language=routing.language, network=routing.network)
    where = place(item.urgency, item.enqueued_at, item.due_at, routing.followup, now)
    return replace(
        item,
        line=line_of(item.queue, item.team, needs, item.weight),
        rank=where.rank,
        late=where.late,
        sort_at=where.sort_at,
        next_at=_next_at(item, plan, setup, age, target, now),
        routing=routing if routing.step == step else replace(routing, step=step),
    )


def _next_at(
    item: Item, plan: Plan, setup: Setup, age: timedelta, target: timedelta | None, now: datetime
) -> datetime | None:
    moments = []
    if (lift := next_lift(item.urgency, item.enqueued_at, now)) is not None:
        moments.append(lift)
    if item.due_at is not None:
        if item.due_at >= now:
            moments.append(item.due_at + JUST_AFTER)
        if (warning := _next_warning(item, setup)) is not None:
            moments.append(max(warning, now))
    if plan.steps and (change := next_change(plan.steps, age, target)) is not None:
        moments.append(item.enqueued_at + change)
    return min(moments, default=None)


def _next_warning(item: Item, setup: Setup) -> datetime | None:
    """When the next fraction of the time is used."""
    queue = setup.queues.get(item.queue)
    if queue is None or item.due_at is None:
        return None
    policy = setup.sla_of(queue, item.routing.sla or None)
    for fraction in policy.warn_at:
        if item.routing.warned < fraction < 1:
            basis = clocks.basis_of(policy, item.urgency)
            return clocks.moment_between(item.enqueued_at, item.due_at, basis, setup.hours_of(queue), fraction)
    return None


def clock_of(item: Item, policy: SlaPolicy) -> Clock:
    """The clock of an item's first response, or of the next one where we answered before."""
    routing = item.routing
    return Clock(
        id=item.id,
        conversation_id=item.conversation_id,
        item_id=item.id,
        kind="next" if routing.followup else "first",
        policy=policy.slug,
        policy_version=routing.sla_version,
        basis=clocks.basis_of(policy, item.urgency),
        urgency=item.urgency,
        target_seconds=routing.target_seconds or 0.0,
        started_at=item.enqueued_at,
        due_at=item.due_at,
        state="breached" if item.late else "running",
        intent=routing.intent,
        event_at=routing.event_at,
    )


def on_clock(item: Item, clock: Clock) -> Item:
    """The item with what its clock says now."""
    promised = clock.state != "canceled"
    routing = replace(
        item.routing,
        sla=clock.policy,
        sla_version=clock.policy_version,
        target_seconds=clock.target_seconds if promised else None,
        event_at=clock.event_at,
    )
    return replace(item, due_at=clock.due_at if promised else None, routing=routing)


Happened = Literal["lifted", "breached", "step", "warned"]


class Changed(Struct, frozen=True):
    """Time changed where an item stands. What happened, in the order it did."""

    item: Item
    happened: tuple[Happened, ...] = ()
    warned: float = 0.0  # the share of the target reached; several at once are one warning


class Released(Struct, frozen=True):
    """Nobody has it any more: back in its queue with its age."""

    item: Item
    reason: str


class Completed(Struct, frozen=True):
    """The wrap-up is over."""

    item: Item


Ticked = Changed | Released | Completed


def tick(item: Item, setup: Setup, now: datetime, *, draft_changed_at: datetime | None = None) -> Ticked:
    """What this moment does to an open item whose time has come.

    pending: it is lifted, gets late, enters its next step, is warned about. reserved: nobody took it in time.
    assigned: no first reply in time, unless its draft changed in the last 5 minutes. wrapping: it is done.
    """
    if item.state == "wrapping":
        return Completed(replace(item, state="completed", version=item.version + 1, next_at=None))
    if item.state == "reserved":
        return Released(back(item, setup, now, declined=item.agent), "timed_out")
    if item.state == "assigned":
        limit = _reply_limit(item, setup, draft_changed_at)
        if limit is not None and limit <= now:
            return Released(back(item, setup, now), "no_first_reply")
        breached = item.due_at is not None and item.due_at < now and not item.late
        after = replace(item, late=item.late or breached, next_at=None)
        after = replace(after, next_at=held_until(after, setup, now, draft_changed_at))
        return Changed(after, ("breached",) if breached else ())
    return _waited(item, setup, now)


def _waited(item: Item, setup: Setup, now: datetime) -> Changed:
    warned = _share_reached(item, setup, now)
    if warned > item.routing.warned:
        item = replace(item, routing=replace(item.routing, warned=warned))
    else:
        warned = 0.0
    after = arrange(item, plan_of(item, setup), setup, now)
    happened: list[Happened] = []
    if after.rank < item.rank:
        happened.append("lifted")
    if after.late and not item.late:
        happened.append("breached")
    if after.routing.step != item.routing.step or after.line != item.line:
        happened.append("step")
    if warned:
        happened.append("warned")
    if "step" in happened:
        after = replace(after, version=item.version + 1, routing=replace(after.routing, declined_by=()))
    return Changed(after, tuple(happened), warned)


def _share_reached(item: Item, setup: Setup, now: datetime) -> float:
    """The highest fraction of the time that is used and not warned of; those passed together are one warning."""
    queue = setup.queues.get(item.queue)
    if item.due_at is None or queue is None:
        return 0.0
    policy = setup.sla_of(queue, item.routing.sla or None)
    fractions = [each for each in policy.warn_at if each <= 1]
    clock = clock_of(item, policy)
    reached = clocks.warnings_due(clock, setup.hours_of(queue), fractions, item.routing.warned, now)
    return reached.fraction if reached is not None else 0.0


DRAFT_KEEPS = timedelta(minutes=5)
"""A held item whose draft changed this recently is never taken from its agent."""


def _reply_limit(item: Item, setup: Setup, draft_changed_at: datetime | None) -> datetime | None:
    queue = setup.queues.get(item.queue)
    if queue is None or queue.first_reply_seconds is None or item.assigned_at is None or is_aside(item):
        return None
    limit = item.assigned_at + timedelta(seconds=queue.first_reply_seconds)
    return max(limit, draft_changed_at + DRAFT_KEEPS) if draft_changed_at is not None else limit


def held_until(item: Item, setup: Setup, now: datetime, draft_changed_at: datetime | None = None) -> datetime | None:
    """When time next says something about an assigned item: its deadline, or no first reply in time."""
    moments = [] if item.due_at is None or item.late else [item.due_at + JUST_AFTER]
    if (limit := _reply_limit(item, setup, draft_changed_at)) is not None:
        moments.append(limit)
    return min((max(moment, now + JUST_AFTER) for moment in moments), default=None)


def given(item: Item, agent: str, setup: Setup, now: datetime) -> Item:
    """The item in this agent's hands."""
    held = replace(item, state="assigned", agent=agent, assigned_at=now, version=item.version + 1)
    return replace(held, next_at=held_until(held, setup, now))


def promised(item: Item, until: datetime, setup: Setup, now: datetime) -> Item:
    """A held item after a holding reply: it stays with its agent, who comes back by then."""
    routing = replace(item.routing, promised=True, target_seconds=None, warned=1.0)
    held = replace(item, due_at=until, late=False, version=item.version + 1, routing=routing)
    return replace(held, next_at=held_until(held, setup, now))


def offered(item: Item, agent: str, until: datetime) -> Item:
    """The item while this agent may take it."""
    return replace(item, state="reserved", agent=agent, next_at=until, version=item.version + 1)


def put_aside(item: Item, setup: Setup, now: datetime) -> Item:
    """A held item while its conversation is on hold or snoozed: still its agent's, and it uses no capacity.

    Its deadline goes on; nobody loses it for want of a reply.
    """
    routing = replace(item.routing, parked=item.weight)
    aside = replace(item, weight=0, version=item.version + 1, routing=routing)
    return replace(aside, next_at=held_until(aside, setup, now))


def is_aside(item: Item) -> bool:
    """Whether its conversation is on hold or snoozed."""
    return item.routing.parked is not None


def taken_up(item: Item, setup: Setup, now: datetime) -> Item:
    """An item that was put aside in the hands of its agent again, who has room for it."""
    held = replace(_whole(item), assigned_at=now, version=item.version + 1)
    return replace(held, next_at=held_until(held, setup, now))


def _whole(item: Item) -> Item:
    """With the weight it has when it is not put aside."""
    if item.routing.parked is None:
        return item
    return replace(item, weight=item.routing.parked, routing=replace(item.routing, parked=None))


def back(item: Item, setup: Setup, now: datetime, *, declined: str = "") -> Item:
    """A held item in its queue again, with its original age; `declined`: who did not want it."""
    item = _whole(item)
    routing = item.routing
    if declined and declined not in routing.declined_by:
        routing = replace(routing, declined_by=(*routing.declined_by, declined))
    plan = plan_of(item, setup)
    waiting = replace(
        item, state="pending", agent="", assigned_at=None, version=item.version + 1, routing=routing,
        weight=item.weight or plan.weight,  # it weighed nothing among others of its incident
    )  # fmt: skip
    return arrange(waiting, plan, setup, now)


def moved(item: Item, queue: Queue, setup: Setup, now: datetime, *, team: str | None = None) -> Item:
    """A waiting item in another queue, with its age; there nobody declined it yet. Its deadline stays."""
    item = _whole(item)
    routing = replace(item.routing, sent_from=item.queue, declined_by=())
    there = replace(
        item, queue=queue.slug, team=team or item.team, state="pending", agent="", assigned_at=None,
        version=item.version + 1, routing=routing, weight=item.weight or 1,
    )  # fmt: skip
    return arrange(there, plan_of(there, setup), setup, now)


def raised(
    item: Item,
    urgency: Urgency,
    reasons: Collection[str],
    setup: Setup,
    now: datetime,
    *,
    by_a_person: bool = False,
    event_at: datetime | None = None,
) -> Item:
    """The item with an urgency that a fact gave it, and the deadline that follows; only a person lowers it."""
    if RANK[urgency] >= RANK[item.urgency] and not by_a_person:
        fresh = tuple(dict.fromkeys((*item.routing.reasons, *reasons)))
        if fresh == item.routing.reasons:
            return item
        return replace(item, version=item.version + 1, routing=replace(item.routing, reasons=fresh))
    queue = setup.queues.get(item.queue) or next(iter(setup.queues.values()))
    policy = setup.sla_of(queue, item.routing.sla or None)
    clock = clocks.retarget(
        clock_of(item, policy), policy, setup.hours_of(queue), urgency, now, "urgency", event_at=event_at
    )
    told = on_clock(item, clock)
    routing = replace(told.routing, reasons=tuple(dict.fromkeys((*item.routing.reasons, *reasons))), warned=0.0)
    after = replace(told, urgency=urgency, version=item.version + 1, routing=routing)
    if item.state == "pending":
        return arrange(after, plan_of(after, setup), setup, now)
    where = place(urgency, item.enqueued_at, after.due_at, routing.followup, now)
    after = replace(after, rank=where.rank, late=where.late, sort_at=where.sort_at)
    return replace(after, next_at=held_until(after, setup, now)) if item.state == "assigned" else after


def ended(item: Item, answered_at: datetime | None, reason: str, now: datetime) -> Clock:
    """The clock of an item that is done: by a human answer of ours at this moment, or because nobody needs one."""
    clock = clock_of(item, clocks.DEFAULT_SLA)
    return clocks.cancel(clock, reason, now) if answered_at is None else clocks.stop_clock(clock, answered_at)
