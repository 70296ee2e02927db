"""Incidents, and the work items that belong to them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert, matching
from libs.common.db.append import Appended
from libs.common.lists import Mark
from services.router.domain.incidents import Facts, Incident
from services.router.domain.waiting import Item
from services.router.domain.words import OPEN_STATES
from services.router.store.incident_tables import INCIDENT_CHANGES, INCIDENT_ITEMS, INCIDENTS, TOPIC_ARRIVALS
from services.router.store.items import ITEMS, WorkItem, of_teams, page, work_item
from services.router.store.tables import CLOCKS, CONVERSATIONS, MENTIONS, SETUP_REVISION, WORK_ITEMS, in_states
from services.router.store.topic_counts import arrival_rows

_FIELDS = Incident.__struct_fields__
_INCIDENTS = sa.select(*[INCIDENTS.c[name] for name in _FIELDS])


class Kept(NamedTuple):
    """An incident, and when it changed last."""

    incident: Incident
    updated_at: datetime


class Said(NamedTuple):
    """Who wrote the message that an item is about, and what."""

    item_id: str
    network: str
    post_id: str
    author_id: str
    author_username: str
    text: str


# --- incidents


async def open_ones(session: AsyncSession) -> list[Incident]:
    """Those that take mentions, the oldest first."""
    return [_incident(row) for row in await session.execute(_OPEN)]


_OPEN = _INCIDENTS.where(INCIDENTS.c.state == sa.literal_column("'open'")).order_by(
    INCIDENTS.c.opened_at, INCIDENTS.c.slug
)


async def get(session: AsyncSession, slug: str, teams: Collection[str], *, lock: bool = False) -> Kept | None:
    """One incident; None for a stranger's too."""
    statement = _INCIDENTS.add_columns(INCIDENTS.c.updated_at).where(INCIDENTS.c.slug == slug)
    statement = statement.where(of_teams(INCIDENTS, teams))
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return Kept(_incident(row), row.updated_at) if row else None


async def list_incidents(
    session: AsyncSession,
    teams: Collection[str],
    *,
    state: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> list[Kept]:
    """Incidents by (updated_at, slug), one more than `limit` when there is more."""
    statement = _INCIDENTS.add_columns(INCIDENTS.c.updated_at).where(of_teams(INCIDENTS, teams))
    if state is not None:
        statement = statement.where(INCIDENTS.c.state == state)
    statement = page(statement, INCIDENTS.c.updated_at, INCIDENTS.c.slug, updated_after, after, limit)
    return [Kept(_incident(row), row.updated_at) for row in await session.execute(statement)]


async def recent(session: AsyncSession, after: datetime) -> list[Incident]:
    """Those that are proposed or open, or changed after this."""
    return [_incident(row) for row in await session.execute(_RECENT, {"after": after})]


_LASTING = INCIDENTS.c.state.in_([sa.literal_column("'proposed'"), sa.literal_column("'open'")])
_RECENT = sa.union(
    _INCIDENTS.where(_LASTING),
    _INCIDENTS.where(INCIDENTS.c.updated_at > sa.bindparam("after", type_=UtcDateTime())),
)


async def over(session: AsyncSession, now: datetime) -> list[Incident]:
    """Proposed and open ones whose end has come, locked; those that somebody changes at this moment are left out."""
    return [_incident(row) for row in await session.execute(_OVER, {"now": now})]


_NOW = sa.bindparam("now", type_=UtcDateTime())
_OVER = (
    _INCIDENTS.where(_LASTING, INCIDENTS.c.until <= _NOW).order_by(INCIDENTS.c.slug).with_for_update(skip_locked=True)
)


async def setup_is_free(session: AsyncSession) -> bool:
    """Whether nobody changes the set-up now; it is ours then. Who holds items must not wait for it."""
    free = sa.select(SETUP_REVISION.c.revision).with_for_update(skip_locked=True)
    return (await session.execute(free)).first() is not None


async def add(session: AsyncSession, incident: Incident, *, reason: str, actor: str, now: datetime) -> bool:
    """Keep a new one; False where the name is taken."""
    row = _row(incident) | {"updated_at": now, "scan_at": now if incident.state == "open" else None, "scan_from": ""}
    if not await bulk_insert(session, INCIDENTS, [row], on_conflict=["slug"], returning=["slug"]):
        return False
    await _note(session, incident, reason, actor, now)
    return True


async def save(
    session: AsyncSession, incident: Incident, *, reason: str, actor: str, now: datetime, scan: bool = False
) -> None:
    """A (locked) incident as it is now; `scan`: what waits is looked through from the beginning."""
    row: dict[str, Any] = _row(incident) | {"updated_at": now}
    if scan:
        row |= {"scan_at": now, "scan_from": ""}
    elif incident.state != "open":
        row |= {"scan_at": None}
    await session.execute(sa.update(INCIDENTS).where(INCIDENTS.c.slug == incident.slug).values(row))
    await _note(session, incident, reason, actor, now)


async def _note(session: AsyncSession, incident: Incident, reason: str, actor: str, now: datetime) -> None:
    row = {"incident": incident.slug, "version": incident.version, "state": incident.state, "reason": reason,
           "actor": actor, "at": now}  # fmt: skip
    await session.execute(sa.insert(INCIDENT_CHANGES).values(row))


def _row(incident: Incident) -> dict[str, Any]:
    return asdict(incident)


def _incident(row: Any) -> Incident:
    return msgspec.convert({name: getattr(row, name) for name in _FIELDS}, Incident)


# --- looking through what waits


async def to_scan(session: AsyncSession, now: datetime, slug: str | None = None) -> tuple[Incident, str] | None:
    """An open incident whose waiting items are to be looked through, locked, and after which one; None: there is none.

    One that somebody else is busy with is left out.
    """
    statement = _TO_SCAN if slug is None else _TO_SCAN.where(INCIDENTS.c.slug == slug)
    row = (await session.execute(statement, {"now": now})).first()
    return (_incident(row), row.scan_from) if row else None


_TO_SCAN = (
    _INCIDENTS.add_columns(INCIDENTS.c.scan_from)
    .where(INCIDENTS.c.state == sa.literal_column("'open'"), INCIDENTS.c.scan_at <= _NOW)
    .order_by(INCIDENTS.c.scan_at, INCIDENTS.c.slug)
    .limit(1)
    .with_for_update(skip_locked=True)
)


async def scanned(session: AsyncSession, slug: str, *, at: datetime | None, after: str) -> None:
    """When a (locked) incident is scanned next, and after which item."""
    values = {"scan_at": at, "scan_from": after}
    await session.execute(sa.update(INCIDENTS).where(INCIDENTS.c.slug == slug).values(**values))


async def settled_at(session: AsyncSession, slug: str) -> datetime:
    """When it changed last."""
    found: datetime = (
        await session.execute(sa.select(INCIDENTS.c.updated_at).where(INCIDENTS.c.slug == slug))
    ).scalar_one()
    return found


async def candidates(session: AsyncSession, team: str, after: str, most: int) -> list[tuple[WorkItem, Facts]]:
    """Waiting items of the team by id, with what a matcher looks at; locked."""
    picked = (await session.execute(_PICKED, {"team": team, "after": after, "most": most})).scalars().all()
    if not picked:
        return []
    statement, params = matching(session, WORK_ITEMS, _CANDIDATES, [{"id": id_} for id_ in picked])
    found = []
    for row in await session.execute(statement, params):
        *fields, handle, text = row
        work = work_item(fields)
        item, routing = work.item, work.item.routing
        facts = Facts(item.team, handle, routing.language, routing.intent, routing.topics, text, item.enqueued_at)
        found.append((work, facts))
    return sorted(found, key=lambda each: each[0].item.id)


# of one table alone: joined at once, a planner that knows little of the tables walks through all of them
_PICKED = (
    sa.select(WORK_ITEMS.c.id)
    .where(
        WORK_ITEMS.c.id > sa.bindparam("after", type_=sa.Text()),
        WORK_ITEMS.c.team == sa.bindparam("team", type_=sa.Text()),
        WORK_ITEMS.c.state == sa.literal_column("'pending'"),
    )
    .order_by(WORK_ITEMS.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
    .with_for_update()
)
_OPENED_BY = sa.and_(MENTIONS.c.network == CONVERSATIONS.c.network, MENTIONS.c.post_id == WORK_ITEMS.c.opened_by)
_CANDIDATES = ITEMS.add_columns(CONVERSATIONS.c.handle, sa.func.coalesce(MENTIONS.c.text, "").label("text")).outerjoin(
    MENTIONS, _OPENED_BY
)


async def group(session: AsyncSession, slug: str, joined: Sequence[str], left: Sequence[str], now: datetime) -> None:
    """These items belong to the incident now, and those no more."""
    rows = [{"incident": slug, "item_id": id_, "joined_at": now} for id_ in joined]
    await bulk_insert(session, INCIDENT_ITEMS, rows, on_conflict=["incident", "item_id"])
    if left:
        gone = sa.and_(INCIDENT_ITEMS.c.incident == slug, INCIDENT_ITEMS.c.item_id.in_(sorted(left)))
        await session.execute(sa.delete(INCIDENT_ITEMS).where(gone))


# --- what belongs to one


def noticed(items: Iterable[Item], mentions: Iterable[Mapping[str, Any]], now: datetime) -> tuple[Appended, Appended]:
    """What a batch of messages appends here: which of its items belong to an incident, and how often topics came."""
    joined = [
        {"incident": item.routing.incident, "item_id": item.id, "joined_at": now}
        for item in items
        if item.routing.incident
    ]
    return (INCIDENT_ITEMS, joined), (TOPIC_ARRIVALS, arrival_rows(mentions, now))


# first those that belong, then each by its key: never through all items there are
_BELONGS = (
    sa.select(INCIDENT_ITEMS.c.item_id)
    .where(INCIDENT_ITEMS.c.incident == sa.bindparam("incident", type_=sa.Text()))
    .cte("belongs")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_BELONGING = ITEMS.join(_BELONGS, _BELONGS.c.item_id == WORK_ITEMS.c.id)


async def items_of(
    session: AsyncSession,
    slug: str,
    teams: Collection[str],
    *,
    state: str | None,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
) -> list[WorkItem]:
    """Its items by (updated_at, id), one more than `limit` when there is more."""
    statement = _BELONGING.where(of_teams(WORK_ITEMS, teams))
    if state is not None:
        statement = statement.where(WORK_ITEMS.c.state == state)
    statement = page(statement, WORK_ITEMS.c.updated_at, WORK_ITEMS.c.id, updated_after, after, limit)
    return [work_item(row) for row in await session.execute(statement, {"incident": slug})]


async def lines_of(session: AsyncSession, slug: str) -> dict[str, str]:
    """The lines its waiting items stand in, and the queue of each."""
    return {row.line: row.queue for row in await session.execute(_LINES_OF, {"incident": slug})}


_LINES_OF = (
    sa.select(WORK_ITEMS.c.line, WORK_ITEMS.c.queue)
    .distinct()
    .join(_BELONGS, _BELONGS.c.item_id == WORK_ITEMS.c.id)
    .where(WORK_ITEMS.c.state == "pending")
)


async def waiting(session: AsyncSession, slug: str, lines: Collection[str], most: int) -> list[WorkItem]:
    """Its items that wait in these (locked) lines, the most urgent first."""
    params = {"incident": slug, "lines": sorted(lines), "most": most}
    return [work_item(row) for row in await session.execute(_WAITING, params)]


_LINE = WORK_ITEMS.c.line.concat("")  # no index has it: the planner would walk through all that waits in the line
_WAITING = (
    _BELONGING.where(WORK_ITEMS.c.state == "pending", _LINE.in_(sa.bindparam("lines", expanding=True)))
    .order_by(WORK_ITEMS.c.rank, WORK_ITEMS.c.sort_at, WORK_ITEMS.c.enqueued_at, WORK_ITEMS.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)


async def unresolved(
    session: AsyncSession, slug: str, teams: Collection[str], *, agent: str | None, critical: bool, most: int
) -> list[WorkItem]:
    """Its open items, by id: all or those an agent holds; critical ones only when told so."""
    statement = _BELONGING.where(in_states(OPEN_STATES), of_teams(WORK_ITEMS, teams))
    if agent is not None:
        statement = statement.where(WORK_ITEMS.c.agent == agent)
    if not critical:
        statement = statement.where(WORK_ITEMS.c.urgency != "critical")
    statement = statement.order_by(WORK_ITEMS.c.id).limit(most)
    return [work_item(row) for row in await session.execute(statement, {"incident": slug})]


async def figures(session: AsyncSession, slug: str) -> tuple[dict[str, int], int, dict[str, int]]:
    """Its items by state, how many open ones are critical, and its clocks by state: they stand apart."""
    states: dict[str, int] = {}
    critical = 0
    for row in await session.execute(_BY_STATE, {"incident": slug}):
        states[row.state] = states.get(row.state, 0) + row.n
        critical += row.n if row.urgency == "critical" and row.state in OPEN_STATES else 0
    clocks = {row.state: row.n for row in await session.execute(_BY_CLOCK, {"incident": slug})}
    return states, critical, clocks


_BY_STATE = (
    sa.select(WORK_ITEMS.c.state, WORK_ITEMS.c.urgency, sa.func.count().label("n"))
    .join(_BELONGS, _BELONGS.c.item_id == WORK_ITEMS.c.id)
    .group_by(WORK_ITEMS.c.state, WORK_ITEMS.c.urgency)
)
_BY_CLOCK = (
    sa.select(CLOCKS.c.state, sa.func.count().label("n"))
    .join(_BELONGS, _BELONGS.c.item_id == CLOCKS.c.item_id)
    .where(CLOCKS.c.kind.in_(("first", "next")))
    .group_by(CLOCKS.c.state)
)


async def waited(session: AsyncSession, slug: str) -> list[float]:
    """Seconds from the customers' posts to our first answers, of its items that were answered; in any order."""
    rows = await session.execute(_ANSWERED, {"incident": slug})
    return [(stopped_at - started_at).total_seconds() for started_at, stopped_at in rows]


_ANSWERED = (
    sa.select(CLOCKS.c.started_at, CLOCKS.c.stopped_at)
    .join(_BELONGS, _BELONGS.c.item_id == CLOCKS.c.item_id)
    .where(CLOCKS.c.kind.in_(("first", "next")), CLOCKS.c.state.in_(("met", "met_late")))
)


async def said_in(session: AsyncSession, items: Collection[str]) -> Mapping[str, Said]:
    """What opened these items, by item."""
    rows = await session.execute(_SAID, {"items": sorted(items)})
    return {row.item_id: Said(*row) for row in rows}


_SAID = (
    sa.select(
        WORK_ITEMS.c.id.label("item_id"),
        CONVERSATIONS.c.network,
        WORK_ITEMS.c.opened_by,
        CONVERSATIONS.c.author_id,
        CONVERSATIONS.c.author_username,
        sa.func.coalesce(MENTIONS.c.text, ""),
    )
    .join_from(WORK_ITEMS, CONVERSATIONS, CONVERSATIONS.c.id == WORK_ITEMS.c.conversation_id)
    .outerjoin(MENTIONS, _OPENED_BY)
    .where(WORK_ITEMS.c.id.in_(sa.bindparam("items", expanding=True)))
)
