"""The set-up: everything configured, by kind and slug, in one table, with every version of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import ask_and_read_clock
from services.router.domain import configured
from services.router.domain.setup import Setup
from services.router.store import incidents
from services.router.store.tables import SETUP, SETUP_REVISION, SETUP_VERSIONS


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing of the set-up as it is kept."""

    kind: str
    slug: str
    version: int
    team: str
    body: dict[str, Any]
    updated_at: datetime


class Setups:
    """The set-up as it is now: one small question a transaction, and read again only when it changed."""

    def __init__(self) -> None:
        self.last = Setup(revision=-1)  # as it was when somebody asked last

    async def current(self, session: AsyncSession) -> Setup:
        """What is in force in this transaction."""
        rows = await ask_and_read_clock(session, _REVISION)
        return await self._of(session, rows[0].revision)

    async def beside(
        self, session: AsyncSession, statement: sa.Select[Any], params: Mapping[str, Any]
    ) -> tuple[Sequence[sa.Row[Any]], Setup]:
        """`current` together with a question that is made once, in one round trip; its rows have columns more."""
        rows = await ask_and_read_clock(session, _with_revision(statement), params)
        return rows, (await self._of(session, rows[0].revision) if rows else await self.current(session))

    async def _of(self, session: AsyncSession, revision: int) -> Setup:
        if revision != self.last.revision:
            kept = await session.execute(_ALL)
            found = configured.setup_of(revision, [(row.kind, row.slug, row.version, row.body) for row in kept])
            self.last = structs.replace(found, incidents=tuple(await incidents.open_ones(session)))
        return self.last


@lru_cache(maxsize=64)
def _with_revision(statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.add_columns(_REVISION.scalar_subquery().label("revision"))


_REVISION = sa.select(SETUP_REVISION.c.revision)
_ALL = sa.select(SETUP.c.kind, SETUP.c.slug, SETUP.c.version, SETUP.c.body).order_by(SETUP.c.kind, SETUP.c.slug)


async def lock(session: AsyncSession) -> int:
    """Let nobody else change the set-up until this transaction ends; returns its next revision, written."""
    result = await session.execute(
        sa.update(SETUP_REVISION).values(revision=SETUP_REVISION.c.revision + 1).returning(SETUP_REVISION.c.revision)
    )
    return int(result.scalar_one())


async def get(session: AsyncSession, kind: str, slug: str) -> Kept | None:
    """One thing; None where there is none of that name."""
    row = (await session.execute(sa.select(SETUP).where(SETUP.c.kind == kind, SETUP.c.slug == slug))).one_or_none()
    return Kept(**row._mapping) if row else None


async def list_kind(session: AsyncSession, kind: str, teams: Collection[str]) -> list[Kept]:
    """All of one kind that these teams own, by slug."""
    statement = sa.select(SETUP).where(SETUP.c.kind == kind).order_by(SETUP.c.slug)
    if "*" not in teams:
        statement = statement.where(SETUP.c.team.in_(sorted(teams)))
    return [Kept(**row._mapping) for row in await session.execute(statement)]


async def versions(session: AsyncSession, kind: str, slug: str) -> list[dict[str, Any]]:
    """Every version of one thing, oldest first; one without a body says that it was deleted."""
    statement = sa.select(SETUP_VERSIONS).where(SETUP_VERSIONS.c.kind == kind, SETUP_VERSIONS.c.slug == slug)
    rows = await session.execute(statement.order_by(SETUP_VERSIONS.c.version))
    return [dict(row._mapping) for row in rows]


async def put(
    session: AsyncSession, kind: str, slug: str, team: str, body: Mapping[str, Any], *, actor: str, now: datetime
) -> Kept:
    """Create or change one thing; the set-up is locked. Its version goes on where a deleted one of the name ended."""
    last = await _last_version(session, kind, slug)
    row = {"kind": kind, "slug": slug, "version": last + 1, "team": team, "body": dict(body), "updated_at": now}
    changed: Any = await session.execute(sa.update(SETUP).where(SETUP.c.kind == kind, SETUP.c.slug == slug).values(row))
    if not changed.rowcount:
        await session.execute(sa.insert(SETUP).values(row))
    await _note(session, kind, slug, last + 1, dict(body), actor, now)
    return Kept(**row)  # type: ignore[arg-type]


async def delete(session: AsyncSession, kind: str, slug: str, *, actor: str, now: datetime) -> None:
    """Take one thing out; the set-up is locked. What it was stays among its versions."""
    last = await _last_version(session, kind, slug)
    await session.execute(sa.delete(SETUP).where(SETUP.c.kind == kind, SETUP.c.slug == slug))
    await _note(session, kind, slug, last + 1, None, actor, now)


async def _last_version(session: AsyncSession, kind: str, slug: str) -> int:
    known = sa.and_(SETUP_VERSIONS.c.kind == kind, SETUP_VERSIONS.c.slug == slug)
    return (await session.execute(sa.select(sa.func.max(SETUP_VERSIONS.c.version)).where(known))).scalar() or 0


async def _note(
    session: AsyncSession, kind: str, slug: str, version: int, body: Any, actor: str, now: datetime
) -> None:
    row = {"kind": kind, "slug": slug, "version": version, "body": body, "actor": actor, "at": now}
    await session.execute(sa.insert(SETUP_VERSIONS).values(row))


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """A configured thing as its row keeps it: without its slug and version, which are columns."""
    body: dict[str, Any] = msgspec.to_builtins(value)
    return {name: inner for name, inner in body.items() if name not in ("slug", "version")}
