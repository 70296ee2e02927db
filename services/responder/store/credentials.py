"""Tokens that run out: the pair in use, one row an account, and who is renewing it. Guard the table like a secret."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert
from services.responder.store.tables import metadata

CREDENTIALS = sa.Table(
    "credentials",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("seed", sa.Text, nullable=False),  # of what the operator gave; another one begins anew
    sa.Column("access", sa.Text, nullable=False),
    sa.Column("refresh", sa.Text, nullable=False),
    sa.Column("lease_until", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is, and which secret of the operator's it comes from."""

    network: str
    handle: str
    seed: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A token to ask with, and the one that gets the next; empty where there is none."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody has renewed it already."""

    pair: Pair


@dataclass(frozen=True, slots=True)
class Lent:
    """Ours to renew, until the lease is over."""

    pair: Pair


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else is renewing it."""


def seed_of(*secrets: str) -> str:
    """Tells whether the operator gave another secret, and not which."""
    return hashlib.sha256("\0".join(secrets).encode()).hexdigest()[:16]


async def current(session: AsyncSession, account: Account) -> Pair | None:
    """The pair in use; None: nobody has renewed what the operator gave."""
    row = (await session.execute(sa.select(CREDENTIALS).where(*_of(account)))).one_or_none()
    return Pair(row.access, row.refresh) if row and row.seed == account.seed else None


async def borrow(
    session: AsyncSession, account: Account, given: Pair, used: str, now: datetime, lease: timedelta
) -> Kept | Lent | Busy:
    """Take the pair to renew it, if it still is the one that was used and nobody else has it.

    Args:
        given: the operator's pair, which counts until the first renewal.
        used: the token that the network did not take; empty: there was none.
    """
    first = {
        "network": account.network,
        "handle": account.handle,
        "seed": account.seed,
        "access": given.access,
        "refresh": given.refresh,
        "lease_until": None,
    }
    await bulk_insert(session, CREDENTIALS, [first], on_conflict=("network", "handle"))
    row = (await session.execute(sa.select(CREDENTIALS).where(*_of(account)).with_for_update())).one()
    pair, lease_until = Pair(row.access, row.refresh), row.lease_until
    if row.seed != account.seed:
        pair, lease_until = given, None
    elif pair.access and pair.access != used:
        return Kept(pair)
    if lease_until is not None and lease_until > now:
        return Busy()
    await session.execute(
        sa.update(CREDENTIALS)
        .where(*_of(account))
        .values(seed=account.seed, access=pair.access, refresh=pair.refresh, lease_until=now + lease)
    )
    return Lent(pair)


async def renewed(session: AsyncSession, account: Account, old: Pair, new: Pair) -> bool:
    """Keep both halves of the new pair at once, and end the lease; False: another one took the old one's place."""
    return await _replace(session, account, old, access=new.access, refresh=new.refresh, lease_until=None)


async def give_back(session: AsyncSession, account: Account, old: Pair) -> None:
    """It could not be renewed: the next may try."""
    await _replace(session, account, old, lease_until=None)


async def _replace(session: AsyncSession, account: Account, old: Pair, **values: str | None) -> bool:
    ours = (CREDENTIALS.c.access == old.access, CREDENTIALS.c.refresh == old.refresh)
    changed = await session.execute(
        sa.update(CREDENTIALS).where(*_of(account), *ours).values(values).returning(CREDENTIALS.c.handle)
    )
    return changed.one_or_none() is not None


def _of(account: Account) -> tuple[sa.ColumnElement[bool], ...]:
    return CREDENTIALS.c.network == account.network, CREDENTIALS.c.handle == account.handle
