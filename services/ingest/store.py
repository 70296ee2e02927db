"""The tables of ingest (handles, and how far each source was read) and every question asked of them."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import Json, UtcDateTime, now
from libs.common.errors import Raced
from libs.common.lists import Mark
from services.ingest.domain import Handle

metadata = sa.MetaData()
HANDLES = sa.Table(
    "handles",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),  # NULL where it is not known
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("username_lower", sa.Text, nullable=False),  # SQLite lowers only ASCII
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("languages", Json, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("other_ways", Json, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
SOURCES = sa.Table(
    "sources",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("last_event_at", UtcDateTime),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)


class Source(NamedTuple):
    """How far a source was read. `position` is bytes for a file."""

    name: str
    kind: str
    position: int
    last_event_at: datetime | None
    updated_at: datetime


class AccountTaken(Exception):
    """Another handle is this account already."""

    def __init__(self, holder: Handle) -> None:
        super().__init__(holder.slug)
        self.holder = holder


async def all_handles(session: AsyncSession) -> list[Handle]:
    """Every handle, whatever its team: for matching posts, not for showing."""
    return [_handle(row) for row in await session.execute(sa.select(HANDLES).order_by(HANDLES.c.slug))]


async def handles(
    session: AsyncSession,
    teams: frozenset[str],
    *,
    limit: int,
    after: Mark | None = None,
    updated_after: datetime | None = None,
) -> list[Handle]:
    """A page of the teams' handles and one more, ordered by `updated_at` and slug."""
    wanted = sa.select(HANDLES).where(_of(teams)).order_by(HANDLES.c.updated_at, HANDLES.c.slug).limit(limit + 1)
    if after is not None:
        moment, slug = after
        wanted = wanted.where(
            sa.or_(
                HANDLES.c.updated_at > moment,
                sa.and_(HANDLES.c.updated_at == moment, HANDLES.c.slug > slug),
            )
        )
    if updated_after is not None:
        wanted = wanted.where(HANDLES.c.updated_at > updated_after)
    return [_handle(row) for row in await session.execute(wanted)]


async def handle(session: AsyncSession, slug: str, teams: frozenset[str]) -> Handle | None:
    """One of the teams' handles."""
    row = (await session.execute(sa.select(HANDLES).where(HANDLES.c.slug == slug, _of(teams)))).one_or_none()
    return None if row is None else _handle(row)


async def lock_handle(session: AsyncSession, slug: str) -> Handle | None:
    """The handle, whatever its team; nobody else changes it until this transaction ends."""
    found = await session.execute(sa.select(HANDLES).where(HANDLES.c.slug == slug).with_for_update())
    row = found.one_or_none()
    return None if row is None else _handle(row)


async def keep_handle(session: AsyncSession, wanted: Handle, known: Handle | None) -> Handle:
    """Create the handle, or replace `known`; returns it as it is now. One that changes nothing is left alone.

    Raises:
        AccountTaken: another handle has this account.
        Raced: somebody created one of the two at the same moment.
    """
    same_account = [HANDLES.c.username_lower == wanted.username.lower()]
    if wanted.external_id:
        same_account.append(HANDLES.c.external_id == wanted.external_id)
    other = await session.execute(
        sa.select(HANDLES)
        .where(HANDLES.c.network == wanted.network, HANDLES.c.slug != wanted.slug, sa.or_(*same_account))
        .order_by(HANDLES.c.slug)
    )
    if (row := other.first()) is not None:
        raise AccountTaken(_handle(row))
    values = _values(wanted)
    if known is not None and values == _values(known):
        return known
    values |= {"version": known.version + 1 if known else 1, "updated_at": await now(session)}
    try:
        if known is None:
            await session.execute(sa.insert(HANDLES).values(values))
        else:
            await session.execute(sa.update(HANDLES).where(HANDLES.c.slug == wanted.slug).values(values))
    except IntegrityError as error:
        raise Raced(f"the handle {wanted.slug}") from error
    kept = await lock_handle(session, wanted.slug)
    assert kept is not None
    return kept


async def remove_handle(session: AsyncSession, slug: str) -> None:
    """Delete it."""
    await session.execute(sa.delete(HANDLES).where(HANDLES.c.slug == slug))


async def sources(session: AsyncSession) -> list[Source]:
    """All sources that were ever read, by name."""
    return [Source(*row) for row in await session.execute(sa.select(SOURCES).order_by(SOURCES.c.name))]


async def position(session: AsyncSession, name: str) -> int:
    """How far a source was read; 0 for a new one."""
    found = await session.execute(sa.select(SOURCES.c.position).where(SOURCES.c.name == name))
    return int(found.scalar() or 0)


async def move(session: AsyncSession, name: str, kind: str, position: int, *, brought: bool) -> None:
    """Remember how far a source was read; `brought`: something of it was taken."""
    at = await now(session)
    values: dict[str, Any] = {"position": position, "updated_at": at} | ({"last_event_at": at} if brought else {})
    changed = await session.execute(sa.update(SOURCES).where(SOURCES.c.name == name).values(values))
    if changed.rowcount == 0:  # type: ignore[attr-defined]
        try:
            await session.execute(sa.insert(SOURCES).values({"name": name, "kind": kind, **values}))
        except IntegrityError as error:
            raise Raced(f"the source {name}") from error


def _of(teams: frozenset[str]) -> sa.ColumnElement[bool]:
    return sa.true() if "*" in teams else HANDLES.c.team_id.in_(sorted(teams))


def _handle(row: Any) -> Handle:
    return Handle(
        slug=row.slug,
        network=row.network,
        external_id=row.external_id or "",
        username=row.username,
        name=row.name,
        purpose=row.purpose,
        languages=tuple(row.languages),
        team=row.team_id,
        other_ways=tuple(row.other_ways),
        version=row.version,
        updated_at=row.updated_at,
    )


def _values(handle: Handle) -> dict[str, Any]:
    return {
        "slug": handle.slug,
        "network": handle.network,
        "external_id": handle.external_id or None,
        "username": handle.username,
        "username_lower": handle.username.lower(),
        "name": handle.name,
        "purpose": handle.purpose,
        "languages": list(handle.languages),
        "team_id": handle.team,
        "other_ways": list(handle.other_ways),
    }
