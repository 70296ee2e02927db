"""What people do with an incident: make, change, open and close it, and bring in what waits already."""

from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.events import Event, IncidentClosed, IncidentOpened, IncidentProposed, derived_id
from libs.common.lists import check_if_match
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain.incidents import Incident, matches
from services.router.domain.waiting import Item
from services.router.handlers.desk import unknown
from services.router.ids import typed_id
from services.router.store import incidents as store
from services.router.store import items
from services.router.store import setup as setup_store
from services.router.store.incidents import Kept
from services.router.store.items import Change

AT_ONCE = 500
SETTLES = timedelta(seconds=10)
"""After an incident opened or changed, what was being routed at that moment is there: it is looked for once more."""

_ITEM_ID_TIME = len("itm_") + 12  # of an item's id: what rises with the time of its post


async def known(session: AsyncSession, slug: str, teams: Collection[str], *, lock: bool = False) -> Kept:
    """One incident.

    Raises:
        Problem: 404.
    """
    kept = await store.get(session, slug, teams, lock=lock)
    if kept is None:
        raise unknown("incident", slug, "GET /v1/incidents lists them.")
    return kept


async def create(session: AsyncSession, incident: Incident, actor: str) -> Kept:
    """Keep a new one, proposed or open.

    Raises:
        Problem: 409 where the name is taken, 422 for a matcher that takes everything.
    """
    _check(incident)
    if incident.state == "open":
        await setup_store.lock(session)
    now = await db.now(session)
    incident = replace(incident, opened_at=now if incident.state == "open" else None)
    reason = "opened" if incident.state == "open" else "proposed"
    if not await store.add(session, incident, reason=reason, actor=actor, now=now):
        raise Problem(409, "name-taken", "This name is taken", incident.slug, "Choose another one.")
    emit(session, [opened_event(incident, now) if incident.state == "open" else proposed_event(incident, now)])
    return Kept(incident, now)


async def change(
    session: AsyncSession, wanted: Incident, teams: Collection[str], actor: str, if_match: str | None
) -> Kept:
    """Set what is written of it: name, matcher, times, texts. Of an open one, what waits is looked through again.

    Raises:
        Problem: 404, 409 for one that is closed or to another team, 412, 422 for a matcher that takes everything.
    """
    _check(wanted)
    await setup_store.lock(session)
    before, changed_at = await known(session, wanted.slug, teams, lock=True)
    check_if_match(if_match, before.version)
    after = replace(
        before, name=wanted.name, matcher=wanted.matcher, since=wanted.since, until=wanted.until,
        holding=wanted.holding, banner=wanted.banner,
    )  # fmt: skip
    if after == before:
        return Kept(before, changed_at)
    if before.state == "closed" or wanted.team != before.team:
        what = f"{before.slug} is closed" if before.state == "closed" else f"{before.slug} is of {before.team}"
        raise Problem(409, "incident-stays", "This cannot be changed any more", f"{what}.", "Make a new one.")
    now = await db.now(session)
    after = replace(after, version=before.version + 1)
    looks_again = (after.matcher, after.since, after.until) != (before.matcher, before.since, before.until)
    await store.save(session, after, reason="changed", actor=actor, now=now, scan=looks_again and after.state == "open")
    return Kept(after, now)


async def open_(session: AsyncSession, slug: str, teams: Collection[str], actor: str) -> Kept:
    """From now on mentions that match belong to it. What is open stays so.

    Raises:
        Problem: 404, 409 for one that is closed or whose end is past, 422 for a matcher that takes everything.
    """
    await setup_store.lock(session)
    before, changed_at = await known(session, slug, teams, lock=True)
    if before.state == "open":
        return Kept(before, changed_at)
    now = await db.now(session)
    if before.state == "closed" or (before.until is not None and before.until <= now):
        raise Problem(
            409, "incident-over", "This incident is over", f"{slug} is {before.state}, until {before.until}.",
            "Make a new one, or give a proposed one a later end.", state=before.state,
        )  # fmt: skip
    _check(before)
    after = replace(before, state="open", opened_at=now, version=before.version + 1)
    await store.save(session, after, reason="opened", actor=actor, now=now, scan=True)
    emit(session, [opened_event(after, now)])
    return Kept(after, now)


async def close(session: AsyncSession, slug: str, teams: Collection[str], actor: str) -> Kept:
    """It is over, or was none; its items stay grouped until they are done. What is closed stays so.

    Raises:
        Problem: 404.
    """
    await setup_store.lock(session)
    before, changed_at = await known(session, slug, teams, lock=True)
    if before.state == "closed":
        return Kept(before, changed_at)
    now = await db.now(session)
    after = await end(session, before, "closed" if before.state == "open" else "dismissed", actor, now)
    return Kept(after, now)


async def end(session: AsyncSession, before: Incident, reason: str, actor: str, now: datetime) -> Incident:
    """A (locked) incident is over; the set-up is locked."""
    after = replace(before, state="closed", closed_at=now, version=before.version + 1, reason=reason)
    await store.save(session, after, reason=reason, actor=actor, now=now)
    emit(session, [_closed_event(after, now)])
    return after


def _check(incident: Incident) -> None:
    if incident.matcher.empty:
        raise Problem(
            422, "matches-everything", "This incident would take everything",
            f"$.matcher: nothing is written, so every mention of {incident.team} belongs to it.",
            "Write topics, keywords, handles, languages or intents.",
            errors=[{"in": "body", "path": "$.matcher", "detail": "nothing is written"}],
        )  # fmt: skip
    if incident.until is not None and incident.until <= incident.since:
        raise Problem(
            422, "ends-before", "It ends before it begins", "$.until is not after $.since.", "Write a later end.",
            errors=[{"in": "body", "path": "$.until", "detail": "not after $.since"}],
        )  # fmt: skip


# --- what waits already


async def bring_in_all(database: Database, slug: str) -> None:
    """Look through what waits, a batch in each transaction; what is left undone the timers go on with."""

    async def batch(session: AsyncSession) -> bool:
        return await bring_in(session, await db.now(session), slug) == AT_ONCE

    while await database.write(batch):
        pass


async def bring_in(session: AsyncSession, now: datetime, slug: str | None = None) -> int:
    """Group a batch of waiting items that match an open incident, let go of those that do not; returns how many it saw.

    Since the posts' times rise with the items' ids, it begins where the incident does.
    """
    found = await store.to_scan(session, now, slug)
    if found is None:
        return 0
    incident, after = found
    after = after or typed_id("itm", incident.since, "")[:_ITEM_ID_TIME]
    seen = await store.candidates(session, incident.team, after, AT_ONCE)
    joined: list[Change] = []
    left: list[Change] = []
    for work, facts in seen:
        item, belongs = work.item, matches(incident, facts)
        if belongs and not item.routing.incident:
            joined.append(_grouped(item, incident.slug, "joined_incident"))
        elif not belongs and item.routing.incident == incident.slug:
            left.append(_grouped(item, "", "left_incident"))
    await store.group(session, incident.slug, [c.item.id for c in joined], [c.item.id for c in left], now)
    await items.write(session, [*joined, *left], now)
    if len(seen) == AT_ONCE:
        await store.scanned(session, incident.slug, at=now, after=seen[-1][0].item.id)
    else:
        settled = await store.settled_at(session, incident.slug) + SETTLES
        await store.scanned(session, incident.slug, at=None if now >= settled else settled, after="")
    return len(seen)


def _grouped(item: Item, slug: str, reason: str) -> Change:
    after = replace(item, version=item.version + 1, routing=replace(item.routing, incident=slug))
    return Change(after, reason, "router", why={"incident": slug or item.routing.incident})


# --- what others ask


# --- what is told


def proposed_event(incident: Incident, now: datetime) -> Event:
    """A person should look."""
    spike = incident.spike
    return IncidentProposed(
        event_id=derived_id(incident.slug, IncidentProposed.type, str(incident.version)),
        occurred_at=now,
        key=incident.slug,
        traceparent=traceparent(),
        incident=incident.slug,
        name=incident.name,
        version=incident.version,
        since=incident.since,
        until=incident.until,
        team=incident.team,
        topic=spike.topic if spike else "",
        count=spike.count if spike else 0,
        expected=spike.expected if spike else 0.0,
        bound=spike.bound if spike else 0.0,
    )


def opened_event(incident: Incident, now: datetime) -> Event:
    """Mentions belong to it from now on."""
    return IncidentOpened(
        event_id=derived_id(incident.slug, IncidentOpened.type, str(incident.version)),
        occurred_at=now,
        key=incident.slug,
        traceparent=traceparent(),
        incident=incident.slug,
        name=incident.name,
        version=incident.version,
        since=incident.since,
        until=incident.until,
        team=incident.team,
    )


def _closed_event(incident: Incident, now: datetime) -> Event:
    return IncidentClosed(
        event_id=derived_id(incident.slug, IncidentClosed.type, str(incident.version)),
        occurred_at=now,
        key=incident.slug,
        traceparent=traceparent(),
        incident=incident.slug,
        name=incident.name,
        version=incident.version,
        since=incident.since,
        until=incident.until,
        team=incident.team,
        reason=incident.reason,  # type: ignore[arg-type]
    )
